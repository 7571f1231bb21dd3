"""Drafts: what a rejection becomes when it is sent again, in a form that can be corrected.

A plain record stays a list of fields. Rows of a block whose features are known become a table with named columns,
so that they can be corrected by name, and sent in the order that production has now. A block whose table cannot
be read stays a list of fields.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from core.entry import WIRE_VERSION, Entry, default_record_id, field_map
from core.errors import RecordError
from core.model import Floats
from core.record_encoder import encode_block
from core.record_fields import parse_event_time_ms
from core.rejection import RejectedRows
from core.schema import Schema
from core.traceparent import traceparent_of
from streamgauge.redrive.selection import RejectedEntry

#: Feature names of a schema fingerprint, None where no model with them is kept.
FeaturesOf = Callable[[str], tuple[str, ...] | None]
#: The original entry of a rejection, None where it is trimmed.
OriginalOf = Callable[[RejectedEntry], Entry | None]

_COUNT = re.compile(rb"[1-9][0-9]{0,8}")


@dataclass(frozen=True, eq=False)
class FieldsDraft:
    """A record or block as its fields; ``default_ids`` stand where it has none of its own."""

    fields: list[bytes]
    default_ids: tuple[bytes, ...]

    def encode(self, schema: Schema | None) -> list[bytes]:
        """Fields of the entry to send."""
        del schema  # they stand as they are
        own = b"_ids" if b"_n" in self.fields[::2] else b"_id"
        if own in self.fields[::2] or not self.default_ids:
            return self.fields
        ids = self.default_ids if own == b"_ids" else self.default_ids[:1]
        return [*self.fields, own, b"\n".join(ids)]

    @property
    def records(self) -> int:
        """How many records it holds, as far as can be told."""
        return max(1, len(self.default_ids))


@dataclass(frozen=True, eq=False)
class RowsDraft:
    """Rows of a block."""

    names: tuple[str, ...]
    x: Floats  #: (n, d), columns as in ``names``
    rows: tuple[int, ...]  #: their numbers in the original block
    ids: tuple[bytes, ...]
    default_ids: tuple[bytes, ...]
    labels: Floats | None = None  #: (n,) 0, 1 or nan
    event_time_ms: int | None = None
    traceparent: bytes | None = None  #: the trace that the original belongs to

    def encode(self, schema: Schema | None) -> list[bytes]:
        """Fields of a block in the order of ``schema``, or as it is where there is none.

        Raises
        ------
        RecordError
            ``missing_feature``.
        """
        wanted = Schema(self.names) if schema is None else schema
        missing = [name for name in wanted.features if name not in self.names]
        if missing:
            raise RecordError(
                "missing_feature", f"feature {missing[0]!r} is missing; add it with --set or --rename"
            )
        columns = [self.names.index(name) for name in wanted.features]
        x = self.x[:, columns]
        return encode_block(x, wanted, self.ids, self.event_time_ms, self.labels, self.traceparent)

    @property
    def records(self) -> int:
        """How many records it holds."""
        return len(self.rows)


Draft = FieldsDraft | RowsDraft


def make_draft(found: RejectedEntry, features_of: FeaturesOf, original_of: OriginalOf) -> Draft:
    """The draft of a rejection, with ids as of the first time.

    A rejection of single rows does not tell their event time, labels and trace; they are taken from the original
    block while that is kept.

    Raises
    ------
    RecordError
        ``unknown_schema``: rows whose features nobody knows any more.
    """
    rejection = found.rejection
    if rejection.entry is not None:
        return _whole(found, rejection.entry, features_of)
    assert rejection.block_rows is not None  # noqa: S101  (the selection let nothing else through)
    block = rejection.block_rows
    names = features_of(block.schema)
    if names is None or len(names) != block.x.shape[1]:
        raise RecordError(
            "unknown_schema",
            f"no model with the schema {block.schema!r} is kept, so its columns have no names; send the rows anew",
        )
    defaults = _default_ids(found, block.rows.tolist())
    original = original_of(found)
    labels, event_time_ms = _from_original(original, block)
    trace = None if original is None else traceparent_of(original)
    rows = tuple(int(row) for row in block.rows)
    ids = block.ids if block.ids is not None and len(block.ids) == len(rows) else defaults
    return RowsDraft(names, block.x, rows, ids, defaults, labels, event_time_ms, trace)


def _whole(found: RejectedEntry, fields: list[bytes], features_of: FeaturesOf) -> Draft:
    if len(fields) % 2:
        raise RecordError("bad_field", "its original has a field without a value; send the record anew")
    given = field_map(fields)
    if b"_n" not in given:
        return FieldsDraft(fields, _default_ids(found, [0]))
    count = int(given[b"_n"]) if _COUNT.fullmatch(given[b"_n"]) else 0
    if count > len(given.get(b"_x", b"")) // 8:
        count = 0  # no such block, however it is corrected
    unread = FieldsDraft(fields, _default_ids(found, range(count)))
    names = features_of(given.get(b"_schema", b"").decode("ascii", "replace"))
    repeated = 2 * len(given) != len(fields)
    if names is None or not count or repeated or given.get(b"_v", WIRE_VERSION) != WIRE_VERSION:
        return unread
    ids = tuple(given[b"_ids"].split(b"\n")) if b"_ids" in given else unread.default_ids
    labels = np.frombuffer(given[b"_y"], "<f8") if len(given.get(b"_y", b"")) == 8 * count else None
    try:
        event_time_ms = parse_event_time_ms(given[b"_ts"]) if b"_ts" in given else None
    except RecordError:
        return unread
    if len(given[b"_x"]) != 8 * count * len(names) or len(ids) != count or (b"_y" in given and labels is None):
        return unread
    x = np.frombuffer(given[b"_x"], "<f8").reshape(count, len(names))
    trace = traceparent_of(Entry(found.rejection.record, fields))
    return RowsDraft(names, x, tuple(range(count)), ids, unread.default_ids, labels, event_time_ms, trace)


def _default_ids(found: RejectedEntry, rows: range | list[int]) -> tuple[bytes, ...]:
    return tuple(default_record_id(found.partition.number, found.rejection.record, row) for row in rows)


def _from_original(original: Entry | None, block: RejectedRows) -> tuple[Floats | None, int | None]:
    """Labels and event time of some rows; a label that is none is unknown."""
    if original is None:
        return None, None
    given = field_map(original.fields)
    try:
        event_time_ms = parse_event_time_ms(given[b"_ts"]) if b"_ts" in given else None
    except RecordError:
        event_time_ms = None
    labels = None
    data = given.get(b"_y", b"")
    if data and len(data) % 8 == 0 and int(block.rows.max()) < len(data) // 8 and int(block.rows.min()) >= 0:
        chosen = np.frombuffer(data, "<f8")[block.rows]
        labels = np.where((chosen == 0.0) | (chosen == 1.0), chosen, np.nan)
    return labels, event_time_ms

"""Rejections: whatever cannot be scored, whole, with a stable reason and one sentence."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.entry import WIRE_VERSION, Entry, known_fields

#: Reason codes in the order in which they are checked; the first that applies is given.
REASONS = (
    "too_large",  #: the entry is larger than `max_entry_bytes`
    "unknown_version",  #: `_v` is not 1
    "duplicate_field",  #: a name occurs twice
    "bad_field",  #: `_id`, `_ts` or `_y` cannot be read
    "bad_block",  #: counts or bytes of a block do not fit
    "unknown_schema",  #: the block is for other features than production's
    "missing_feature",  #: a feature is absent
    "not_a_number",  #: text that is no decimal number
    "not_finite",  #: nan, inf, or beyond float64
    "overflow",  #: finite features whose logit is not finite
    "poison",  #: each worker that processed it alone died
)

_msgpack = msgspec.msgpack.Encoder()


@dataclass(frozen=True, eq=False)
class RejectedRows:
    """Some rows of a block: their numbers, their bytes as they came, and their ids if it gave any."""

    rows: NDArray[np.int32]  #: (k,)
    x: NDArray[np.float64]  #: (k, d)
    schema: str
    ids: tuple[bytes, ...] | None


@dataclass(frozen=True, eq=False)
class Rejection:
    """Why an entry, or some rows of a block, could not be scored.

    Either ``entry`` (the original field list) or ``block_rows`` is given.
    """

    record: bytes  #: entry id
    reason: str
    detail: str
    id: bytes | None = None
    entry: list[bytes] | None = None
    block_rows: RejectedRows | None = None

    @property
    def count(self) -> int:
        """How many records this refuses; a whole entry counts as one."""
        return 1 if self.block_rows is None else len(self.block_rows.rows)

    @property
    def first_id(self) -> bytes | None:
        """The id of the first record that this refuses, if it brought one that can be read."""
        if self.block_rows is None or not self.block_rows.ids:
            return self.id
        return self.block_rows.ids[0]

    def encode(self) -> list[bytes]:
        """Fields of the rejected stream, without ``ts`` (the script adds the server's time)."""
        fields = [b"_v", WIRE_VERSION, b"record", self.record]
        if self.id is not None:
            fields += [b"id", self.id]
        fields += [b"reason", self.reason.encode(), b"detail", self.detail.encode("utf-8", "backslashreplace")]
        if self.entry is not None:
            fields += [b"entry", _msgpack.encode(self.entry)]
        if self.block_rows is not None:
            block = self.block_rows
            fields += [b"_rows", block.rows.astype("<i4").tobytes(), b"_x", block.x.astype("<f8").tobytes()]
            fields += [b"_schema", block.schema.encode()]
            if block.ids is not None:
                fields += [b"_ids", b"\n".join(block.ids)]
        return fields


def decode_rejection(entry: Entry) -> Rejection:
    """Read one entry of the rejected stream. Raises KeyError, ValueError or msgspec.MsgspecError."""
    fields = known_fields(entry)
    block_rows = None
    if b"_rows" in fields:
        rows = np.frombuffer(fields[b"_rows"], dtype="<i4")
        x = np.frombuffer(fields[b"_x"], dtype="<f8").reshape(len(rows), -1)
        ids = tuple(fields[b"_ids"].split(b"\n")) if b"_ids" in fields else None
        block_rows = RejectedRows(rows, x, fields[b"_schema"].decode(), ids)
    original = msgspec.msgpack.decode(fields[b"entry"], type=list[bytes]) if b"entry" in fields else None
    return Rejection(
        fields[b"record"],
        fields[b"reason"].decode(),
        fields[b"detail"].decode(),
        fields.get(b"id"),
        original,
        block_rows,
    )

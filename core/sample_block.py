"""Rows kept for training: blocks of the samples stream, written by the monitor with its window."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.entry import WIRE_VERSION, Entry, known_fields
from core.model import Floats

#: Bytes of rows in one samples entry.
MAX_ENTRY_BYTES = 512 * 1024
#: No entry id's time is later: floats hold no later one exactly.
MAX_TIME_MS = 2**53
#: Number of a record whose number among the records is not known.
UNNUMBERED = -1


@dataclass(frozen=True, eq=False)
class SampleBlock:
    """n sampled rows of one window."""

    window: int
    schema: str  #: fingerprint
    x: Floats  #: (n, d)
    y: Floats  #: (n,) 0, 1 or nan where the record brought no label
    ids: list[bytes]
    positions: NDArray[np.int64]  #: (n, 4): entry id as ms and seq, row, partition
    #: (n,) usable records before each in merged order, so that number k + 1 came next to number k
    records: NDArray[np.int64]

    @property
    def is_usable(self) -> bool:
        """Whether a fit can use it: as many values of each kind, finite, labelled 0, 1 or not at all."""
        n = len(self.ids)
        if not n == len(self.x) == len(self.y) == len(self.positions) == len(self.records):
            return False
        labelled = self.y[~np.isnan(self.y)]
        return bool(np.isfinite(self.x).all() and ((labelled == 0) | (labelled == 1)).all())

    @property
    def is_plausible(self) -> bool:
        """Whether a monitor may have written it: usable, and in merged order."""
        if not self.is_usable:
            return False
        ms, seq, row, partition = self.positions.T
        order = np.lexsort((row, partition, seq, ms))
        in_order = (order == np.arange(len(order))).all() and (self.positions >= 0).all()
        numbered = (self.records == UNNUMBERED).all() or (np.diff(self.records, prepend=-1) > 0).all()
        return bool(in_order and numbered and (ms <= MAX_TIME_MS).all())

    def encode(self) -> Iterator[list[bytes]]:
        """Fields of one or more entries, none larger than :data:`MAX_ENTRY_BYTES`."""
        rows = max(1, MAX_ENTRY_BYTES // (8 * (self.x.shape[1] + 6) + 40))
        for start in range(0, len(self.x), rows):
            part = slice(start, start + rows)
            fields = [b"_v", WIRE_VERSION, b"window", b"%d" % self.window, b"_n", b"%d" % len(self.x[part])]
            fields += [b"_schema", self.schema.encode(), b"_x", self.x[part].astype("<f8").tobytes()]
            fields += [b"_y", self.y[part].astype("<f8").tobytes(), b"_ids", b"\n".join(self.ids[part])]
            fields += [b"_positions", self.positions[part].astype("<i8").tobytes()]
            fields += [b"_records", self.records[part].astype("<i8").tobytes()]
            yield fields


def decode_sample_block(entry: Entry) -> SampleBlock:
    """Read one entry of the samples stream. Raises KeyError or ValueError for what the monitor did not write.

    Rows of entries without numbers, as monitors wrote them before there were any, are :data:`UNNUMBERED`.
    """
    fields = known_fields(entry)
    count = int(fields[b"_n"])
    records = fields.get(b"_records")
    return SampleBlock(
        int(fields[b"window"]),
        fields[b"_schema"].decode(),
        np.frombuffer(fields[b"_x"], "<f8").reshape(count, -1),
        np.frombuffer(fields[b"_y"], "<f8"),
        fields[b"_ids"].split(b"\n"),
        np.frombuffer(fields[b"_positions"], "<i8").reshape(count, 4),
        np.full(count, UNNUMBERED) if records is None else np.frombuffer(records, "<i8").reshape(count),
    )


def is_sampled(record_id: bytes, share: float) -> bool:
    """Whether a record is kept, by a hash of its id: a label can tell alike whether its row was."""
    return share >= 1.0 or zlib.crc32(record_id) < share * 2**32

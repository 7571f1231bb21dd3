"""Rows of one partition, gathered into entries: plain records as they are, block rows packed together."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from core.model import Floats
from core.record_encoder import encode_block
from core.schema import Schema


class BlockRow(NamedTuple):
    """One record in schema order."""

    values: list[float]
    id: bytes | None = None
    event_time_ms: int | None = None
    label: float = math.nan


class PackedEntry(NamedTuple):
    """One stream entry, and how many records it holds."""

    fields: list[bytes]
    records: int


def pack_blocks(
    x: Floats,
    schema: Schema,
    max_entry_bytes: int,
    ids: Sequence[bytes] | None = None,
    event_time_ms: int | None = None,
    labels: Floats | None = None,
) -> Iterator[PackedEntry]:
    """Encode rows ``x`` (n, d) as blocks of at most ``max_entry_bytes``, halved until they fit, in order.

    A single row that is larger goes as it is: the scorer rejects it with the size.
    """
    fields = encode_block(x, schema, ids, event_time_ms, labels)
    if len(x) == 1 or sum(map(len, fields)) <= max_entry_bytes:
        yield PackedEntry(fields, len(x))
        return
    middle = len(x) // 2
    for part in (slice(None, middle), slice(middle, None)):
        yield from pack_blocks(
            x[part],
            schema,
            max_entry_bytes,
            None if ids is None else ids[part],
            event_time_ms,
            None if labels is None else labels[part],
        )


class Batcher:
    """Rows that wait for company; ``first_row_s`` is when the oldest of them came (monotonic clock)."""

    def __init__(self, schema: Schema | None, max_entry_bytes: int) -> None:
        self._schema = schema
        self._max_entry_bytes = max_entry_bytes
        self._packed: list[PackedEntry] = []
        self._block: list[BlockRow] = []
        self.rows = 0
        self.first_row_s = 0.0

    def add_plain(self, fields: list[bytes]) -> None:
        """Take a plain record. Beside block rows it goes first, so that it does not cut the block in two."""
        self._arrived()
        self._packed.append(PackedEntry(fields, 1))

    def add_row(self, row: BlockRow) -> None:
        """Take a row of a block; a block has one event time, and ids for all rows or none."""
        self._arrived()
        if self._block:
            first = self._block[0]
            if first.event_time_ms != row.event_time_ms or (first.id is None) != (row.id is None):
                self._close_block()
        self._block.append(row)

    def seal(self) -> list[PackedEntry]:
        """Give away everything as entries."""
        if self._block:
            self._close_block()
        sealed, self._packed = self._packed, []
        self.rows = 0
        return sealed

    def _arrived(self) -> None:
        if not self.rows:
            self.first_row_s = time.monotonic()
        self.rows += 1

    def _close_block(self) -> None:
        block, self._block = self._block, []
        if self._schema is None:
            raise ValueError("a row of a block needs a schema")
        labels = np.array([row.label for row in block])
        ids = [row.id for row in block if row.id is not None]
        self._packed += pack_blocks(
            np.array([row.values for row in block], dtype=np.float64),
            self._schema,
            self._max_entry_bytes,
            ids or None,
            block[0].event_time_ms,
            None if np.isnan(labels).all() else labels,
        )

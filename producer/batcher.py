"""Rows of one partition, gathered into entries: plain records as they are, block rows packed together."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from core.errors import DataError
from core.model import Floats
from core.record_encoder import encode_block
from core.schema import Schema
from producer.number_rows import NumberRow, NumberRows
from producer.packed import Packed, PackedEntry, pack


class BlockRow(NamedTuple):
    """One record in schema order."""

    values: list[float]
    id: bytes | None = None
    event_time_ms: int | None = None
    label: float = math.nan
    traceparent: bytes | None = None


def pack_blocks(
    x: Floats,
    schema: Schema,
    max_entry_bytes: int,
    ids: Sequence[bytes] | None = None,
    event_time_ms: int | None = None,
    labels: Floats | None = None,
    traceparent: bytes | None = None,
) -> Iterator[PackedEntry]:
    """Encode rows ``x`` (n, d) as blocks of at most ``max_entry_bytes``, halved until they fit, in order.

    A single row that is larger goes as it is: the scorer rejects it with the size.
    """
    fields = encode_block(x, schema, ids, event_time_ms, labels, traceparent)
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
            traceparent,
        )


def check_batching(batch_rows: int, linger_ms: float) -> None:
    """Raise DataError where batches cannot be of ``batch_rows`` rows, or wait ``linger_ms`` for company."""
    if batch_rows < 1 or linger_ms < 0:
        raise DataError(f"batch_rows is {batch_rows} and linger_ms {linger_ms}; choose at least 1 and at least 0")


class Batcher:
    """Rows that wait for company; ``first_row_s`` is when the oldest of them came (monotonic clock)."""

    def __init__(self, schema: Schema | None, max_entry_bytes: int) -> None:
        self._schema = schema
        self._max_entry_bytes = max_entry_bytes
        self._packed: list[Packed] = []
        self._numbers: NumberRows | None = None
        self._fields: list[PackedEntry] = []
        self._block: list[BlockRow] = []
        self._blocks: list[PackedEntry] = []
        self.rows = 0
        self.first_row_s = 0.0

    def add_plain(self, fields: list[bytes]) -> None:
        """Take a plain record. Beside block rows it goes first, so that it does not cut the block in two."""
        self._arrived()
        self._close_numbers()
        self._fields.append(PackedEntry(fields, 1))

    def add_numbers(self, row: NumberRow, record_id: bytes | None) -> None:
        """Take a plain record of numbers, whose form says whether it has an id."""
        form, text = row
        if not self.rows:
            self.first_row_s = time.monotonic()
        self.rows += 1
        numbers = self._numbers
        if numbers is None or numbers.form is not form:
            self._close_numbers()
            self._close_fields()
            numbers = self._numbers = NumberRows(form)
        numbers.texts.append(text)
        if record_id is not None:
            numbers.ids.append(record_id)

    def add_row(self, row: BlockRow) -> None:
        """Take a row of a block; a block has one event time, one trace, and ids for all rows or none."""
        self._arrived()
        if self._block:
            first = self._block[0]
            alike = (first.event_time_ms, first.traceparent) == (row.event_time_ms, row.traceparent)
            if not alike or (first.id is None) != (row.id is None):
                self._close_block()
        self._block.append(row)

    def seal(self) -> list[Packed]:
        """Give away everything as entries."""
        self._close_numbers()
        self._close_fields()
        self._close_block()
        sealed, self._packed = self._packed + pack(self._blocks), []
        self._blocks = []
        self.rows = 0
        return sealed

    def _arrived(self) -> None:
        if not self.rows:
            self.first_row_s = time.monotonic()
        self.rows += 1

    def _close_numbers(self) -> None:
        if self._numbers is not None:
            self._packed += self._numbers.packed()
            self._numbers = None

    def _close_fields(self) -> None:
        if self._fields:
            self._packed += pack(self._fields)
            self._fields = []

    def _close_block(self) -> None:
        block, self._block = self._block, []
        if not block:
            return
        if self._schema is None:
            raise ValueError("a row of a block needs a schema")
        labels = np.array([row.label for row in block])
        ids = [row.id for row in block if row.id is not None]
        self._blocks += pack_blocks(
            np.array([row.values for row in block], dtype=np.float64),
            self._schema,
            self._max_entry_bytes,
            ids or None,
            block[0].event_time_ms,
            None if np.isnan(labels).all() else labels,
            block[0].traceparent,
        )

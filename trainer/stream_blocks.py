"""The labelled rows of a pipeline in blocks, read anew from the samples stream for every pass.

Rows and labels are joined as :mod:`trainer.dataset` joins them. What is held is one byte a row, and while labels
are joined the ids of the rows; never their features.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.connection import Connection
from core.entry import Entry, EntryId, parse_entry_id
from core.errors import DataError
from core.keys import PipelineKeys
from core.label_entry import decode_label_entry
from core.model import Floats
from core.sample_block import SampleBlock, decode_sample_block
from core.schema import Schema
from trainer.dataset import StreamCursor
from trainer.solvers.objective import Block
from trainer.table import Labels

#: Stands for a row without a label.
UNLABELLED = 2


@dataclass(frozen=True, eq=False)
class StreamBlocks:
    """The rows that were labelled when it was made, in stream order; iterate for them, an entry a block.

    Raises
    ------
    DataError
        On any pass, where entries have left the stream since.
    """

    connection: Connection
    stream: str  #: of samples
    schema: Schema
    entries: tuple[tuple[bytes, Labels], ...]  #: id of each entry, and the class of each of its rows, or none
    read_bytes: int
    csv_sha256: None = None  #: the rows come from no file

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self.schema.features

    @property
    def classes(self) -> tuple[str, str]:
        """Names of class 0 and class 1."""
        return self.schema.classes

    @property
    def rows(self) -> int:
        """How many have a label."""
        return sum(int((y != UNLABELLED).sum()) for _, y in self.entries)

    def __iter__(self) -> Iterator[Block]:
        for block, _ in self.with_before():
            yield block

    def with_before(self) -> Iterator[tuple[Block, Floats]]:
        """Each block with (k, d) the record just before each of its rows; nan where it was not sampled."""
        previous: SampleBlock | None = None
        found = StreamCursor(self.connection, self.stream, self.read_bytes).new_entries()
        for entry_id, y in self.entries:
            entry = next(found, None)
            if entry is None or entry.id != entry_id:
                raise DataError(
                    "rows left the samples stream while it was read; start again with those that are left"
                )
            block = _usable(entry, self.schema)
            if block is not None and len(y):
                labelled = y != UNLABELLED
                before = _records_before(block, previous)[labelled]
                yield Block(block.x[labelled], y[labelled]), before
            previous = block


def stream_blocks(connection: Connection, keys: PipelineKeys, schema: Schema, read_bytes: int) -> StreamBlocks:
    """Join the labels that are there with the rows that are there, in one pass over each stream."""
    joining = _Joining(schema)
    for entry in StreamCursor(connection, keys.samples, read_bytes).new_entries():
        joining.add_rows(entry)
    for entry in StreamCursor(connection, keys.labels, read_bytes).new_entries():
        joining.add_labels(entry)
    return StreamBlocks(connection, keys.samples, schema, tuple(joining.joined()), read_bytes)


@dataclass(frozen=True, order=True)
class _Place:
    """A row: where its record stands in the pipeline, then where it is here."""

    ms: int
    seq: int
    partition: int
    row: int
    entry: int
    index: int


class _Joining:
    """Rows and labels by record id."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._ids: list[bytes] = []
        self._y: list[Floats] = []  # 0, 1 or nan of each row of each entry
        self._wanted: list[bool] = []  # whether an entry is of the schema; others only take up labels
        self._positions: list[NDArray[np.int64]] = []
        self._rows: dict[bytes, list[_Place]] = {}
        self._labels: dict[bytes, list[tuple[EntryId, float]]] = {}

    def add_rows(self, entry: Entry) -> None:
        block = _decoded(entry)
        rows = 0 if block is None else len(block.ids)
        number = len(self._ids)
        self._ids.append(entry.id)
        self._y.append(np.empty(0) if block is None else block.y.copy())
        self._positions.append(np.empty((0, 4), np.int64) if block is None else block.positions.copy())
        self._wanted.append(block is not None and _fits(block, self._schema))
        for index in range(rows):
            if block is not None:
                ms, seq, row, partition = block.positions[index].tolist()
                place = _Place(ms, seq, partition, row, number, index)
                self._rows.setdefault(block.ids[index], []).append(place)

    def add_labels(self, entry: Entry) -> None:
        entry_id = parse_entry_id(entry.id)
        for record_id, label in decode_label_entry(entry, self._schema.classes).labels:
            if record_id in self._rows:
                self._labels.setdefault(record_id, []).append((entry_id, label))

    def joined(self) -> Iterator[tuple[bytes, Labels]]:
        """Each entry's id with the class of its rows; one of another schema has none."""
        for record_id, labels in self._labels.items():
            self._give(sorted(self._rows[record_id]), labels)
        self._drop_repeated()
        for entry_id, y, wanted in zip(self._ids, self._y, self._wanted, strict=True):
            classes = np.where(np.isnan(y), UNLABELLED, y).astype(np.uint8)
            yield entry_id, classes if wanted else classes[:0]

    def _give(self, rows: list[_Place], labels: list[tuple[EntryId, float]]) -> None:
        """A label joins the newest row that came before it; one before any joins the first, if that has none."""
        for (label_ms, _), label in labels:
            before = [place for place in rows if place.ms <= label_ms]
            place = before[-1] if before else rows[0]
            if before or np.isnan(self._y[place.entry][place.index]):
                self._y[place.entry][place.index] = label

    def _drop_repeated(self) -> None:
        """A monitor that lost its state samples a row again: of its labelled copies the first counts."""
        wanted = [entry for entry, fits in enumerate(self._wanted) if fits]
        if not wanted:
            return
        places = np.concatenate(
            [
                np.column_stack([np.full(len(self._y[entry]), entry), np.arange(len(self._y[entry]))])
                for entry in wanted
            ]
        )
        labelled = ~np.isnan(np.concatenate([self._y[entry] for entry in wanted]))
        positions = np.concatenate([self._positions[entry] for entry in wanted])[labelled]
        _, firsts = np.unique(positions, axis=0, return_index=True)
        for entry, index in np.delete(places[labelled], firsts, axis=0).tolist():
            self._y[entry][index] = np.nan


def _decoded(entry: Entry) -> SampleBlock | None:
    """What the monitor wrote; None for anything else."""
    try:
        block = decode_sample_block(entry)
    except (KeyError, ValueError):
        return None
    return block if block.is_usable else None


def _usable(entry: Entry, schema: Schema) -> SampleBlock | None:
    block = _decoded(entry)
    return block if block is not None and _fits(block, schema) else None


def _fits(block: SampleBlock, schema: Schema) -> bool:
    return block.schema == schema.fingerprint and block.x.shape[1] == schema.width


def _records_before(block: SampleBlock, previous: SampleBlock | None) -> Floats:
    """(k, d) the record just before each row by its number, nan where that was not sampled."""
    numbers = block.records
    before = np.full(block.x.shape, np.nan)
    follows = np.flatnonzero((numbers[1:] - numbers[:-1] == 1) & (numbers[1:] > 0)) + 1
    before[follows] = block.x[follows - 1]
    last = -1 if previous is None or not len(previous.records) else int(previous.records[-1])
    if previous is not None and last >= 0 and len(numbers) and numbers[0] == last + 1:
        before[0] = previous.x[-1]
    return before

"""The labelled rows of a pipeline: sampled rows joined with labels by record id.

A label joins the newest row of its id that came before it; one that came before any joins the first that comes. So
a repeated id is a new record, and no row loses a label that it had. A record's own ``_y`` is a label that came at
once: a later one replaces it, an earlier one does not. The result depends on the streams alone, not on when they
were read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.connection import Connection
from core.entry import Entry, EntryId, entries_of, parse_entry_id
from core.keys import PipelineKeys
from core.label_entry import decode_label_entry
from core.model import Floats
from core.read_size import ReadSize
from core.record_place import RecordPlace
from core.retention import SAMPLES
from core.sample_block import SampleBlock, decode_sample_block, is_sampled
from core.schema import Schema
from core.settings import Settings
from trainer.label_memory import MAX_WAITING_LABELS, Label, SpentIds, WaitingLabels
from trainer.label_memory import Labels as LabelsOfId
from trainer.table import Labels

#: Rows kept in memory at most, the newest ones: 250,000 of seven features with ids and labels took 254 MiB, and a
#: model of tens of features learns nothing from more than this.
MAX_ROWS = 100_000
#: Bytes of feature values kept in memory at most, which bounds wide rows.
MAX_VALUE_BYTES = 256 * 1024 * 1024

Positions = NDArray[np.int64]
#: Before every record.
_FIRST = RecordPlace(0, 0)


@dataclass(frozen=True, eq=False)
class LabelledRows:
    """Rows whose outcome is known, in stream order, and how many rows there were with and without."""

    x: Floats  #: (n, d) in schema order
    y: Labels  #: (n,) 0 or 1
    ids: list[bytes]
    positions: Positions  #: (n, 4): entry id as ms and seq, row, partition
    before: Floats  #: (n, d) the record just before each, labelled or not; nan where it was not sampled
    rows_seen: int  #: rows from the same point on, labelled or not
    weights: Floats | None = None  #: (n,) how much each row counts where models are judged; None: all alike

    def tail(self, first: int) -> LabelledRows:
        """The rows from number ``first`` on; how many were seen is told as if the same share had labels."""
        kept = slice(first, None)
        seen = round(self.rows_seen * len(self.y[kept]) / max(1, len(self.y)))
        weights = None if self.weights is None else self.weights[kept]
        return LabelledRows(
            self.x[kept], self.y[kept], self.ids[kept], self.positions[kept], self.before[kept], seen, weights
        )

    @property
    def coverage(self) -> float:
        """Share of the rows that have a label; 0 where there are no rows."""
        return len(self.y) / self.rows_seen if self.rows_seen else 0.0


class SeenRows(NamedTuple):
    """Rows, and which of them have a label."""

    x: Floats  #: (k, d)
    labelled: NDArray[np.bool_]  #: (k,)


@dataclass(eq=False)
class _Chunk:
    """The rows of one samples entry."""

    entry_ms: int
    block: SampleBlock
    usable: bool  #: of the wanted schema; others only tell that a label has found its record
    y: Floats  #: (n,) 0, 1 or nan: as joined

    def since(self, start: RecordPlace) -> NDArray[np.bool_]:
        """(n,) rows at or behind ``start``."""
        ms, seq, row, partition = self.block.positions.T
        after: NDArray[np.bool_] = row >= start.row
        for column, value in ((partition, start.partition), (seq, start.seq), (ms, start.ms)):
            after = (column > value) | ((column == value) & after)
        return after

    def before(self, rows: NDArray[np.intp], previous: _Chunk | None) -> Floats:
        """(k, d) the record just before each of k rows, of which the first may be in the chunk before."""
        x, records = self.block.x, self.block.records
        found = np.full((len(rows), x.shape[1]), np.nan)
        follows = np.zeros(len(records), dtype=np.bool_)
        follows[1:] = records[1:] - records[:-1] == 1
        follows &= records > 0  # the first record has none before it, and others are not numbered
        here = follows[rows]
        found[here] = x[rows[here] - 1]
        if previous is not None and previous.usable:
            follows[0] = records[0] > 0 and previous.block.records[-1] == records[0] - 1
            found[follows[rows] & (rows == 0)] = previous.block.x[-1]
        return found


class _Part(NamedTuple):
    """Rows that are asked for."""

    chunk: _Chunk
    rows: NDArray[np.intp]  #: (k,) ascending
    previous: _Chunk | None  #: the chunk before


@dataclass(slots=True, eq=False)
class _Known:
    """What is known of one record id that has a row here."""

    labels: list[Label]  #: in stream order
    rows: list[tuple[_Chunk, int]] = field(default_factory=list)


class Dataset:
    """Rows and labels of one schema, read incrementally.

    Memory is bounded: rows by age, number and bytes, labels without a row by number, the newest kept; of labels
    whose row was let go a hash, until they leave their stream (see :meth:`forget_labels`).
    """

    def __init__(
        self,
        connection: Connection,
        keys: PipelineKeys,
        schema: Schema,
        settings: Settings,
        max_rows: int = MAX_ROWS,
        max_waiting_labels: int = MAX_WAITING_LABELS,
    ) -> None:
        self.schema = schema
        self._samples = StreamCursor(connection, keys.samples, settings.read_bytes)
        self._label_entries = StreamCursor(connection, keys.labels, settings.read_bytes)
        self._share = settings.sample_share
        self._max_rows = max(1, min(max_rows, MAX_VALUE_BYTES // (8 * schema.width)))
        self._connection, self._clock = connection, keys.samples
        self._chunks: deque[_Chunk] = deque()
        self._rows = 0
        self._known: dict[bytes, _Known] = {}
        self._waiting = WaitingLabels(max_waiting_labels)
        self._spent = SpentIds()
        self.unreadable_entries = 0  #: samples that the monitor did not write

    def refresh(self) -> None:
        """Read what came to samples and labels since the last call."""
        for entry in self._samples.new_entries():
            self._add_rows(entry)
        for entry in self._label_entries.new_entries():
            self._add_labels(entry)
        self._evict()

    def labelled(self, since: RecordPlace | None = None) -> LabelledRows:
        """The labelled rows from the record ``since`` on (None: all), in stream order, each row once."""
        seen = 0
        parts: list[_Part] = []
        previous = None
        for chunk in self._chunks:
            if chunk.usable:
                wanted = chunk.since(since or _FIRST)
                seen += int(wanted.sum())
                parts.append(_Part(chunk, np.flatnonzero(wanted & ~np.isnan(chunk.y)), previous))
            previous = chunk
        y = np.concatenate([np.empty(0), *(part.chunk.y[part.rows] for part in parts)])
        positions = np.concatenate(
            [np.empty((0, 4), np.int64), *(part.chunk.block.positions[part.rows] for part in parts)]
        )
        ids = [part.chunk.block.ids[row] for part in parts for row in part.rows]
        order = np.lexsort((positions[:, 2], positions[:, 3], positions[:, 1], positions[:, 0]))
        positions = positions[order]
        # a monitor that lost its state samples a row again
        first = np.append(True, (positions[1:] != positions[:-1]).any(axis=1))[: len(order)]
        order = order[first]
        x, before = _values(parts, order, self.schema.width)
        return LabelledRows(
            x, y[order].astype(np.uint8), [ids[row] for row in order], positions[first], before, seen
        )

    def seen(self, since: RecordPlace | None = None) -> Iterator[SeenRows]:
        """The rows from the record ``since`` on (None: all), with and without labels, part by part."""
        for chunk in self._chunks:
            if chunk.usable:
                wanted = chunk.since(since or _FIRST)
                yield SeenRows(chunk.block.x[wanted], ~np.isnan(chunk.y[wanted]))

    def labelled_count(self, since: RecordPlace | None = None) -> int:
        """How many rows :meth:`labelled` would have, without gathering them."""
        return sum(
            int((chunk.since(since or _FIRST) & ~np.isnan(chunk.y)).sum())
            for chunk in self._chunks
            if chunk.usable
        )

    @property
    def dropped_labels(self) -> int:
        """Labels let go before their row came, because too many waited."""
        return self._waiting.dropped

    def has_matched(self, record_id: bytes) -> bool:
        """Whether a label of this id has met a row, now or before the row was let go."""
        known = self._known.get(record_id)
        return (known is not None and bool(known.labels)) or record_id in self._spent

    def forget_labels(self, before: EntryId) -> None:
        """Let go of labels that left their stream; a row that is still here keeps what it was given."""
        self._waiting.forget(before)
        self._spent.forget(before.ms)

    def _add_rows(self, entry: Entry) -> None:
        try:
            block = decode_sample_block(entry)
        except (KeyError, ValueError):
            self.unreadable_entries += 1
            return
        if not block.is_usable:
            self.unreadable_entries += 1
            return
        usable = block.schema == self.schema.fingerprint and block.x.shape[1] == self.schema.width
        chunk = _Chunk(parse_entry_id(entry.id).ms, block, usable, block.y.copy())
        self._chunks.append(chunk)
        self._rows += len(block.ids)
        for row, record_id in enumerate(block.ids):
            known = self._known.get(record_id)
            if known is None:
                known = self._known[record_id] = _Known(self._waiting.take(record_id))
            known.rows.append((chunk, row))
            if len(known.rows) > 1 or known.labels:
                _join(known)

    def _add_labels(self, entry: Entry) -> None:
        entry_id = parse_entry_id(entry.id)
        shared: dict[float, LabelsOfId] = {label: ((entry_id, label),) for label in (0.0, 1.0)}
        for record_id, label in decode_label_entry(entry, self.schema.classes).labels:
            known = self._known.get(record_id)
            if known is not None:
                known.labels += shared[label]
                _join(known)
            elif is_sampled(record_id, self._share):
                self._waiting.add(record_id, shared[label])

    def _evict(self) -> None:
        oldest_ms = self._connection.now_ms(self._clock) - SAMPLES[0]
        while self._chunks:
            chunk = self._chunks[0]
            if chunk.entry_ms >= oldest_ms and self._rows - len(chunk.block.ids) < self._max_rows:
                return
            self._chunks.popleft()
            self._rows -= len(chunk.block.ids)
            for record_id in set(chunk.block.ids):
                known = self._known[record_id]
                known.rows = [row for row in known.rows if row[0] is not chunk]
                if not known.rows:
                    del self._known[record_id]
                    if known.labels:
                        self._spent.add(record_id, known.labels[-1][0].ms)


class StreamCursor:
    """Reads a stream on from where it stopped, in bounded chunks."""

    def __init__(self, connection: Connection, stream: str, read_bytes: int) -> None:
        self._connection = connection
        self._stream = stream
        self._size = ReadSize(read_bytes)
        self._after = b"0-0"

    def new_entries(self) -> Iterator[Entry]:
        """Every entry behind the last one handed out."""
        while True:
            count = self._size.entries
            reply = self._connection.call("XRANGE", self._stream, b"(" + self._after, "+", "COUNT", count)
            entries = entries_of(reply)
            self._size.learn(entries)
            for entry in entries:
                self._after = entry.id
                yield entry
            if len(entries) < count:
                return


def _values(parts: list[_Part], order: NDArray[np.intp], width: int) -> tuple[Floats, Floats]:
    """(n, d) values of rows and of the records before them; ``order`` (n,) are row numbers over all parts.

    Nothing is held twice on the way: rows may be wide.
    """
    x, before = np.empty((len(order), width)), np.empty((len(order), width))
    place = np.full(sum(len(part.rows) for part in parts), -1)
    place[order] = np.arange(len(order))
    start = 0
    for part in parts:
        places = place[start : start + len(part.rows)]
        start += len(part.rows)
        asked = places >= 0
        x[places[asked]] = part.chunk.block.x[part.rows[asked]]
        before[places[asked]] = part.chunk.before(part.rows[asked], part.previous)
    return x, before


def _join(known: _Known) -> None:
    """Give each row of one id its label, from scratch: labels and rows may have come in any order."""
    known.rows.sort(key=_position)
    for chunk, row in known.rows:
        chunk.y[row] = chunk.block.y[row]
    for (label_ms, _), label in known.labels:
        # entry ids of two streams compare by time alone
        before = [place for place in known.rows if place[0].block.positions[place[1], 0] <= label_ms]
        chunk, row = before[-1] if before else known.rows[0]
        if before or np.isnan(chunk.block.y[row]):
            chunk.y[row] = label


def _position(place: tuple[_Chunk, int]) -> tuple[int, int, int, int]:
    ms, seq, row, partition = place[0].block.positions[place[1]].tolist()
    return ms, seq, partition, row

"""A run of entries in merged order, decoded and scored: what panes are cut from."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, compress
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.entry import default_record_id, field_map
from core.merged_reader import PlacedEntry
from core.model import Floats
from core.model_file import ModelFile
from core.record_decoder import RecordDecoder
from core.record_rows import AlikeRows, RecordRows
from core.sample_block import is_sampled
from core.scoring import score_batch
from monitor.state import Position
from monitor.trail import EXACT_RECORDS, Run

#: Why a record without one of the features is refused.
MISSING = "missing_feature"
#: Ids larger than int64 exist where a client gives its own; the sampled rows' positions end here.
LARGEST_INT64 = 2**63 - 1
_UNLABELLED = [float("nan")]


@dataclass(frozen=True, eq=False)
class SampledRows:
    """Rows kept for training."""

    x: Floats  #: (n, d)
    y: Floats  #: (n,)
    ids: list[bytes]
    positions: NDArray[np.int64]  #: (n, 4) entry ms, entry seq, row, partition
    logit: Floats  #: (n,)
    rows: list[int]  #: their numbers in the run, in order

    def before(self, row: int) -> SampledRows:
        """Those before a row of the run."""
        n = bisect_left(self.rows, row)
        if n == len(self.rows):
            return self
        return SampledRows(self.x[:n], self.y[:n], self.ids[:n], self.positions[:n], self.logit[:n], self.rows[:n])


class Unusable(NamedTuple):
    """Records that no window can use."""

    skipped: int
    missing: int  #: those of them that lack a feature


class RecordRun:
    """Entries of one form (all plain, or all blocks), so that rows stand in the order of their entries.

    Row r of the run is row r of ``x``, of ``probability`` and, where the model is calibrated, of ``calibrated``;
    entry i holds rows ``stops[i - 1]`` to ``stops[i]``.
    """

    def __init__(
        self,
        placed: Sequence[PlacedEntry],
        model: ModelFile,
        decoder: RecordDecoder,
        positions: dict[int, Position],
    ) -> None:
        self.placed = placed
        self.times_ms = [item.id.ms for item in placed]
        scored = score_batch(model.model, decoder.decode([item.entry for item in placed]))
        batch = scored.batch
        # most runs: entries of one form, every record usable
        self._alike = batch.entries if isinstance(batch.entries, AlikeRows) and not batch.rejections else None
        # before calibration: what is watched must not change with one, and labels are tested on the logit too
        self.x, self.probability = batch.x, scored.scores.uncalibrated
        calibrates = scored.scores.raw_probability is not None
        self.calibrated = scored.scores.probability if calibrates else None  # (n,) what predictions say
        self._logit = scored.scores.logit
        refused = [item for item in batch.rejections if item.entry is not None]
        self._refused = {id(item.entry): item.reason for item in refused}
        self._rows: Sequence[RecordRows | None]
        self.stops: Sequence[int]
        if self._alike is not None:
            each = self._alike.rows_each
            self._rows, self.stops = self._alike, range(each, each * len(placed) + 1, each)
        else:
            by_entry = {id(rows.entry): rows for rows in batch.entries}
            self._rows = [by_entry.get(id(item.entry)) for item in placed]
            self.stops = list(accumulate(0 if rows is None else rows.count for rows in self._rows))
        self.first_row = self._rows_before(positions.get(placed[0].partition)) if placed else 0

    @property
    def all_usable(self) -> bool:
        """Whether each record of each entry can be used."""
        return self._alike is not None

    def entry_of(self, row: int) -> int:
        """Index of the entry that holds a row."""
        return bisect_right(self.stops, row)

    def row_number(self, row: int) -> int:
        """A row's number in its entry."""
        rows = self._held(row)
        index = row - rows.start
        return index if rows.rows is None else int(rows.rows[index])

    def record_id(self, row: int) -> bytes:
        """A row's record id."""
        rows = self._held(row)
        if rows.ids is not None:
            return rows.ids[row - rows.start]
        item = self.placed[self.entry_of(row)]
        return default_record_id(item.partition, item.entry.id, self.row_number(row))

    def sample(self, start: int, stop: int, share: float) -> SampledRows:
        """The sampled ones among rows ``start`` to ``stop``."""
        alike = self._alike
        ids, positions, labels = (
            self._one_each(alike, start, stop) if alike is not None and alike.plain else self._named(start, stop)
        )
        kept = np.ones(len(ids), dtype=bool)
        if share < 1.0:
            kept[:] = [is_sampled(record_id, share) for record_id in ids]
            ids = list(compress(ids, kept))
        return SampledRows(
            self.x[start:stop][kept],
            labels[kept],
            ids,
            positions[kept],
            self._logit[start:stop][kept],
            (start + np.flatnonzero(kept)).tolist(),
        )

    def _one_each(self, alike: AlikeRows, start: int, stop: int) -> tuple[list[bytes], NDArray[np.int64], Floats]:
        """As :meth:`_named`, where each row is an entry of its own."""
        placed = self.placed[start:stop]
        if alike.ids is None:
            ids = [default_record_id(item.partition, item.entry.id, 0) for item in placed]
        else:
            ids = list(alike.ids[start:stop])
        positions = np.zeros((len(placed), 4), dtype=np.int64)
        positions[:, 0] = _int64(self.times_ms[start:stop])
        positions[:, 1] = _int64([item.id.seq for item in placed])
        positions[:, 3] = [item.partition for item in placed]
        labels = np.full(len(placed), np.nan) if alike.labels is None else alike.labels[start:stop]
        return ids, positions, labels

    def _named(self, start: int, stop: int) -> tuple[list[bytes], NDArray[np.int64], Floats]:
        """Id, position (4,) and label of each of the rows ``start`` to ``stop``."""
        ids: list[bytes] = []
        ms: list[int] = []
        seq: list[int] = []
        numbers: list[int] = []
        partitions: list[int] = []
        labels: list[float] = []
        index = self.entry_of(start)
        while start + len(ids) < stop:
            item, rows = self.placed[index], self._rows[index]
            index += 1
            if rows is None:
                continue
            part = slice(start + len(ids) - rows.start, min(stop, rows.stop) - rows.start)
            count = part.stop - part.start
            own = range(part.start, part.stop) if rows.rows is None else rows.rows[part].tolist()
            if rows.ids is None:
                ids += [default_record_id(item.partition, item.entry.id, number) for number in own]
            else:
                ids += rows.ids[part]
            ms += [item.id.ms] * count
            seq += [item.id.seq] * count
            numbers += own
            partitions += [item.partition] * count
            labels += _UNLABELLED * count if rows.labels is None else rows.labels[part].tolist()
        columns = [_int64(column) for column in (ms, seq, numbers, partitions)]
        return ids, np.column_stack(columns), np.array(labels, dtype=np.float64)

    def runs(self, start: int, stop: int) -> list[Run]:
        """Where rows ``start`` to ``stop`` stand; no more than the trail keeps, the last ones."""
        start = max(start, stop - EXACT_RECORDS)
        if self._alike is not None and self._alike.plain:
            given: Sequence[bytes | None] = self._alike.ids or [None] * stop
            return [
                Run(item.partition, item.id.ms, item.id.seq, [0], None if record_id is None else [record_id])
                for item, record_id in zip(self.placed[start:stop], given[start:stop], strict=True)
            ]
        found: list[Run] = []
        index = self.entry_of(start)
        while start < stop:
            item, rows = self.placed[index], self._rows[index]
            index += 1
            if rows is None:
                continue
            part = slice(start - rows.start, min(stop, rows.stop) - rows.start)
            own = list(range(part.start, part.stop)) if rows.rows is None else rows.rows[part].tolist()
            ids = None if rows.ids is None else list(rows.ids[part])
            found.append(Run(item.partition, item.id.ms, item.id.seq, own, ids))
            start += len(own)
        return found

    def unusable(self, index: int, start: int, stop: int | None = None) -> Unusable:
        """Records ``start`` to ``stop`` (None: the last) of an entry that could not be used.

        An entry that is unusable as a whole counts once.
        """
        if self._alike is not None:
            return Unusable(0, 0)
        rows, item = self._rows[index], self.placed[index]
        reason = self._refused.get(id(item.entry.fields))
        if reason is not None:
            return Unusable(1, int(reason == MISSING))
        if rows is not None and rows.rows is None:
            return Unusable(0, 0)
        if stop is None:
            stop = int(field_map(item.entry.fields)[b"_n"])
        usable = 0 if rows is None or rows.rows is None else ((start <= rows.rows) & (rows.rows < stop)).sum()
        return Unusable(stop - start - int(usable), 0)  # a block has every feature

    def _held(self, row: int) -> RecordRows:
        rows = self._rows[self.entry_of(row)]
        assert rows is not None  # noqa: S101  (an entry that holds a row has rows; for the type checker)
        return rows

    def _rows_before(self, position: Position | None) -> int:
        """Rows of the first entry that an earlier window has consumed."""
        rows = self._rows[0]
        if position is None or position.row < 0 or position.entry_id != self.placed[0].id or rows is None:
            return 0
        return (
            min(position.row, rows.count) if rows.rows is None else int(np.searchsorted(rows.rows, position.row))
        )


def _int64(values: list[int]) -> NDArray[np.int64]:
    if max(values, default=0) > LARGEST_INT64:
        values = [min(value, LARGEST_INT64) for value in values]
    return np.array(values, dtype=np.int64)


def is_block(item: PlacedEntry) -> bool:
    """Whether an entry has the form of a block."""
    return b"_n" in item.entry.fields[::2]

"""A run of entries in merged order, decoded and scored: what panes are cut from."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.entry import default_record_id, field_map
from core.merged_reader import PlacedEntry
from core.model import Floats
from core.model_file import ModelFile
from core.record_decoder import RecordDecoder, RecordRows
from core.sample_block import is_sampled
from core.scoring import score_batch
from monitor.state import Position


@dataclass(frozen=True, eq=False)
class SampledRows:
    """Rows kept for training."""

    x: Floats  #: (n, d)
    y: Floats  #: (n,)
    ids: list[bytes]
    positions: NDArray[np.int64]  #: (n, 4) entry ms, entry seq, row, partition


class RecordRun:
    """Entries of one form (all plain, or all blocks), so that rows stand in the order of their entries.

    Row r of the run is row r of ``x`` and ``probability``; entry i holds rows ``stops[i - 1]`` to ``stops[i]``.
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
        by_entry = {id(rows.entry): rows for rows in scored.batch.entries}
        self._rows: list[RecordRows | None] = [by_entry.get(id(item.entry)) for item in placed]
        self.x, self.probability = scored.batch.x, scored.scores.probability
        self.stops: list[int] = []
        self.skipped: list[int] = []
        position = 0
        for rows, item in zip(self._rows, placed, strict=True):
            position = position if rows is None else rows.stop
            self.stops.append(position)
            self.skipped.append(_skipped(rows, item))
        self.first_row = self._rows_before(positions.get(placed[0].partition)) if placed else 0

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
        chosen: list[int] = []
        ids: list[bytes] = []
        positions: list[tuple[int, int, int, int]] = []
        labels: list[float] = []
        row = start
        while row < stop:
            index = self.entry_of(row)
            item, rows = self.placed[index], self._held(row)
            numbers, record_ids = rows.row_numbers(), rows.record_ids(item.partition)
            for row in range(row, min(stop, rows.stop)):  # noqa: B020  (walks on to the next entry)
                offset = row - rows.start
                if is_sampled(record_ids[offset], share):
                    chosen.append(row)
                    ids.append(record_ids[offset])
                    positions.append((item.id.ms, item.id.seq, numbers[offset], item.partition))
                    labels.append(float("nan") if rows.labels is None else float(rows.labels[offset]))
            row = min(stop, rows.stop)
        places = np.array(positions, dtype=np.int64).reshape(len(chosen), 4)
        return SampledRows(self.x[chosen], np.array(labels, dtype=np.float64), ids, places)

    def _held(self, row: int) -> RecordRows:
        rows = self._rows[self.entry_of(row)]
        assert rows is not None  # noqa: S101  (an entry that holds a row has rows; for the type checker)
        return rows

    def _rows_before(self, position: Position | None) -> int:
        """Rows of the first entry that an earlier window has consumed."""
        rows = self._rows[0]
        if position is None or position.row < 0 or position.entry_id != self.placed[0].id or rows is None:
            return 0
        return sum(number < position.row for number in rows.row_numbers())


def is_block(item: PlacedEntry) -> bool:
    """Whether an entry has the form of a block."""
    return b"_n" in item.entry.fields[::2]


def _skipped(rows: RecordRows | None, item: PlacedEntry) -> int:
    """Records of an entry that could not be used; an entry that is unusable as a whole counts once."""
    if rows is None:
        return 1
    if rows.rows is None:
        return 0
    return int(field_map(item.entry.fields)[b"_n"]) - rows.count

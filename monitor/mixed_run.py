"""A run of entries in merged order: records of one form, decoded and scored, and the labels among them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import NamedTuple

from core.label_entry import decode_label_entry
from core.merged_reader import LABELS, PlacedEntry
from core.model_file import ModelFile
from core.record_decoder import RecordDecoder
from monitor.label_join import PlacedLabels
from monitor.record_run import RecordRun, is_block
from monitor.state import WHOLE, Position


class Point(NamedTuple):
    """A place in a run: what comes before it is done with."""

    entry: int  #: of a record entry
    row: int  #: of the run's rows; those of that entry before it are done with too
    label: int  #: of a label entry
    part: int = 0  #: labels of it that are done with

    def at_label(self, label: int, part: int = 0) -> Point:
        """The same with ``part`` further labels of a label entry done with."""
        return self._replace(label=label, part=part + self.part if label == self.label else part)


class MixedRun:
    """Records and labels; ``records`` is the run of the records among themselves."""

    def __init__(
        self,
        placed: Sequence[PlacedEntry],
        model: ModelFile,
        decoder: RecordDecoder,
        positions: dict[int, Position],
    ) -> None:
        self._placed = placed
        self.records = RecordRun([item for item in placed if not item.is_label], model, decoder, positions)
        self.label_entries = [item for item in placed if item.is_label]
        self._label_times_ms = [item.id.ms for item in self.label_entries]
        before = accumulate(not item.is_label for item in placed)
        #: how many record entries come before each label entry
        self.records_before = [n for item, n in zip(placed, before, strict=True) if item.is_label]
        rows_before = [self.records.stops[n - 1] if n else 0 for n in self.records_before]
        classes = model.model.schema.classes
        self._labels = [
            PlacedLabels(row, item.id.ms, decode_label_entry(item.entry, classes).labels)
            for item, row in zip(self.label_entries, rows_before, strict=True)
        ]
        self.begin = Point(0, self.records.first_row, 0, self._first_part(positions.get(LABELS)))

    def next(self, at: Point) -> PlacedEntry | None:
        """The entry that begins, or goes on, at a point; None at the run's end."""
        if at.label < len(self.label_entries) and self.records_before[at.label] <= at.entry:
            return self.label_entries[at.label]
        return self.records.placed[at.entry] if at.entry < len(self.records.placed) else None

    def behind(self, at: Point) -> list[PlacedEntry]:
        """The entries from a point on."""
        return list(self._placed[at.entry + at.label :])

    def within(self, at: Point, end_ms: int) -> tuple[int, int]:
        """The first record entry and the first label entry from a point on that came at ``end_ms`` or later."""
        return (
            bisect_left(self.records.times_ms, end_ms, lo=at.entry),
            bisect_left(self._label_times_ms, end_ms, lo=at.label),
        )

    def label_behind(self, at: Point, row: int) -> int:
        """The first label entry from a point on that comes behind ``row`` rows or more."""
        return bisect_left(self._labels, row, lo=at.label, key=_row_of)

    def labels(self, at: Point, stop: int) -> list[PlacedLabels]:
        """The labels from a point up to a label entry."""
        found = self._labels[at.label : stop]
        if found and at.part:
            found[0] = replace(found[0], labels=found[0].labels[at.part :])
        return found

    def _first_part(self, position: Position | None) -> int:
        """Labels of the first label entry that an earlier window has consumed."""
        if position is None or position.row == WHOLE or not self.label_entries:
            return 0
        first, labels = self.label_entries[0], self._labels[0].labels
        return min(position.row, len(labels)) if position.entry_id == first.id else 0


def mixed_runs(entries: Iterable[PlacedEntry]) -> Iterator[list[PlacedEntry]]:
    """Entries in merged order, cut where the form of the records changes."""
    entries = list(entries)
    if len({is_block(item) for item in entries if item.partition != LABELS}) < 2:
        if entries:
            yield entries
        return
    run: list[PlacedEntry] = []
    blocks: bool | None = None
    for item in entries:
        if not item.is_label:
            form = is_block(item)
            if blocks is not None and form != blocks:
                yield run
                run = []
            blocks = form
        run.append(item)
    if run:
        yield run


def _row_of(labels: PlacedLabels) -> int:
    return labels.row

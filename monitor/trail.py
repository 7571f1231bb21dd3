"""Where the newest records stand: a detector counts records back, and people and the trainer need their ids."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import msgspec

from core.drift.statistics import SCALES
from core.entry import EntryId, default_record_id

#: So many newest records are known one by one; a likelihood ratio looks no further back.
EXACT_RECORDS = max(SCALES)
#: Of so many newest panes the first record is known, for a CUSUM that began to rise long ago.
PANE_STARTS = 64


class Run(msgspec.Struct, frozen=True, array_like=True):
    """Usable records of one entry, as they follow each other."""

    partition: int
    ms: int
    seq: int
    rows: list[int]  #: their numbers in the entry
    ids: list[bytes] | None = None  #: where the entry brought some

    def last(self, count: int) -> Run:
        """The run of its last records."""
        if count >= len(self.rows):
            return self
        ids = None if self.ids is None else self.ids[-count:]
        return Run(self.partition, self.ms, self.seq, self.rows[-count:], ids)

    def place(self, index: int, back: int = 1) -> Place:
        """Where the record number ``index`` of the run is, which came ``back`` records ago."""
        entry_id = str(EntryId(self.ms, self.seq))
        record = (
            default_record_id(self.partition, entry_id.encode(), self.rows[index])
            if self.ids is None
            else self.ids[index]
        )
        return Place(id_text(record), entry_id, back, self.partition, self.rows[index])


class PaneStart(msgspec.Struct, frozen=True, array_like=True):
    """The first record of a pane."""

    number: int  #: records before it, since the trail began
    run: Run  #: of this record alone


class Place(NamedTuple):
    """A record that was located."""

    record: str  #: its id, '' where no record is known
    entry: str  #: entry id
    back: int  #: 1: the newest one
    partition: int = 0
    row: int = 0  #: its number in the entry


class Span(msgspec.Struct, frozen=True, array_like=True):
    """The first and the last record of a pane, '' where it has none."""

    first: str = ""  #: id
    first_entry: str = ""  #: entry id
    last: str = ""
    last_entry: str = ""


def whole(spans: list[Span]) -> Span:
    """From the first record of some panes to the last."""
    filled = [span for span in spans if span.first_entry] or [Span()]
    return Span(filled[0].first, filled[0].first_entry, filled[-1].last, filled[-1].last_entry)


class Trail(msgspec.Struct, frozen=True):
    """The newest usable records in merged order; part of the monitor's state. It outlives a promotion."""

    records: int = 0  #: since it began
    runs: list[Run] = []  #: the newest :data:`EXACT_RECORDS`, in order
    starts: list[PaneStart] = []  #: of the newest :data:`PANE_STARTS` panes that hold records, in order

    def extended(self, count: int, runs: list[Run], *, opens_pane: Run | None = None) -> Trail:
        """The trail after ``count`` more records, at least 1.

        Parameters
        ----------
        runs
            The last :data:`EXACT_RECORDS` of them, or all.
        opens_pane
            The first of them alone, where it is the first one of a pane.
        """
        starts = self.starts
        if opens_pane is not None:
            starts = [*starts, PaneStart(self.records, opens_pane)][-PANE_STARTS:]
        return Trail(self.records + count, _newest([*self.runs, *runs], EXACT_RECORDS), starts)

    def locate(self, back: int) -> Place:
        """The record ``back`` records ago (1: the newest), or else the oldest known one behind it.

        The newest :data:`EXACT_RECORDS` are known one by one, of older ones those that began a pane.
        """
        wanted = min(max(back, 1), self.records)
        exact = 0
        for run in reversed(self.runs):
            exact += len(run.rows)
            if wanted <= exact:
                return run.place(exact - wanted, wanted)
        for start in self.starts:
            ago = self.records - start.number
            if exact < ago <= wanted:
                return start.run.place(0, ago)
        return self.runs[0].place(0, exact) if self.runs else Place("", "", 0)

    def check(self) -> None:
        """Raise ValueError for a trail that no monitor writes."""
        for run in [*self.runs, *(start.run for start in self.starts)]:
            fits = 0 <= run.ms < 2**64 and 0 <= run.seq < 2**64 and run.partition >= 0
            if not fits or not run.rows or not all(0 <= row < 2**31 for row in run.rows):
                raise ValueError(f"the trail holds {run.partition}, {run.ms}-{run.seq}, which is no place")
            if run.ids is not None and len(run.ids) != len(run.rows):
                raise ValueError("the trail holds other ids than records")
        numbers = [start.number for start in self.starts]
        in_order = all(before < after for before, after in pairwise(numbers))
        if not in_order or not all(0 <= number < self.records for number in numbers):
            raise ValueError("the panes of the trail do not follow each other")
        if sum(len(run.rows) for run in self.runs) != min(self.records, EXACT_RECORDS):
            raise ValueError("the trail counts other records than it holds")


def _newest(runs: list[Run], count: int) -> list[Run]:
    """The runs of the last ``count`` records."""
    kept: list[Run] = []
    for run in reversed(runs):
        if count <= 0:
            break
        kept.append(run.last(count))
        count -= len(run.rows)
    return kept[::-1]


def id_text(record_id: bytes) -> str:
    """An opaque id as text; bytes that are no UTF-8 are escaped."""
    return record_id.decode("utf-8", "backslashreplace")

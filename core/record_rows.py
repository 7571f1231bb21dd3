"""What decoding makes of entries: rows of one array, and rejections."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import overload

import numpy as np
from numpy.typing import NDArray

from core.entry import Entry
from core.model import Floats
from core.rejection import Rejection


@dataclass(slots=True)
class RecordRows:
    """One entry's usable rows: rows ``start`` to ``stop`` of the batch's array."""

    entry: Entry
    plain: bool
    start: int
    stop: int
    rows: NDArray[np.int32] | None = None  #: row numbers in the block, only where some were rejected
    ids: tuple[bytes, ...] | None = None
    labels: Floats | None = None  #: (n,) 0, 1 or nan
    event_time_ms: int | None = None
    traceparent: bytes | None = None  #: the trace that this entry belongs to, where it names one

    @property
    def count(self) -> int:
        """Number of usable rows."""
        return self.stop - self.start

    def row_numbers(self) -> list[int]:
        """Row number of each usable row in its entry."""
        return list(range(self.count)) if self.rows is None else [int(row) for row in self.rows]


class AlikeRows(Sequence[RecordRows]):
    """Entries of one form that have the same number of rows, all usable, and the same reserved fields.

    Most batches are like that. Rows follow from an entry's place, so they are made only where somebody looks.
    Reserved fields are those of plain records, one of each an entry; blocks have none here but the trace, which
    only some entries may have.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        plain: bool,
        rows_each: int,
        *,
        ids: Sequence[bytes] | None = None,
        labels: Floats | None = None,
        event_times_ms: Sequence[int] | None = None,
        traceparents: Sequence[bytes | None] | None = None,
    ) -> None:
        self.entries = entries
        self.plain = plain
        self.rows_each = rows_each
        self.ids = ids
        self.labels = labels
        self.event_times_ms = event_times_ms
        self.traceparents = traceparents

    def __len__(self) -> int:
        return len(self.entries)

    @overload
    def __getitem__(self, index: int) -> RecordRows: ...
    @overload
    def __getitem__(self, index: slice) -> list[RecordRows]: ...
    def __getitem__(self, index: int | slice) -> RecordRows | list[RecordRows]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        start = place * self.rows_each
        return RecordRows(
            self.entries[place],
            self.plain,
            start,
            start + self.rows_each,
            ids=None if self.ids is None else (self.ids[place],),
            labels=None if self.labels is None else self.labels[place : place + 1],
            event_time_ms=None if self.event_times_ms is None else self.event_times_ms[place],
            traceparent=None if self.traceparents is None else self.traceparents[place],
        )

    def traces(self, first: int, count: int) -> list[bytes] | None:
        """The traceparents of ``count`` entries that all have one, or None where they have none."""
        if self.traceparents is None:
            return None
        return [each for each in self.traceparents[first : first + count] if each is not None] or None

    def runs(self) -> Iterator[tuple[int, int]]:
        """First entry and number of entries, for each run of entries that all have a trace, or none."""
        first = 0
        for _, run in groupby(self.traceparents or [None] * len(self), key=lambda each: each is None):
            count = len(list(run))
            yield first, count
            first += count

    def __iter__(self) -> Iterator[RecordRows]:
        return (self[place] for place in range(len(self)))


@dataclass(frozen=True, eq=False)
class RecordBatch:
    """The usable rows of some entries, and the rejections of the rest."""

    x: Floats  #: (n, d)
    entries: Sequence[RecordRows]
    rejections: list[Rejection]

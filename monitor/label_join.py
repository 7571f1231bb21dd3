"""Labels and rows brought together, in merged order.

A label belongs to the newest row of its id that came before it; one that comes before any waits for the first. A
record's own label came at once. A row's first label counts, whatever is said of it later: told twice, it would be
evidence twice.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from core.model import Floats
from core.sample_block import is_sampled
from monitor.label_index import LabelIndex, Mark
from monitor.label_state import MAX_WAITING, WaitingLabel
from monitor.record_run import SampledRows


@dataclass(frozen=True)
class PlacedLabels:
    """Labels of one entry."""

    row: int  #: rows of the run before it
    ms: int  #: its time
    labels: Sequence[tuple[bytes, float]]  #: record id, 0 or 1


class Cut(NamedTuple):
    """A label's place: what comes behind it is not looked at yet."""

    row: int  #: rows of the run up to there
    entries: int  #: label entries before it, and its own if it is the last one there
    part: int  #: else labels of its entry up to it
    own: bool  #: it came with its record


@dataclass
class LabelCounts:
    """Labels since the window before; see :class:`core.label_figures.LabelFigures`."""

    tested: int = 0
    early: int = 0
    stale: int = 0
    repeated: int = 0
    left_out: int = 0
    unmatched: int = 0
    delay_ms: int = 0  #: sum over the tested ones


@dataclass
class Found:
    """Labels of rows that the model in production judged, in order."""

    most: int | None  #: no more are looked for
    numbers: list[int] = field(default_factory=list)  #: of their rows
    logit: list[float] = field(default_factory=list)
    y: list[float] = field(default_factory=list)
    cuts: list[Cut] = field(default_factory=list)

    def is_full(self) -> bool:
        """Whether as many were found as are looked for."""
        return len(self.numbers) == self.most

    def outcomes(self, part: slice) -> tuple[Floats, Floats]:
        """Logits and outcomes (n,)."""
        return np.array(self.logit[part]), np.array(self.y[part])


class _Before(NamedTuple):
    """What :meth:`LabelJoin.undo` goes back to."""

    mark: Mark
    labels: int
    counts: LabelCounts


class LabelJoin:
    """Gives rows their labels; ``share`` is that of the records that are sampled."""

    def __init__(self, index: LabelIndex, share: float, labels: int, waiting: Iterable[WaitingLabel]) -> None:
        self.index = index
        self.labels = labels  #: that were looked at, ever
        self.counts = LabelCounts()
        self._share = share
        self._waiting = OrderedDict((one.id, one) for one in waiting)
        self._waiting_before: OrderedDict[bytes, WaitingLabel] | None = None  # where the last search changed them
        self._before = _Before(index.mark(), labels, LabelCounts())

    @property
    def waiting(self) -> list[WaitingLabel]:
        """The labels whose record has not come, the newest last."""
        return list(self._waiting.values())

    def find(self, rows: SampledRows | None, labels: Sequence[PlacedLabels], most: int | None = None) -> Found:
        """Take rows and labels, up to and with the label number ``most`` of those that are found."""
        self._waiting_before = None
        self._before = _Before(self.index.mark(), self.labels, replace(self.counts))
        found, added = Found(most), 0
        for number, entry in enumerate(labels):
            if rows is not None:
                stop = bisect_left(rows.rows, entry.row)
                self._add(rows, added, stop, number, found)
                added = max(added, stop)
            for place, (record_id, y) in enumerate(entry.labels, start=1):
                if found.is_full():
                    return found
                last = place == len(entry.labels)
                cut = Cut(entry.row, number + last, 0 if last else place, own=False)
                self.labels += 1
                self._look_up(WaitingLabel(record_id, y, entry.ms), cut, found)
        if rows is not None:
            self._add(rows, added, len(rows.ids), len(labels), found)
        return found

    def undo(self) -> None:
        """Be as before the last search."""
        self.index.rewind(self._before.mark)
        self.labels, self.counts = self._before.labels, replace(self._before.counts)
        if self._waiting_before is not None:
            self._waiting, self._waiting_before = self._waiting_before, None

    def close(self, window: int, width: int, oldest_ms: int) -> None:
        """A window is closed: let go of rows, of ``width`` features, and labels that are too many or too old."""
        while self._waiting and next(iter(self._waiting.values())).ms < oldest_ms:
            self._waiting.popitem(last=False)
            self.counts.unmatched += 1
        self.index.settle(window, width, oldest_ms)

    def _add(self, rows: SampledRows, start: int, stop: int, entries: int, found: Found) -> None:
        """Add rows to the index, with the labels that they bring and those that wait for them."""
        if stop <= start or found.is_full():
            return
        ids, own = rows.ids[start:stop], rows.y[start:stop]
        first = self.index.add(ids, rows.logit[start:stop], rows.positions[start:stop])
        places = set(np.flatnonzero(~np.isnan(own)).tolist())
        if self._waiting:
            places.update(place for place, record_id in enumerate(ids) if record_id in self._waiting)
        for place in sorted(places):
            y = self._label_of_new(ids[place], float(own[place]))
            if y is None:
                continue
            cut = Cut(rows.rows[start + place] + 1, entries, 0, own=True)
            self._give(first + place, y, 0, cut, found)
            if found.is_full():
                self.index.rewind(self.index.mark()._replace(stop=first + place + 1))
                return

    def _label_of_new(self, record_id: bytes, own: float) -> float | None:
        """The label of a new row: its own, which an earlier one does not replace, else one that waits for it.

        None where an equal id before it took that.
        """
        waiting = self._waiting_to_change().pop(record_id) if record_id in self._waiting else None
        if not np.isnan(own):
            self.labels += 1
            self.counts.repeated += waiting is not None
            return own
        self.counts.early += waiting is not None
        return None if waiting is None else waiting.y

    def _look_up(self, label: WaitingLabel, cut: Cut, found: Found) -> None:
        """A label of the labels stream."""
        number = self.index.find(label.id)
        if number is not None and self.index.has_label(number):
            self.counts.repeated += 1
        elif number is not None:
            self._give(number, label.y, max(0, label.ms - self.index.ms(number)), cut, found)
        elif is_sampled(label.id, self._share):
            self._let_wait(label)
        else:
            self.counts.left_out += 1

    def _give(self, number: int, y: float, delay_ms: int, cut: Cut, found: Found) -> None:
        """A row gets its label."""
        self.index.give_label(number)
        logit = self.index.logit(number)
        if logit is None:
            self.counts.stale += 1
            return
        self.counts.tested += 1
        self.counts.delay_ms += delay_ms
        found.numbers.append(number)
        found.logit.append(logit)
        found.y.append(y)
        found.cuts.append(cut)

    def _let_wait(self, label: WaitingLabel) -> None:
        waiting = self._waiting_to_change()
        self.counts.repeated += waiting.pop(label.id, None) is not None
        waiting[label.id] = label
        if len(waiting) > MAX_WAITING:
            waiting.popitem(last=False)
            self.counts.unmatched += 1

    def _waiting_to_change(self) -> OrderedDict[bytes, WaitingLabel]:
        """The waiting labels, once there is a copy to go back to."""
        if self._waiting_before is None:
            self._waiting_before = self._waiting.copy()
        return self._waiting

"""Sums over a pane, the records between two windows, and over the window that ends with it.

All sums are of whole numbers (of ticks, see ``core.drift.statistics``), so that they do not depend on how the
records were read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.drift.bins import BINS, Bins
from core.drift.statistics import TICK, from_ticks, to_ticks
from core.drift.transform import Columns
from core.model import Floats
from core.profile import TrainingProfile

Counts = NDArray[np.int64]

#: A change point inside a pane is looked for at so many places of a full one ...
_MARKS = 16
#: ... which are at least so many records apart: a mean over fewer says little.
_LEAST_APART = 32
#: A value that differs from the only one of training by less than this share of it is the same but for rounding:
#: far more than what ``core.profile.CONSTANT_TOLERANCE`` leaves among the training rows themselves.
DEPARTURE_TOLERANCE = 1e-9


class PaneSums(msgspec.Struct, frozen=True):
    """What a window needs of a closed pane. Bytes are little-endian."""

    n: int  #: usable records
    skipped: int  #: records that could not be used
    missing: int  #: those of them that lacked a feature
    ticks: bytes  #: int64 (v + 1,) sums of the standardised features, then of the probability of class 1 itself
    changed: bytes  #: int64 (d - v,) records that left each constant feature's only value
    counts: bytes  #: int32 (v + 2, bins) records in each bin of the features, the probability and the radius
    calibrated: int | None = None  #: sum of the calibrated probability in ticks; None: the model has none


@dataclass(frozen=True, eq=False)
class Window:
    """The window that ends with the pane just closed, as pane detectors see it."""

    panes: Sequence[PaneSums]  #: the oldest first
    marks: Counts  #: (m, v) sums of z in ticks over the last pane's records before each of m places
    apart: int  #: records between those places
    judged: bool  #: enough usable records came since the model began
    enough: bool  #: and the window holds enough of them

    @property
    def pane(self) -> PaneSums:
        """The pane just closed."""
        return self.panes[-1]

    @cached_property
    def n(self) -> int:
        """Usable records in the window."""
        return sum(pane.n for pane in self.panes)

    @cached_property
    def means(self) -> Floats:
        """(v + 1,) means of the standardised features and of the probability; 0 without a record."""
        return from_ticks(_total([_whole(pane.ticks) for pane in self.panes])) / max(1, self.n)

    @property
    def calibrated_mean(self) -> float | None:
        """Mean calibrated probability; None of a model without calibration."""
        panes = [(pane.calibrated, pane.n) for pane in self.panes if pane.calibrated is not None]
        return sum(ticks for ticks, _ in panes) * TICK / max(1, sum(n for _, n in panes)) if panes else None

    @property
    def changed(self) -> Counts:
        """(d - v,) records that left each constant feature's only value."""
        return _total([_whole(pane.changed) for pane in self.panes])

    @property
    def pane_changed(self) -> Counts:
        """The same of the pane just closed."""
        return _whole(self.pane.changed)

    @property
    def counts(self) -> Counts:
        """(v + 2, bins) records in each bin."""
        return _total([np.frombuffer(pane.counts, "<i4").reshape(-1, BINS) for pane in self.panes])

    def suffixes(self) -> tuple[NDArray[np.int64], Floats]:
        """Places where a change may have begun: (m,) records from there to the end, (v, m) sums of z over them.

        They are the beginnings of the panes, and a few places inside the last one.
        """
        places = [np.zeros((1, self.marks.shape[1]), dtype=np.int64)]
        before = [0]
        for pane in self.panes[:-1]:
            places.append(places[-1] + _whole(pane.ticks)[:-1])
            before.append(before[-1] + pane.n)
        places.append(places[-1] + self.marks)
        before += [before[-1] + self.apart * number for number in range(1, len(self.marks) + 1)]
        records = self.n - np.array(before)
        total = _total([_whole(pane.ticks)[:-1] for pane in self.panes])
        some = records > 0
        return records[some], from_ticks(total - np.concatenate(places)[some]).T


class PaneAccumulator:
    """Adds up the records of the open pane."""

    def __init__(self, profile: TrainingProfile, bins: Bins, slide: int) -> None:
        self._bins = bins
        self._constant = np.flatnonzero(~profile.varies)
        self._values = profile.mean[self._constant]
        self._tolerance = DEPARTURE_TOLERANCE * np.abs(self._values)
        self._width = len(profile.features) - len(self._constant)
        self.apart = max(_LEAST_APART, -(-slide // _MARKS))  #: records between two marks
        self._begin()

    def _begin(self) -> None:
        self.n = 0
        self._sums = np.zeros(self._width + 1, dtype=np.int64)
        self._marks = [np.zeros((0, self._width), dtype=np.int64)]
        self._changed = np.zeros(len(self._constant), dtype=np.int64)
        self._counts = np.zeros((self._width + 2, BINS), dtype=np.int64)
        self._calibrated: int | None = None

    def add(self, columns: Columns, x: Floats, probability: Floats, calibrated: Floats | None = None) -> None:
        """Add records: their columns, raw rows ``x`` (n, d) and probabilities (n,), these ``calibrated`` too."""
        values = columns.standardised.copy()
        values[-1] = probability
        ticks = to_ticks(values)
        ticks[:, 0] += self._sums
        np.add.accumulate(ticks, axis=1, out=ticks)
        self._sums = ticks[:, -1].copy()
        first = self.apart - self.n % self.apart - 1
        if first < len(x):
            self._marks.append(ticks[:-1, first :: self.apart].T.copy())
        if len(self._constant):
            self._changed += (np.abs(x[:, self._constant] - self._values) > self._tolerance).sum(axis=0)
        self._counts += self._bins.count(np.concatenate([columns.feature, columns.probability, columns.radius]))
        if calibrated is not None:
            self._calibrated = (self._calibrated or 0) + int(to_ticks(calibrated).sum())
        self.n += len(x)

    def close(self, skipped: int, missing: int) -> tuple[PaneSums, Counts]:
        """The pane's sums, and (m, v) its sums of z before each mark; a new pane begins."""
        pane = PaneSums(
            self.n,
            skipped,
            missing,
            self._sums.astype("<i8").tobytes(),
            self._changed.astype("<i8").tobytes(),
            self._counts.astype("<i4").tobytes(),
            self._calibrated,
        )
        marks = np.concatenate(self._marks)
        self._begin()
        return pane, marks


def check_pane(pane: PaneSums, width: int, constants: int) -> None:
    """Raise ValueError for sums that are not those of ``width`` varying features and so many constant ones."""
    lengths = [len(pane.ticks), len(pane.changed), len(pane.counts)]
    if lengths != [8 * (width + 1), 8 * constants, 4 * BINS * (width + 2)]:
        raise ValueError(f"a pane holds sums of another shape than those of {width + constants} features")
    if min(pane.n, pane.skipped, pane.missing) < 0 or (_whole(pane.changed) < 0).any():
        raise ValueError("a pane counts what cannot be counted")
    counts = np.frombuffer(pane.counts, "<i4").reshape(-1, BINS)
    if (counts < 0).any() or (counts.sum(axis=1, dtype=np.int64) != pane.n).any():
        raise ValueError("a pane's bins do not hold its records")
    if pane.calibrated is not None and not 0 <= pane.calibrated * TICK <= pane.n:
        raise ValueError("a pane's mean calibrated probability is none")


def _whole(data: bytes) -> Counts:
    return np.frombuffer(data, "<i8").astype(np.int64)


def _total(parts: Sequence[NDArray[np.signedinteger]]) -> Counts:
    """Sum of arrays of one shape."""
    if len(parts) == 1:
        return parts[0].astype(np.int64)
    return np.asarray(np.add.reduce(list(parts), axis=0, dtype=np.int64))

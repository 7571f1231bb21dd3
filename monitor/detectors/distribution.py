"""Bins of each feature, of the probability and of the radius: changes that leave means and spread alone."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from core.drift.budget import CALM_TAIL
from core.drift.reference import DriftReference
from core.model import Floats
from monitor.detectors.base import Alarm, DetectorState, PaneVerdict, Reading
from monitor.detectors.tail import PaneTail
from monitor.pane import Window

#: Name in metrics and verdicts.
NAME = "distribution"
#: Its channels.
FEATURE, PROBABILITY, RADIUS = "feature", "probability", "radius"
#: Sizes of window and pane whose thresholds are kept: nearly all are full.
_SIZES = 64


class Distribution:
    """Judges the counts of the window's bins, see ``core.drift.bins``."""

    name = NAME

    def __init__(self, d: int, reference: DriftReference, tail: PaneTail) -> None:
        self._blameless, self._index = np.zeros(d), reference.transform.index
        self._bins, self._tail = reference.bins, tail
        self._known_truth = reference.known_truth
        self._thresholds = lru_cache(_SIZES)(self._at)

    def judge(self, window: Window) -> PaneVerdict:
        """See :class:`monitor.detectors.base.PaneDetector`."""
        n = window.n
        statistics = self._bins.statistic(window.counts)
        thresholds, calm_thresholds = self._thresholds(n, window.pane.n)
        ratios = statistics / thresholds
        column = int(ratios.argmax())
        statistic, threshold = float(statistics[column]), float(thresholds[column])
        if threshold == np.inf:  # too few records for any bin: nothing is judged
            return PaneVerdict(Reading(NAME, 0.0, 1.0, False, True), None, self._blameless)
        alarmed = window.enough and statistic >= threshold
        calm = bool((statistics < calm_thresholds).all())
        reading = Reading(NAME, statistic, threshold, alarmed, calm)
        if not alarmed:
            return PaneVerdict(reading, None, self._blameless)
        blame = np.zeros(len(self._blameless))
        blame[self._index] = ratios[: len(self._index)]
        features = len(self._index)
        channel = FEATURE if column < features else (PROBABILITY, RADIUS)[column - features]
        return PaneVerdict(
            reading, Alarm(NAME, channel, statistic, threshold, back=n, column=column, records=n), blame
        )

    def state(self) -> DetectorState:
        """Nothing: the panes hold what is needed."""
        return DetectorState()

    def restore(self, state: DetectorState) -> None:
        """See :class:`monitor.detectors.base.PaneDetector`."""

    def _at(self, n: int, pane_records: int) -> tuple[Floats, Floats]:
        """(v + 2,) thresholds of a window of n records that ends with such a pane, and those of its calm level."""
        return (
            self._bins.thresholds(max(1, n), self._tail.at(pane_records), known_truth=self._known_truth),
            self._bins.thresholds(max(1, n), CALM_TAIL, known_truth=self._known_truth),
        )

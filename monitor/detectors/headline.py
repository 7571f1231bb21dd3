"""The headline detector: mean |z_shift| of a window against a threshold calibrated to its size."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from core.drift.bins import UNLUCKY_REFERENCES
from core.drift.budget import CALM_TAIL
from core.drift.reference import DriftReference
from core.drift_null import TAILS
from core.profile import TrainingProfile
from monitor.detectors.base import Alarm, DetectorState, PaneVerdict, Reading
from monitor.detectors.tail import PaneTail
from monitor.pane import Window

#: Name in metrics and verdicts, and of its channel.
NAME = "mean_abs_z"
#: Beyond the stored tails quantiles go on along the line, in the logarithm of the tail, through these two of them.
_FROM, _TO = -4, -1
#: Sizes of window and pane whose thresholds are kept: nearly all are full.
_SIZES = 64


class Headline:
    """Judges the mean over the features that vary of |mean z| in the window.

    The threshold comes from the distribution of mean|Z|, Z ~ Normal(0, R), see :func:`threshold`. Where training
    was autocorrelated, means spread sqrt((1 + r) / (1 - r)) times as wide, and the threshold is as much higher.
    """

    name = NAME

    def __init__(self, profile: TrainingProfile, reference: DriftReference, tail: PaneTail) -> None:
        self._profile, self._transform, self._tail = profile, reference.transform, tail
        self._blameless = np.zeros(len(profile.features))
        self._known_truth = reference.known_truth
        self._thresholds = lru_cache(_SIZES)(self._at)
        self._wider = float(np.sqrt(reference.dependence))

    def judge(self, window: Window) -> PaneVerdict:
        """See :class:`monitor.detectors.base.PaneDetector`."""
        size = np.abs(window.means[:-1])
        n = window.n
        if not n:
            return PaneVerdict(Reading(NAME, 0.0, self._thresholds(1, 1)[0], False, True), None, self._blameless)
        score = float(np.add.reduce(size) / len(size))
        threshold, calm_threshold = self._thresholds(n, window.pane.n)
        alarmed = window.enough and score >= threshold
        reading = Reading(NAME, score, threshold, alarmed, score < calm_threshold)
        if not alarmed:
            return PaneVerdict(reading, None, self._blameless)
        blame = np.zeros(len(self._blameless))
        blame[self._transform.index] = size
        alarm = Alarm(NAME, NAME, score, threshold, self._back(window), records=n)
        return PaneVerdict(reading, alarm, blame)

    def state(self) -> DetectorState:
        """Nothing: the panes hold what is needed."""
        return DetectorState()

    def restore(self, state: DetectorState) -> None:
        """See :class:`monitor.detectors.base.PaneDetector`."""

    def _at(self, n: int, pane_records: int) -> tuple[float, float]:
        """Threshold of a window of n records that ends with such a pane, and that of its calm level."""
        alarming, calm = (
            self._wider * threshold(self._profile, n, tail, known_truth=self._known_truth)
            for tail in (self._tail.at(pane_records), CALM_TAIL)
        )
        return alarming, calm

    def _back(self, window: Window) -> int:
        """Records since the likeliest beginning of a shift of the means."""
        records, sums = window.suffixes()
        whitened = self._transform.whitening @ sums
        return int(records[((whitened * whitened).sum(axis=0) / records).argmax()])


def threshold(profile: TrainingProfile, n: int, tail: float, *, known_truth: bool = False) -> float:
    """The score that a window of n records exceeds with at most probability ``tail`` if nothing drifted.

    A window's means are d + e, d being how far the reference is off the truth: mean|d + e| <= mean|d| + mean|e|.
    So with the quantiles q of mean|Z|, Z ~ Normal(0, R), it is q(tail) / sqrt(n) + q(.05) / sqrt(N), for 95 % of
    references; where the reference is the truth, the first term alone.
    """
    bound = quantile(profile, tail) / float(np.sqrt(n))
    if known_truth:
        return bound
    return bound + quantile(profile, UNLUCKY_REFERENCES) / float(np.sqrt(profile.rows))


def quantile(profile: TrainingProfile, tail: float) -> float:
    """What mean|Z| exceeds with probability ``tail``, for any tail.

    Quantiles are concave in the logarithm of the tail, so that a line beyond the last one errs on the quiet side.
    """
    stored = profile.null_quantiles
    if tail >= TAILS[-1]:
        return float(np.interp(-np.log(tail), -np.log(TAILS), stored))
    slope = float((stored[_TO] - stored[_FROM]) / np.log(TAILS[_FROM] / TAILS[_TO]))
    return float(stored[_TO]) + slope * float(np.log(TAILS[_TO] / tail))

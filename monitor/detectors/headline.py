"""The headline detector: mean |z_shift| of a window against a threshold calibrated to its size."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.model import Floats
from core.profile import TrainingProfile

#: Name in metrics and verdicts.
NAME = "mean_abs_z"
#: A window is calm below the score that this share of windows exceeds when nothing drifted.
CALM_TAIL = 0.2


@dataclass(frozen=True, eq=False)
class Headline:
    """What the detector says of one window of n records."""

    z: Floats  #: (d,) shift of each feature's mean, in training standard deviations; 0 for constant features
    score: float  #: mean |z| over the features that vary
    threshold: float
    calm_threshold: float
    constant_alarm: bool  #: a feature that was constant in training has moved

    @property
    def calm(self) -> bool:
        """Whether the window gives no hint of a drift."""
        return self.score <= self.calm_threshold and not self.constant_alarm

    @property
    def drifted(self) -> bool:
        """Whether the window is outside the bounds."""
        return self.score > self.threshold or self.constant_alarm


def judge_window(
    profile: TrainingProfile, n: int, z_sum: Floats, constant_changed: NDArray[np.int64], false_alarm_rate: float
) -> Headline:
    """Judge a window from its sums.

    Parameters
    ----------
    n
        Records in the window, at least 1.
    z_sum
        (d,) sum of the standardised records.
    constant_changed
        (d,) records that left the only value that a constant feature had in training.
    false_alarm_rate
        Share of windows that may alarm when nothing drifted.

    The threshold is the quantile of mean|Z|, Z ~ Normal(0, R), times sqrt(1/n + 1/N); see ``core.drift_null``.
    """
    z = z_sum / n
    varies = profile.varies
    score = float(np.abs(z[varies]).mean()) if varies.any() else 0.0
    constant_alarm = bool(constant_changed.any()) and bool(
        (constant_changed > allowed_changes(n, profile.rows, false_alarm_rate)).any()
    )
    threshold = profile.threshold(n, false_alarm_rate)
    calm_threshold = profile.threshold(n, max(CALM_TAIL, false_alarm_rate))
    return Headline(z, score, threshold, calm_threshold, constant_alarm)


def allowed_changes(n: int, reference_rows: int, false_alarm_rate: float) -> int:
    """Most records of n that may leave a value which all N training rows had.

    None of N rows left it, so with 95 % confidence a record does with probability at most 3 / N (rule of three;
    Hanley and Lippman-Hand 1983, JAMA 249:1743). The answer is the (1 - rate) quantile of Binomial(n, 3 / N),
    by its Poisson limit.
    """
    mean = n * min(1.0, 3.0 / reference_rows)
    count = max(0, int(mean - 10.0 * math.sqrt(mean)))  # less has a probability below 1e-20
    total = _poisson(count, mean)
    while total < 1.0 - false_alarm_rate and count < n:
        count += 1
        total += _poisson(count, mean)
    return count


def _poisson(count: int, mean: float) -> float:
    """P(count), by logarithms: exp(-mean) alone underflows at a mean of 746."""
    return math.exp(count * math.log(mean) - mean - math.lgamma(count + 1.0))

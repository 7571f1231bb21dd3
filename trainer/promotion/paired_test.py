"""Whether one model's log-loss is lower than another's, judged on the same rows.

The test is on the mean difference of the rows' losses. Such differences have heavy tails: a candidate that is too
sure of itself wins a little on nearly every row and loses much on a few, which 40 rows need not hold. On 40 rows
plain t tests promote such a candidate, equal in expectation, in 8 to 15 % of draws at a nominal 2.5 %; corrected
for skewness the test keeps to 2 to 4 %.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np

from core.model import Floats
from trainer.loss import row_losses
from trainer.metrics.weighting import row_weights
from trainer.promotion.long_run import WAVES, counts, variance_ratio
from trainer.promotion.student import lower_tail, quantile
from trainer.table import Labels

#: Rows of each class that a test needs. With 2 to 5 of the rarer one, equal candidates were promoted in 4 to 9 %.
MIN_CLASS_ROWS = 10
#: One-sided level at which a candidate is significantly worse on rows that only guard.
GUARD_LEVEL = 0.05
#: Two-sided; its ends belong to one-sided tests at 2.5 %.
CONFIDENCE = 0.95
#: Losses of a row that differ by less are the same. Rows fitted again in another order give weights that differ in
#: the fifteenth digit, and rounding goes one way often enough to be significant (mean difference -6e-17, standard
#: error 2e-17). What chance adds to the loss of d weights fitted to n rows is d / 2n, more even of a billion rows.
SAME_LOSS = 1e-9


class PairedTest(msgspec.Struct, frozen=True):
    """Candidate less production, row by row: below zero the candidate is better."""

    rows: int
    class1_rows: int
    effective_rows: float  #: as many equally weighted rows would tell as much (Kish 1965, Survey Sampling, 11.7)
    rarer_class_rows: float  #: the same of the class that has fewer
    difference: float  #: mean log-loss of the candidate less that of production
    standard_error: float  #: of independent rows; infinite for a single one
    low: float  #: 95 % interval of the difference, of whichever test is less sure
    high: float
    #: Long-run variance of the difference over that of a row; None where no rows tell.
    variance_ratio: float | None
    p_better: float  #: how often a candidate that is no better looks at least as good as this one
    p_worse: float  #: how often one that is no worse looks at least as bad

    @property
    def enough(self) -> bool:
        """Whether there are rows enough of each class for the test to keep its level."""
        return self.rarer_class_rows >= MIN_CLASS_ROWS

    @property
    def significantly_worse(self) -> bool:
        """Whether the candidate's log-loss is higher by more than chance explains, at :data:`GUARD_LEVEL`."""
        return self.p_worse <= GUARD_LEVEL


def log_loss_differences(y: Labels, p_candidate: Floats, p_production: Floats) -> Floats:
    """(n,) log-loss of the candidate less that of production, row by row; 0 where it is :data:`SAME_LOSS`."""
    differences: Floats = row_losses(y, p_candidate) - row_losses(y, p_production)
    return np.where(np.abs(differences) < SAME_LOSS, 0.0, differences)


def paired_test(
    y: Labels,
    p_candidate: Floats,
    p_production: Floats,
    weights: Floats | None = None,
    neighbours: Floats | None = None,
) -> PairedTest:
    """Compare two models on the same rows (n,); pairing removes what is hard about a row for both.

    The candidate is better by the less sure of two tests: that of independent rows, by Student's t corrected for
    skewness (Hall 1992, Journal of the Royal Statistical Society B 54:221), and, where ``neighbours`` are given,
    that of the variance which neighbouring rows have together (:mod:`trainer.promotion.long_run`).

    Parameters
    ----------
    weights
        (n,) how much each row counts, for example one over its chance of a label; None: all alike.
    neighbours
        (m,) differences of rows in the order of time: of those before the judged ones, if these are the newest
        (that the candidate was trained on them flatters their mean, not their wobbling); of the judged rows
        themselves, if they are spread over all times.
    """
    w = row_weights(len(y), weights)
    differences = log_loss_differences(y, p_candidate, p_production)
    by_rows = _MeanOfRows(differences, w)
    ratio = None if neighbours is None else variance_ratio(neighbours)
    p_better, p_worse = by_rows.tail(), by_rows.tail(sign=-1)
    low, high = by_rows.interval()
    if ratio is not None and neighbours is not None and counts(ratio, len(neighbours)) and by_rows.error > 0:
        error = by_rows.error * math.sqrt(ratio)
        t = by_rows.mean / error if error else math.copysign(math.inf, by_rows.mean)
        p_better, p_worse = max(p_better, lower_tail(t, WAVES)), max(p_worse, lower_tail(-t, WAVES))
        reach = quantile((1.0 + CONFIDENCE) / 2, WAVES) * error
        low, high = min(low, by_rows.mean - reach), max(high, by_rows.mean + reach)
    return PairedTest(
        rows=len(y),
        class1_rows=int((y == 1).sum()),
        effective_rows=by_rows.effective,
        rarer_class_rows=min(_effective(w[y == label]) for label in (0, 1)),
        difference=by_rows.mean,
        standard_error=by_rows.error,
        low=low,
        high=high,
        variance_ratio=ratio,
        p_better=p_better,
        p_worse=p_worse,
    )


class _MeanOfRows:
    """A weighted mean of rows with what its tests need: error, skewness, effective number of rows."""

    def __init__(self, values: Floats, weights: Floats) -> None:
        n, total = len(values), float(weights.sum())
        self.mean = float(weights @ values) / total
        self.effective = _effective(weights)
        pulls = n * weights * (values - self.mean) / total  # what each row adds to n times the mean's error
        variance = float((pulls**2).mean())
        # a mean of equal values that rounded is no spread
        self._varies = n > 1 and self.effective > 1 and float(np.ptp(values)) > 0.0
        freedom = self.effective / (self.effective - 1.0) if self._varies else math.inf
        self.error = math.sqrt(variance * freedom / n) if self._varies else (0.0 if n > 1 else math.inf)
        self._skewness = float((pulls**3).mean()) / variance**1.5 if self._varies and variance else 0.0
        self._n = n
        self._differing = int(np.count_nonzero(values[weights > 0.0]))

    def tail(self, sign: int = 1) -> float:
        """Chance of a mean so far below zero (of the mean's negative where ``sign`` is -1) if it truly is zero.

        Where few rows differ it is at least that of as many coins that all fall alike: t knows nothing of two rows
        among a thousand equal ones, and would find them significant.
        """
        if not self._varies:
            return 1.0
        distance = sign * self.mean / (self.error * math.sqrt(self._n))
        corrected = _corrected(distance, sign * self._skewness, self._n)
        by_t = lower_tail(math.sqrt(self._n) * corrected, self.effective - 1.0)
        return max(by_t, 0.5**self._differing)

    def interval(self) -> tuple[float, float]:
        """The means that neither tail's test would refuse."""
        if not self._varies:
            return (self.mean, self.mean) if self._n > 1 else (-math.inf, math.inf)
        reach = quantile((1.0 + CONFIDENCE) / 2, self.effective - 1.0) / math.sqrt(self._n)
        spread = self.error * math.sqrt(self._n)
        low, high = (self.mean - spread * _uncorrected(end, self._skewness, self._n) for end in (reach, -reach))
        return low, high


def _corrected(distance: float, skewness: float, n: int) -> float:
    """Hall's monotone transformation of (mean - truth) / spread, whose distribution is nearer to Student's t."""
    if abs(skewness) < _NO_SKEWNESS:
        return distance
    return ((1.0 + skewness * distance / 3.0) ** 3 - 1.0) / skewness + skewness / (6.0 * n)


def _uncorrected(value: float, skewness: float, n: int) -> float:
    """The inverse of :func:`_corrected`."""
    if abs(skewness) < _NO_SKEWNESS:
        return value
    return 3.0 / skewness * (math.cbrt(1.0 + skewness * (value - skewness / (6.0 * n))) - 1.0)


#: Below this the correction is rounding.
_NO_SKEWNESS = 1e-9


def _effective(weights: Floats) -> float:
    """How many equally weighted rows tell as much; 0 for none."""
    squares = float(weights @ weights)
    return float(weights.sum()) ** 2 / squares if squares else 0.0

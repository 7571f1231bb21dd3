"""How sure a figure is: intervals from resampled rows, for any metric of this package.

Source: Efron and Tibshirani 1993, *An Introduction to the Bootstrap*, chapters 13 (percentile) and 14 (BCa).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.errors import DataError
from core.model import Floats
from trainer.metrics.weighting import defined, row_weights
from trainer.table import Labels

#: From weights (b, n) to one figure (b,) or several (b, k) of each weighting; nan where undefined.
Figures = Callable[[Floats], Floats]

#: An end of a 95 % interval is the 50th of so many resamples: drawn anew, it moves by 3 % of the half-width.
REPLICATES = 2_000
#: Rows are left out one by one up to so many, then in so many groups: the acceleration's error is .65 / groups.
JACKKNIFE_GROUPS = 400
#: Weights worked on at once: 2 MB, which stay in a core's cache.
BLOCK_VALUES = 1 << 18
#: Figures that differ by less are equal but for rounding.
ROUNDING = 1e-12
#: The acceleration of a very skew figure could push a tail beyond the last one; there the tail is all or nothing.
SMALLEST_STRETCH = 1e-9

_NORMAL = NormalDist()


class Interval(msgspec.Struct, frozen=True):
    """A figure of the rows, and where that of all rows of their kind lies with the confidence asked for."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class Bootstrap:
    """How rows are resampled, and intervals made of the resamples; equal seeds give equal intervals.

    There is no interval (None) where the figure is undefined on the rows; where so many resamples leave it
    undefined that a tail is not known; and where it is the same in all resamples (one row, every row right): no
    width is not certainty, it says that the rows cannot tell.

    Raises
    ------
    DataError
        Fewer than two replicates, or a confidence that is not between 0 and 1.
    """

    replicates: int = REPLICATES
    confidence: float = 0.95  #: two-sided
    #: The percentile interval corrected for bias and skewness (Efron 1987, JASA 82:171), or as it is.
    method: Literal["bca", "percentile"] = "bca"
    stratified: bool = False  #: each class keeps its number of rows: where the split fixed it, not chance
    seed: int = 0

    def __post_init__(self) -> None:
        if self.replicates < 2:
            raise DataError(f"{self.replicates} resamples give no interval; ask for at least two")
        if not 0 < self.confidence < 1:
            raise DataError(f"{self.confidence} is no confidence; give one between 0 and 1, for example 0.95")

    def intervals(self, figures: Figures, y: Labels, weights: Floats | None = None) -> tuple[Interval | None, ...]:
        """One interval for each of the k figures of rows with outcomes ``y`` (n,) and ``weights`` (n,)."""
        w = row_weights(len(y), weights)
        strata = self._strata(y)
        estimates = _figures_of(figures, w[np.newaxis])[0]
        drawn = self._drawn(figures, w, strata)
        left_out = [_left_out(figures, w, rows) for rows in strata] if self.method == "bca" else []
        return tuple(
            self._interval(float(estimate), drawn[:, k], [stratum[:, k] for stratum in left_out])
            for k, estimate in enumerate(estimates)
        )

    def gap_interval(
        self, gaps: Figures, norm: Figures, y: Labels, weights: Floats | None = None
    ) -> Interval | None:
        """The interval of a norm (b,) of gaps (b, k) that may all be zero: of a calibration error.

        Resamples of such a figure all lie too high, because chance makes gaps and a norm forgives none: of a
        calibrated model the percentile and BCa intervals miss zero always. The gaps themselves have no such bias,
        and by the triangle inequality the norm errs by no more than the norm of their error. So the interval
        reaches as far, both ways, as the norm of (resampled gaps less gaps) does with the confidence asked for. It
        covers at least that often, and is about twice as wide as one would need far from zero.
        """
        w = row_weights(len(y), weights)
        found = _figures_of(gaps, w[np.newaxis])
        estimate = defined(norm(found))
        if estimate is None:
            return None
        distances = norm(self._drawn(gaps, w, self._strata(y)) - found)
        known = distances[~np.isnan(distances)]
        if len(distances) - len(known) > self._tail * len(distances):
            return None
        reach = float(np.quantile(known, self.confidence))
        if reach <= ROUNDING:
            return None
        return Interval(estimate, max(0.0, estimate - reach), min(1.0, estimate + reach))

    @property
    def _tail(self) -> float:
        return (1.0 - self.confidence) / 2

    def _strata(self, y: Labels) -> list[NDArray[np.intp]]:
        """Numbers of the rows that are resampled among each other."""
        if not self.stratified:
            return [np.arange(len(y))]
        return [rows for rows in (np.flatnonzero(y != 1), np.flatnonzero(y == 1)) if len(rows)]

    def _drawn(self, figures: Figures, w: Floats, strata: list[NDArray[np.intp]]) -> Floats:
        """(replicates, k) figures of rows drawn with replacement."""
        random = np.random.default_rng(self.seed)
        return np.concatenate(
            [
                _figures_of(figures, w * _times_drawn(random, strata, block, len(w)))
                for block in _blocks(self.replicates, len(w))
            ]
        )

    def _interval(self, estimate: float, drawn: Floats, left_out: list[Floats]) -> Interval | None:
        known = drawn[~np.isnan(drawn)]
        if np.isnan(estimate) or len(drawn) - len(known) > self._tail * len(drawn):
            return None
        if np.ptp(known) <= ROUNDING * max(1.0, abs(estimate)):
            return None
        tails = (self._tail, 1.0 - self._tail)
        if self.method == "bca":
            tails = _corrected(tails, estimate, known, left_out)
        low, high = np.quantile(known, tails)
        return Interval(estimate, float(low), float(high))


def _corrected(
    tails: tuple[float, float], estimate: float, drawn: Floats, left_out: list[Floats]
) -> tuple[float, float]:
    """The tails of the percentile interval, moved for bias and skewness (equations 14.10, 14.14 and 14.15)."""
    below = ((drawn < estimate).mean() + (drawn <= estimate).mean()) / 2
    # an estimate outside of all resamples is taken as half a resample inside
    least = 0.5 / len(drawn)
    bias = _NORMAL.inv_cdf(float(np.clip(below, least, 1.0 - least)))
    pulls = np.concatenate([_centred(stratum[~np.isnan(stratum)]) for stratum in left_out])
    squares = float((pulls**2).sum())
    acceleration = -float((pulls**3).sum()) / (6.0 * squares**1.5) if squares > 0 else 0.0

    def moved(tail: float) -> float:
        z = bias + _NORMAL.inv_cdf(tail)
        return _NORMAL.cdf(bias + z / max(1.0 - acceleration * z, SMALLEST_STRETCH))

    return moved(tails[0]), moved(tails[1])


def _centred(figures: Floats) -> Floats:
    return figures - figures.mean() if len(figures) else figures


def _left_out(figures: Figures, w: Floats, rows: NDArray[np.intp]) -> Floats:
    """(groups, k) figures without each of ``rows`` in turn, or without each of as many groups of them."""
    groups = min(len(rows), JACKKNIFE_GROUPS)
    group_of = np.full(len(w), -1)
    # by chance but always alike, so that a group is no stretch of the file
    group_of[np.random.default_rng(0).permutation(rows)] = np.arange(len(rows)) % groups
    first = 0
    parts = []
    for block in _blocks(groups, len(w)):
        without = np.arange(first, first + block)[:, np.newaxis]
        parts.append(_figures_of(figures, w * (group_of != without)))
        first += block
    return np.concatenate(parts)


def _times_drawn(random: np.random.Generator, strata: list[NDArray[np.intp]], replicates: int, n: int) -> Floats:
    """(replicates, n) how often each row was drawn."""
    times = np.empty((replicates, n))
    for rows in strata:
        drawn = random.integers(0, len(rows), size=(replicates, len(rows)))
        drawn += len(rows) * np.arange(replicates)[:, np.newaxis]
        times[:, rows] = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape)
    return times


def _figures_of(figures: Figures, weightings: Floats) -> Floats:
    """(b, k) figures; nan for a weighting of nothing but zeros, of which no figure is asked."""
    alive = weightings.any(axis=1)
    if alive.all():
        return figures(weightings).reshape(len(weightings), -1)
    some = weightings.copy()
    some[~alive] = 1.0
    found = figures(some).reshape(len(weightings), -1)
    found[~alive] = np.nan
    return found


def _blocks(total: int, n: int) -> Iterator[int]:
    """Sizes of blocks of weightings of n rows that together are ``total``."""
    size = max(1, BLOCK_VALUES // n)
    while total > 0:
        yield min(size, total)
        total -= size

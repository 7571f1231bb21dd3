"""The training profile: what the training rows looked like, and how far a window may stray by chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.drift_null import TAILS, null_quantiles, variance_factor
from core.errors import SchemaError, SettingsError
from core.model import Floats

#: A standard deviation below this share of the feature's size is rounding, not variance.
CONSTANT_TOLERANCE = 1e-12


@dataclass(frozen=True, eq=False)
class TrainingProfile:
    """Statistics of N training rows of d features, in schema order.

    A feature without variance is left out of the drift score and of ``correlation``'s quantiles, and is watched by
    equality instead (``varies`` is False there).
    """

    features: tuple[str, ...]
    rows: int  #: N
    mean: Floats  #: (d,)
    standard_deviation: Floats  #: (d,) with divisor N; exactly 0 for a constant feature
    correlation: Floats  #: (d, d); identity rows for constant features
    null_quantiles: Floats  #: quantiles of mean|Z| at ``core.drift_null.TAILS``
    seed: int

    @property
    def varies(self) -> NDArray[np.bool_]:
        """(d,) whether the feature has variance."""
        return self.standard_deviation > 0

    def standardise(self, x: Floats) -> Floats:
        """(n, d) distances from the training mean in training standard deviations; 0 for constant features."""
        with np.errstate(over="ignore"):
            return np.where(
                self.varies, (x - self.mean) / np.where(self.varies, self.standard_deviation, 1.0), 0.0
            )

    def threshold(self, window_rows: int, tail: float) -> float:
        """The drift score that a window of ``window_rows`` exceeds with probability ``tail`` when nothing drifted.

        Raises
        ------
        SettingsError
            A tail outside the range whose quantiles are stored.
        """
        if not TAILS[-1] <= tail <= TAILS[0]:
            raise SettingsError(
                f"window_false_alarm_rate is {tail}; choose a value from {TAILS[-1]} to {TAILS[0]}"
            )
        quantile = np.interp(-np.log(tail), -np.log(TAILS), self.null_quantiles)
        return float(quantile * np.sqrt(variance_factor(window_rows, self.rows)))


def moments(x: Floats) -> tuple[Floats, Floats]:
    """(d,) mean and standard deviation, divisor N, of rows ``x`` (N, d); exactly 0 for a constant feature.

    Not finite where the rows are not, or are too large.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        mean = x.mean(axis=0)
        deviation = x.std(axis=0)
    constant = (x == x[0]).all(axis=0) | (deviation <= CONSTANT_TOLERANCE * np.abs(mean))
    return np.where(constant, x[0], mean), np.where(constant, 0.0, deviation)


def profile_rows(x: Floats, features: tuple[str, ...], seed: int) -> TrainingProfile:
    """Profile training rows ``x`` (N, d); deterministic for equal rows and seed.

    Raises
    ------
    SchemaError
        Fewer than two rows, a width that is not the number of features, or values that are not finite or so large
        that their variance is not.
    """
    if x.ndim != 2 or x.shape[1] != len(features) or len(x) < 2:
        raise SchemaError(f"a profile of {len(features)} features needs at least two rows, not shape {x.shape}")
    mean, deviation = moments(x)
    constant = deviation == 0.0
    for name, usable in zip(features, np.isfinite(mean) & np.isfinite(deviation), strict=True):
        if not usable:
            raise SchemaError(f"feature {name!r} holds values that are not finite or too large; correct its unit")
    z = (x - mean) / np.where(constant, 1.0, deviation)
    return profile_of(features, len(x), mean, deviation, z.T @ z, seed)


def profile_of(
    features: tuple[str, ...], rows: int, mean: Floats, deviation: Floats, products: Floats, seed: int
) -> TrainingProfile:
    """The profile of rows whose sums are known: ``products`` (d, d) of standardised columns, 0 where constant."""
    constant = deviation == 0.0
    correlation = np.clip(products / rows, -1.0, 1.0)
    correlation[constant] = 0.0
    correlation[:, constant] = 0.0
    np.fill_diagonal(correlation, 1.0)
    moving = correlation[np.ix_(~constant, ~constant)]
    quantiles = null_quantiles(moving, seed) if len(moving) else np.zeros(len(TAILS))
    return TrainingProfile(features, rows, mean, deviation, correlation, quantiles, seed)

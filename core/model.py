"""Logistic regression for inference: logit, probability, and what each feature contributed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from core.calibration import Calibration
from core.errors import SchemaError
from core.schema import Schema
from core.sigmoid import Floats, sigmoid
from core.threshold_rule import EVEN_THRESHOLD

__all__ = ["Floats", "LogisticModel", "Scores", "sigmoid"]

#: Values worked on at once: they and the repeated constants stay in a core's cache.
_PIECE_VALUES = 4096
#: From so many rows on whole columns are added faster than rows.
_MANY_ROWS = 16


@dataclass(frozen=True, eq=False)
class Scores:
    """What a model says of n rows."""

    logit: Floats  #: (n,) log-odds of class 1, before calibration
    probability: Floats  #: (n,) probability of class 1, calibrated where the model is
    contributions: Floats  #: (n, d) contribution of each feature to the logit
    raw_probability: Floats | None = None  #: (n,) before calibration; None where there is none
    threshold: float = EVEN_THRESHOLD  #: the model's operating point

    @property
    def predicted(self) -> NDArray[np.uint8]:
        """(n,) class 1 where its probability is at least the threshold."""
        return (self.probability >= self.threshold).astype(np.uint8)

    @property
    def uncalibrated(self) -> Floats:
        """(n,) sigmoid of the logit, calibrated or not: what is watched for drift."""
        return self.probability if self.raw_probability is None else self.raw_probability

    def rows(self, kept: NDArray[np.bool_]) -> Scores:
        """What is said of some of the rows, ``kept`` (n,)."""
        raw = None if self.raw_probability is None else self.raw_probability[kept]
        return Scores(self.logit[kept], self.probability[kept], self.contributions[kept], raw, self.threshold)


@dataclass(frozen=True, eq=False)
class LogisticModel:
    """A linear model on standardised features.

    ``center`` and ``scale`` are (d,): a feature enters as (x - center) / scale. A scale of zero (no variance
    in training) is taken as 1, so that the feature enters as its distance from the only value seen. Calibration
    maps the logit to the probability; the logit and the contributions to it stay what they are.
    """

    schema: Schema
    coefficients: Floats  #: (d,) weights on standardised features
    intercept: float
    center: Floats
    scale: Floats
    calibration: Calibration | None = None
    threshold: float = EVEN_THRESHOLD  #: operating point: class 1 is predicted from this probability on
    _repeated: tuple[Floats, Floats, Floats] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("coefficients", "center", "scale"):
            values = np.ascontiguousarray(getattr(self, name), dtype=np.float64)
            if values.shape != (self.schema.width,):
                raise SchemaError(f"{name} has shape {values.shape} for {self.schema.width} features")
            if not np.isfinite(values).all():
                raise SchemaError(f"{name} must be finite")
            object.__setattr__(self, name, values)
        if (self.scale < 0).any():
            raise SchemaError("scale must not be negative")
        if not np.isfinite(self.intercept):
            raise SchemaError("the intercept must be finite")
        if not 0 <= self.threshold <= 1:
            raise SchemaError(f"the threshold is {self.threshold}, which is no probability")
        object.__setattr__(self, "scale", np.where(self.scale > 0, self.scale, 1.0))
        times = max(1, _PIECE_VALUES // self.schema.width)
        repeated = tuple(np.tile(values, times) for values in (self.center, self.scale, self.coefficients))
        object.__setattr__(self, "_repeated", repeated)

    def score(self, x: Floats) -> Scores:
        """Score rows ``x`` (n, d) of raw features.

        The logit is the row sum of the contributions plus the intercept, on a C-ordered array: unlike a matrix
        product, it gives the same last bit for one row and for many. Rows whose logit overflows come back
        non-finite, without a warning.
        """
        contributions = np.empty(x.shape)
        values, results = np.ascontiguousarray(x).reshape(-1), contributions.reshape(-1)
        piece_values = len(self._repeated[0])
        with np.errstate(over="ignore", invalid="ignore"):
            # On flat pieces beside repeated constants: broadcasting (d,) over rows takes three times as long.
            for start in range(0, len(values), piece_values):
                piece = results[start : start + piece_values]
                center, scale, coefficients = (constants[: len(piece)] for constants in self._repeated)
                np.subtract(values[start : start + piece_values], center, out=piece)
                np.divide(piece, scale, out=piece)
                np.multiply(piece, coefficients, out=piece)
            logit = _row_sums(contributions)
            logit += self.intercept
        raw = sigmoid(logit)
        if self.calibration is None:
            return Scores(logit, raw, contributions, None, self.threshold)
        return Scores(logit, self.calibration.apply(logit), contributions, raw, self.threshold)


def _row_sums(x: Floats) -> Floats:
    """``x.sum(axis=1)`` of a C-ordered array (n, d), to the bit.

    NumPy adds fewer than eight values of a row one after the other, so whole columns can be added in that order,
    which takes a fifth of the time where there are many rows.
    """
    rows, width = x.shape
    if not 2 <= width < 8 or rows < _MANY_ROWS:
        sums: Floats = x.sum(axis=1)
        return sums
    sums = x[:, 0] + x[:, 1]
    for column in range(2, width):
        sums += x[:, column]
    return sums

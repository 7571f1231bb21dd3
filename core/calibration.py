"""Calibration: a monotone map from a model's logit to the probability that held-out rows speak for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.sigmoid import Floats, sigmoid

#: Platt and temperature are linear in the logit, isotonic is a staircase with slopes between its steps.
CalibrationKind = Literal["platt", "temperature", "isotonic"]
#: What a trainer may be asked for; ``auto`` lets cross-validation choose, ``none`` among them.
CalibrationRequest = Literal["auto", "none", "platt", "temperature", "isotonic"]


@dataclass(frozen=True, eq=False)
class Calibration:
    """A non-decreasing map of logits to probabilities, elementwise: one row gets the same last bit as many.

    ``values`` of platt and temperature are (2,), slope and offset: sigmoid(slope * logit + offset). Those of
    isotonic are the knots (2, m), logits and probabilities, m at least two: linear between knots, constant beyond.

    Raises
    ------
    ValueError
        Values that are of no such map.
    """

    kind: CalibrationKind
    values: Floats

    def __post_init__(self) -> None:
        values = np.ascontiguousarray(self.values, dtype=np.float64)
        if not np.isfinite(values).all():
            raise ValueError("the calibration holds numbers that are not finite")
        if self.kind == "isotonic":
            _check_knots(values)
        elif self.kind not in {"platt", "temperature"}:
            raise ValueError(f"there is no calibration {self.kind!r}")
        elif values.shape != (2,) or not values[0] > 0:
            raise ValueError(f"a {self.kind} calibration is a slope above zero and an offset, not {values}")
        elif self.kind == "temperature" and values[1] != 0:
            raise ValueError(f"a temperature has no offset, and here it is {values[1]}")
        object.__setattr__(self, "values", values)

    def apply(self, logit: Floats) -> Floats:
        """(n,) probability of class 1, in [0, 1] for every logit (n,) that is a number; nan for nan.

        >>> Calibration("platt", np.array([2.0, 1.0])).apply(np.array([-0.5, 1e308])).tolist()
        [0.5, 1.0]
        >>> Calibration("isotonic", np.array([[0.0, 2.0], [0.25, 0.75]])).apply(np.array([-9.0, 1.0])).tolist()
        [0.25, 0.5]
        """
        if self.kind == "isotonic":
            return self._interpolated(logit)
        slope, offset = self.values.tolist()
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            return sigmoid(logit * slope + offset)

    def _interpolated(self, logit: Floats) -> Floats:
        """As ``np.interp``, whose last bit may depend on how many rows it is given."""
        logits, probabilities = self.values
        with np.errstate(invalid="ignore", under="ignore"):
            held = np.clip(logit, logits[0], logits[-1])
            upper = np.clip(np.searchsorted(logits, held, side="right"), 1, len(logits) - 1)
            lower = upper - 1
            share = (held - logits[lower]) / (logits[upper] - logits[lower])
            between = probabilities[lower] + share * (probabilities[upper] - probabilities[lower])
            # rounding must not carry a probability above the knot, or the map would fall there
            interpolated: Floats = np.minimum(between, probabilities[upper])
        return interpolated


def _check_knots(values: Floats) -> None:
    if values.ndim != 2 or len(values) != 2 or values.shape[1] < 2:
        raise ValueError(f"isotonic knots have shape (2, m) with m at least 2, not {values.shape}")
    logits, probabilities = values
    with np.errstate(over="ignore"):
        apart = np.diff(logits)
    if not (np.isfinite(apart) & (apart > 0)).all():
        raise ValueError("the logits of isotonic knots must rise")
    if (np.diff(probabilities) < 0).any() or probabilities[0] < 0 or probabilities[-1] > 1:
        raise ValueError("the probabilities of isotonic knots must not fall, nor leave 0 to 1")

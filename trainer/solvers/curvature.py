"""The inverse curvature that a step goes by: that of some rows, mended by what the steps so far have shown."""

from __future__ import annotations

import numpy as np

from core.model import Floats

#: Added to the diagonal, scaled to 1: exactly collinear features leave the matrix singular.
RIDGE = 1e-10
#: A change of the gradient along a step below this share of their lengths is rounding.
LEAST_COSINE = 1e-10


def newton_direction(hessian: Floats, gradient: Floats) -> Floats:
    """(d + 1,) where the quadratic of this Hessian and ``gradient`` (d + 1,) has its minimum, from here.

    Nan where it has none.
    """
    scaled, scale = _scaled(hessian)
    try:
        direction: Floats = -np.linalg.solve(scaled, gradient / scale) / scale
    except np.linalg.LinAlgError:
        return np.full(len(gradient), np.nan)
    return direction


class Curvature:
    """The inverse of a Hessian (d + 1, d + 1), as a product with a gradient.

    Each step with its change of the gradient corrects it along that step (BFGS), so that a matrix from a sample of
    rows becomes that of all rows in the directions that matter.
    Source: Nocedal and Wright, *Numerical Optimization*, 2nd ed., algorithm 7.4, with the inverse in place of H0.
    """

    def __init__(self, hessian: Floats) -> None:
        scaled, scale = _scaled(hessian)
        try:
            self._inverse: Floats = np.linalg.inv(scaled) / np.outer(scale, scale)
        except np.linalg.LinAlgError:  # no step leads anywhere, as where the Hessian is not finite
            self._inverse = np.full(hessian.shape, np.nan)
        self._learned: list[tuple[Floats, Floats, float]] = []

    def learn(self, step: Floats, change: Floats) -> None:
        """Note the ``change`` of the gradient over a ``step``, both (d + 1,)."""
        along = float(step @ change)
        if along > LEAST_COSINE * float(np.linalg.norm(step) * np.linalg.norm(change)):
            self._learned.append((step, change, along))

    def direction(self, gradient: Floats) -> Floats:
        """(d + 1,) where the quadratic with this ``gradient`` (d + 1,) has its minimum, from here."""
        rest = gradient.copy()
        shares = []
        for step, change, along in reversed(self._learned):
            share = float(step @ rest) / along
            shares.append(share)
            rest -= share * change
        direction: Floats = self._inverse @ rest
        for (step, change, along), share in zip(self._learned, reversed(shares), strict=True):
            direction += (share - float(change @ direction) / along) * step
        return -direction


def _scaled(hessian: Floats) -> tuple[Floats, Floats]:
    """The matrix with a diagonal of 1, and the ridge; and (d + 1,) what rows and columns were divided by."""
    with np.errstate(over="ignore", invalid="ignore"):
        scale = np.sqrt(np.diagonal(hessian))
        scale = np.where(scale > 0, scale, 1.0)
        scaled = hessian / np.outer(scale, scale)
    scaled[np.diag_indices(len(scaled))] += RIDGE
    return scaled, scale

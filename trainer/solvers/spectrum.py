"""The second derivative taken apart into directions that it says something of, and others that are flat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.model import Floats

#: Directions whose scaled curvature is below this share of the largest are noise: no step is taken along them.
CURVATURE_TOLERANCE = 1e-12


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Directions of a second derivative of d + 1 parameters.

    It is scaled to a unit diagonal before its noise is cut, so that a feature of small spread is not taken for
    noise.
    """

    scale: Floats  #: (d + 1,) square roots of the diagonal
    sizes: Floats  #: (k,) curvature along each direction, above the noise
    directions: Floats  #: (d + 1, k)
    flat: Floats  #: (d + 1, m) directions without curvature, to rounding

    @property
    def rounding(self) -> float:
        """Relative error of a Newton direction, scaled: the rounding of the sums times their condition."""
        if not len(self.sizes):
            return 0.0  # there is no direction
        return float(np.finfo(np.float64).eps * len(self.scale) * self.sizes.max() / self.sizes.min())

    @classmethod
    def of(cls, hessian: Floats) -> Spectrum:
        """Take apart ``hessian`` (d + 1, d + 1), which is finite."""
        scale = np.sqrt(np.diagonal(hessian))
        scale = np.where(scale > 0, scale, 1.0)
        sizes, vectors = np.linalg.eigh(hessian / np.outer(scale, scale))
        kept = sizes > CURVATURE_TOLERANCE * max(sizes[-1], np.finfo(np.float64).tiny)
        unscaled = vectors / scale[:, None]
        return cls(scale, sizes[kept], unscaled[:, kept], unscaled[:, ~kept])

    def newton_direction(self, gradient: Floats) -> Floats:
        """(d + 1,) where the second-order model of the objective is least, without a part along the flat."""
        direction: Floats = -(self.directions / self.sizes) @ (self.directions.T @ gradient)
        return direction

    def flat_part(self, theta: Floats) -> Floats:
        """(d + 1,) what ``theta`` has along the flat directions."""
        part: Floats = self.flat @ (self.flat.T @ (theta * self.scale**2))
        return part

"""Newton's method (iteratively reweighted least squares) with a line search: the default."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.miniflow import Parameter
from core.model import Floats
from trainer.loss import gradient, hessian, logits, value
from trainer.solvers.base import (
    Problem,
    Solution,
    inverse_strength_param,
    optimum_exists,
    separates,
)

#: Directions whose curvature is below this share of the largest are noise: no step is taken along them.
CURVATURE_TOLERANCE = 1e-12
#: Share of the promised decrease that a step must achieve (Armijo 1966).
SUFFICIENT_DECREASE = 1e-4
#: Halvings of a step before the solver says that it stands still: 2^-40 of a Newton step is rounding.
HALVINGS = 40
#: Near the optimum a step's gain drowns in the rounding of the objective; a rise of this share is not one.
ROUNDING = 4.0 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Newton:
    """Walks to the optimum in a few steps even where the features are almost collinear.

    Singular curvature is met by a pseudo-inverse. Where no optimum exists (complete separation without penalty)
    it stops at the first parameters that separate, finite, with ``converged`` False.
    Source: Nocedal and Wright, *Numerical Optimization*, 2nd ed., algorithm 3.2.
    """

    c: float = 1.0  #: inverse strength of L2, scikit-learn's convention; inf = none
    max_steps: int = 100
    tolerance: float = 1e-10  #: on the largest absolute component of the gradient

    @property
    def name(self) -> str:
        """Stands in parameters and model cards."""
        return "newton"

    @property
    def params(self) -> dict[str, Parameter]:
        """What defines the solver's behaviour."""
        return {
            "c": inverse_strength_param(self.c),
            "max_steps": self.max_steps,
            "tolerance": self.tolerance,
        }

    def solve(self, problem: Problem, seed: int) -> Solution:  # noqa: ARG002  (the start is zero for every seed)
        """Solve from zero; see :class:`trainer.solvers.base.Solver`."""
        x, y = problem.x, problem.y
        theta = np.zeros(x.shape[1] + 1)
        history = []
        for step in range(1, self.max_steps + 1):
            theta, moved = self._step(problem, theta)
            history.append(problem.epoch(step, theta))
            norm = float(np.abs(gradient(theta, x, y, self.c)).max())
            runaway = np.isinf(self.c) and separates(logits(theta, x), y)
            if not moved or norm <= self.tolerance or runaway:
                break
        converged = norm <= self.tolerance and optimum_exists(problem, theta, self.c, self.tolerance)
        return Solution(theta[:-1], float(theta[-1]), converged, norm, tuple(history))

    def _step(self, problem: Problem, theta: Floats) -> tuple[Floats, bool]:
        """One damped Newton step; False where no step lowers the objective any more."""
        slope = gradient(theta, problem.x, problem.y, self.c)
        eigenvalues, vectors = np.linalg.eigh(hessian(theta, problem.x, self.c))
        kept = eigenvalues > CURVATURE_TOLERANCE * max(eigenvalues[-1], np.finfo(np.float64).tiny)
        direction = -(vectors[:, kept] / eigenvalues[kept]) @ (vectors[:, kept].T @ slope)
        promised = float(slope @ direction)
        start = value(theta, problem.x, problem.y, self.c)
        length = 1.0
        for _ in range(HALVINGS):
            candidate = theta + length * direction
            reached = value(candidate, problem.x, problem.y, self.c)
            if reached <= start + SUFFICIENT_DECREASE * length * promised + ROUNDING * start:
                return candidate, True
            length /= 2
        return theta, False

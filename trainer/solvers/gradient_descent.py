"""Batch gradient descent from a seeded start: the method one can follow by hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.miniflow import Parameter
from core.model import Floats
from trainer.loss import LOGIT_CLIP, gradient, gradient_at, logits
from trainer.solvers.base import Problem, Solution, inverse_strength_param, optimum_exists

#: Standard deviation of the start: small enough that no first prediction is confident.
START_DEVIATION = 0.01


@dataclass(frozen=True)
class GradientDescent:
    """Steps of fixed length against the gradient over all rows, with logits clipped to +-500.

    On nearly collinear features it does not arrive: on Raisin 2,000 steps without penalty stop at log-loss 0.353,
    and the optimum is 0.338. :class:`trainer.solvers.newton.Newton` does.
    """

    learning_rate: float = 0.1
    max_steps: int = 2000
    c: float = 1.0  #: inverse strength of L2, scikit-learn's convention; inf = none
    tolerance: float = 1e-10  #: on the largest absolute component of the gradient

    @property
    def name(self) -> str:
        """Stands in parameters and model cards."""
        return "gradient-descent"

    @property
    def params(self) -> dict[str, Parameter]:
        """What defines the solver's behaviour."""
        return {
            "learning_rate": self.learning_rate,
            "max_steps": self.max_steps,
            "c": inverse_strength_param(self.c),
            "tolerance": self.tolerance,
        }

    def solve(self, problem: Problem, seed: int) -> Solution:
        """Solve from a small random start; see :class:`trainer.solvers.base.Solver`."""
        x, y = problem.x, problem.y
        theta = np.append(np.random.default_rng(seed).normal(0.0, START_DEVIATION, x.shape[1]), 0.0)
        rate = min(self.learning_rate, 1.0 / self._steepest_curvature(x))
        history = []
        for step in range(1, self.max_steps + 1):
            clipped = np.clip(logits(theta, x), -LOGIT_CLIP, LOGIT_CLIP)
            theta = theta - rate * gradient_at(clipped, theta, x, y, self.c)
            history.append(problem.epoch(step, theta))
            norm = float(np.abs(gradient(theta, x, y, self.c)).max())
            if norm <= self.tolerance:
                break
        converged = norm <= self.tolerance and optimum_exists(problem, theta, self.c, self.tolerance)
        return Solution(theta[:-1], float(theta[-1]), converged, norm, tuple(history))

    def _steepest_curvature(self, x: Floats) -> float:
        """Upper bound of the objective's second derivative: a longer step than its inverse may diverge."""
        with_one = np.column_stack([x, np.ones(len(x))])
        largest = float(np.linalg.eigvalsh(with_one.T @ with_one)[-1])
        return largest / (4.0 * len(x)) + 1.0 / (self.c * len(x))

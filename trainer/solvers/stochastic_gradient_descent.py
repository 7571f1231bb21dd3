"""Gradient descent over small batches of rows, in an order that the seed shuffles for every pass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.miniflow import Parameter
from core.sigmoid import LOGIT_CLIP, Floats, sigmoid
from trainer.solvers.base import End, Problem, Solution, inverse_strength_param
from trainer.solvers.gradient_descent import GradientPlace, first_order_start, steepest_curvature
from trainer.solvers.progress import Progress
from trainer.solvers.rate_schedule import Schedule, rate_share
from trainer.solvers.start import check_start


@dataclass(frozen=True)
class StochasticGradientDescent:
    """A step of the history is one pass over the rows, in which each row is in one batch.

    Its gradient shrinks with the rate, not to rounding: the tolerance is wider than that of the other solvers.
    """

    learning_rate: float | None = None  #: at the start; None: the longest that is safe in the mean
    schedule: Schedule = "cosine"
    batch_rows: int = 32
    max_steps: int = 200  #: passes
    c: float = 1.0  #: inverse strength of L2, scikit-learn's convention; inf = none
    tolerance: float = 1e-3  #: on the largest absolute component of the whole gradient, after each pass
    patience: int | None = None  #: passes without a lower validation loss before it stops; None: no early stopping

    @property
    def name(self) -> str:
        """Stands in parameters and model cards."""
        return "sgd"

    @property
    def params(self) -> dict[str, Parameter]:
        """What defines the solver's behaviour."""
        return {
            "learning_rate": self.learning_rate,
            "schedule": self.schedule,
            "batch_rows": self.batch_rows,
            "max_steps": self.max_steps,
            "c": inverse_strength_param(self.c),
            "tolerance": self.tolerance,
            "patience": self.patience,
        }

    @property
    def first_order(self) -> bool:
        """Whether it follows the gradient alone."""
        return True

    @property
    def stops_early(self) -> bool:
        """Whether the validation rows decide where it stops."""
        return self.patience is not None

    def solve(self, problem: Problem, seed: int, start: Floats | None = None) -> Solution:
        """Solve from ``start`` or small random weights; see :class:`trainer.solvers.base.Solver`."""
        progress = Progress(problem, self.c, self.tolerance, self.patience)
        here = GradientPlace.of(problem, first_order_start(problem, self.c, seed, start), self.c)
        check_start(here.value, here.gradient)
        if start is not None:
            progress.note_start(here.theta, here.value, here.gradient, here.logit)
        rate = 1.0 / self._safe_curvature(problem) if self.learning_rate is None else self.learning_rate
        generator = np.random.default_rng([seed, 1])  # apart from the numbers of the start
        end: End = "max_steps"
        for step in range(self.max_steps):
            order = generator.permutation(len(problem.y))
            theta = self._pass(problem, here.theta, order, rate * rate_share(self.schedule, step / self.max_steps))
            moved = GradientPlace.of(problem, theta, self.c)
            here = moved if moved.holds else here
            reached = progress.note(here.theta, here.value, here.gradient, here.logit)
            if reached is not None or not moved.holds:
                end = reached or "standstill"
                break
        return progress.solution(end)

    def _pass(self, problem: Problem, theta: Floats, order: NDArray[np.int64], rate: float) -> Floats:
        """Parameters (d + 1,) after one pass in ``order`` (n,); not finite where the rate makes them overflow."""
        n = len(order)
        x, y = problem.x[order], problem.y[order]
        weights = problem.fit_weights
        # each row's share of the objective times n, so that the mean over a batch estimates the whole gradient
        shares = np.ones(n) if weights is None else weights[order] * (n / weights.sum())
        penalty = 1.0 / (self.c * (n if weights is None else float(weights.sum())))
        w, intercept = theta[:-1].copy(), float(theta[-1])
        with np.errstate(over="ignore", invalid="ignore"):
            for first in range(0, n, self.batch_rows):
                rows = slice(first, first + self.batch_rows)
                logit = np.clip(x[rows] @ w + intercept, -LOGIT_CLIP, LOGIT_CLIP)
                residual = (sigmoid(logit) - y[rows]) * shares[rows] / len(logit)
                w -= rate * (residual @ x[rows] + penalty * w)
                intercept -= rate * float(residual.sum())
        return np.append(w, intercept)

    def _safe_curvature(self, problem: Problem) -> float:
        """Twice the expected smoothness of a batch drawn without replacement.

        Source: Gower et al. 2019, *SGD: General Analysis and Improved Rates*, proposition 3.8: between the
        steepest curvature of the whole objective and that of a single row, by the size of the batch.
        """
        n = len(problem.y)
        batch = min(self.batch_rows, n)
        whole = steepest_curvature(problem, self.c)
        weights = problem.fit_weights
        shares = np.ones(n) if weights is None else weights * (n / weights.sum())
        row = float((shares * ((problem.x**2).sum(axis=1) + 1.0)).max()) / 4.0
        apart = (n - batch) / (batch * max(1, n - 1))
        return 2.0 * ((1.0 - apart) * whole + apart * max(row, whole))

"""Batch gradient descent from a seeded start: the method one can follow by hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.miniflow import Parameter
from core.sigmoid import LOGIT_CLIP, Floats
from trainer.loss import gradient_at, logits, value_at
from trainer.solvers.base import End, Problem, Solution, inverse_strength_param
from trainer.solvers.progress import Progress
from trainer.solvers.start import better_start, check_start

#: Standard deviation of the start: small enough that no first prediction is confident.
START_DEVIATION = 0.01


@dataclass(frozen=True)
class GradientDescent:
    """Steps of fixed length against the gradient over all rows, with logits clipped to +-500.

    On nearly collinear features it does not arrive: on Raisin 2,000 steps of .1 without penalty stop at log-loss
    0.353, and the optimum is 0.338. :class:`trainer.solvers.newton.Newton` does.
    """

    learning_rate: float | None = None  #: None: the longest that cannot diverge; a given one is taken as it is
    max_steps: int = 2000
    c: float = 1.0  #: inverse strength of L2, scikit-learn's convention; inf = none
    tolerance: float = 1e-10  #: on the largest absolute component of the gradient
    patience: int | None = None  #: steps without a lower validation loss before it stops; None: no early stopping

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
        rate = 1.0 / steepest_curvature(problem, self.c) if self.learning_rate is None else self.learning_rate
        end: End = "max_steps"
        for _ in range(self.max_steps):
            with np.errstate(over="ignore"):
                moved = GradientPlace.of(problem, here.theta - rate * here.gradient, self.c)
            here = moved if moved.holds else here
            reached = progress.note(here.theta, here.value, here.gradient, here.logit)
            if reached is not None or not moved.holds:
                end = reached or "standstill"
                break
        return progress.solution(end)


@dataclass(frozen=True, eq=False)
class GradientPlace:
    """The objective and its gradient at one place, from one product of the rows with the parameters."""

    theta: Floats  #: (d + 1,)
    logit: Floats  #: (n,)
    value: float
    gradient: Floats  #: (d + 1,) with logits clipped to +-500

    @classmethod
    def of(cls, problem: Problem, theta: Floats, c: float) -> GradientPlace:
        """At ``theta`` (d + 1,), finite or not."""
        logit = logits(theta, problem.x)
        weights = problem.fit_weights
        with np.errstate(over="ignore", invalid="ignore"):
            clipped = np.clip(logit, -LOGIT_CLIP, LOGIT_CLIP)
            slope = gradient_at(clipped, theta, problem.x, problem.y, c, weights)
            return cls(theta, logit, value_at(logit, theta, problem.y, c, weights), slope)

    @property
    def holds(self) -> bool:
        """Whether the objective is a number: a rate far too long ends where it is not."""
        return bool(np.isfinite(self.theta).all() and np.isfinite(self.value))


def first_order_start(problem: Problem, c: float, seed: int, start: Floats | None) -> Floats:
    """(d + 1,) a start that was given, where it is better than the random one of ``seed``."""
    cold = random_start(problem.x.shape[1], seed)
    return better_start(start, cold, lambda theta: problem.value(theta, c))


def random_start(width: int, seed: int) -> Floats:
    """(d + 1,) small random weights, and no intercept."""
    return np.append(np.random.default_rng(seed).normal(0.0, START_DEVIATION, width), 0.0)


def steepest_curvature(problem: Problem, c: float) -> float:
    """Upper bound of the objective's second derivative: a longer step than its inverse may diverge."""
    with_one = np.column_stack([problem.x, np.ones(len(problem.x))])
    weights = problem.fit_weights
    total = len(with_one) if weights is None else float(weights.sum())
    weighted = with_one if weights is None else with_one * weights[:, None]
    largest = float(np.linalg.eigvalsh(weighted.T @ with_one)[-1])
    return largest / (4.0 * total) + 1.0 / (c * total)

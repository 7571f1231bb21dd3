"""Newton's method (iteratively reweighted least squares) with a line search: the default."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.miniflow import Parameter
from core.model import Floats
from trainer.solvers.arrival import ArrivalWatch
from trainer.solvers.base import End, Problem, Solution, inverse_strength_param
from trainer.solvers.newton_walk import newton_step
from trainer.solvers.objective import in_memory
from trainer.solvers.progress import Progress
from trainer.solvers.start import better_start, check_start


@dataclass(frozen=True)
class Newton:
    """Walks to the optimum in a few steps even where the features are almost collinear.

    Singular curvature is met by a pseudo-inverse. Where no optimum exists, because the classes are separated and
    there is no penalty, it stops where that is proved, finite, with ``converged`` False: at complete separation at
    the first parameters that separate. The steps are those of :func:`trainer.solvers.newton_walk.newton_step`.
    """

    c: float = 1.0  #: inverse strength of L2, scikit-learn's convention; inf = none
    max_steps: int = 100
    tolerance: float = 1e-10  #: on the largest absolute component of the gradient
    patience: int | None = None  #: steps without a lower validation loss before it stops; None: no early stopping

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
            "patience": self.patience,
        }

    @property
    def first_order(self) -> bool:
        """Whether it follows the gradient alone."""
        return False

    @property
    def stops_early(self) -> bool:
        """Whether the validation rows decide where it stops."""
        return self.patience is not None

    def solve(self, problem: Problem, seed: int, start: Floats | None = None) -> Solution:
        """Solve from ``start`` or zero; see :class:`trainer.solvers.base.Solver`."""
        objective = in_memory(problem, self.c)
        cold = np.zeros(problem.x.shape[1] + 1)
        theta = better_start(start, cold, objective.value)
        progress = Progress(problem, self.c, self.tolerance, self.patience)
        here = objective.at(theta)
        check_start(here.value, here.gradient)
        if start is not None:
            progress.note_start(theta, here.value, here.gradient, here.logit)
        watch = ArrivalWatch(objective, self.tolerance)
        end: End = "max_steps"
        reached = None
        for _ in range(self.max_steps):
            step = newton_step(objective, here)
            here = here if step is None else step
            stop = progress.note(here.theta, here.value, here.gradient, here.logit)
            reached = watch.at(here)
            if reached is not None or stop == "validation" or step is None:
                end = "validation" if stop == "validation" else "standstill" if reached is None else reached.end
                break
        if end == "standstill" and theta is not cold:
            # a start so far out that the objective is flat to rounding; from zero there is a way
            return self.solve(problem, seed)
        return progress.solution(end, reached or watch.cut_short(here, end))

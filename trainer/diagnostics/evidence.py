"""A fitted model and its data, as the findings are made of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from core.model import Floats, LogisticModel
from trainer.decision import Choices
from trainer.diagnostics.arrival import solved_problem
from trainer.solvers.balanced_classes import BalancedClasses
from trainer.solvers.base import Problem, Solution, Solver
from trainer.table import Labels


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known after a fit. Probabilities and threshold are those that scorers will use."""

    features: tuple[str, ...]
    classes: tuple[str, str]  #: names of class 0 and class 1
    solver: Solver
    problem: Problem  #: as the solver was given it, standardised
    solution: Solution
    varies: NDArray[np.bool_]  #: (d,) features that are not constant in training
    x: Floats  #: (n, d) raw training rows
    y: Labels  #: (n,)
    probability: Floats  #: (n,) of the deployed model
    holdout_x: Floats  #: (m, d) raw rows that judge, with which nothing was trained, calibrated or chosen
    holdout_y: Labels  #: (m,)
    holdout_probability: Floats  #: (m,) of the deployed model
    model: LogisticModel  #: as it is deployed, with its calibration and threshold
    choices: Choices  #: what was asked for beyond the weights

    @property
    def penalised(self) -> bool:
        """Whether there is a penalty."""
        return bool(np.isfinite(self.solver.c))

    @property
    def balanced(self) -> bool:
        """Whether both classes were made to count alike."""
        return isinstance(self.solver, BalancedClasses)

    @property
    def plain_solver(self) -> Solver:
        """The solver that walks, whatever weights it is given."""
        return self.solver.solver if isinstance(self.solver, BalancedClasses) else self.solver

    @cached_property
    def solved(self) -> Problem:
        """The problem with the class weights that it was solved with."""
        return solved_problem(self.solver, self.problem)

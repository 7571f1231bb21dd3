"""Any solver, with both classes counting alike."""

from __future__ import annotations

from dataclasses import dataclass, replace

from core.miniflow import Parameter
from core.model import Floats
from trainer.solvers.base import Problem, Solution, Solver
from trainer.solvers.class_weights import balanced_weights


@dataclass(frozen=True)
class BalancedClasses:
    """Solves with the rarer class weighted up to the other.

    The model's probabilities are then those of a world in which both classes are equally frequent. A threshold on
    calibrated probabilities does the same without that.
    """

    solver: Solver

    @property
    def name(self) -> str:
        """The solver's."""
        return self.solver.name

    @property
    def params(self) -> dict[str, Parameter]:
        """The solver's, and the class weights."""
        return {**self.solver.params, "class_weight": "balanced"}

    @property
    def c(self) -> float:
        """The solver's."""
        return self.solver.c

    @property
    def first_order(self) -> bool:
        """Whether the solver follows the gradient alone."""
        return self.solver.first_order

    @property
    def stops_early(self) -> bool:
        """Whether the validation rows decide where it stops."""
        return self.solver.stops_early

    def solve(self, problem: Problem, seed: int, start: Floats | None = None) -> Solution:
        """Solve with class weights by the sample weights of each class, in place of those of the problem."""
        weights = balanced_weights(problem.y, problem.weights)
        return self.solver.solve(replace(problem, class_weights=weights), seed, start)

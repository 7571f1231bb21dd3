"""Whether a solver came to the optimum, or so near that no figure shows the difference."""

from __future__ import annotations

from dataclasses import replace

from trainer.solvers.balanced_classes import BalancedClasses
from trainer.solvers.base import Problem, Solution, Solver
from trainer.solvers.class_weights import balanced_weights
from trainer.solvers.newton import Newton

#: Log-loss, doubled and summed, that is still to be gained: at .01 the parameters are a tenth of their standard
#: error from the optimum, and no figure shows it.
TELLING_GAIN = 0.01


def solved_problem(solver: Solver, problem: Problem) -> Problem:
    """The problem with the class weights that ``solver`` gave it."""
    if not isinstance(solver, BalancedClasses):
        return problem
    return replace(problem, class_weights=balanced_weights(problem.y, problem.weights))


def arrived(solver: Solver, problem: Problem, solution: Solution) -> bool:
    """Whether the ``solution`` of ``problem``, as the solver was given it, is at the optimum.

    A solver that stopped early by validation rows is where it was to go; a gradient method that stopped short may
    be near.
    """
    if solution.converged or solution.end == "validation":
        return True
    return solver.first_order and left_to_gain(solver, problem, solution) < TELLING_GAIN


def left_to_gain(solver: Solver, problem: Problem, solution: Solution) -> float:
    """What Newton's method still gains from where the solver stopped, doubled and summed over the rows."""
    solved = solved_problem(solver, problem).training_only()
    best = Newton(c=solver.c).solve(solved, 0, solution.theta).epoch.objective
    rows = len(solved.y) if solved.weights is None else float(solved.weights.sum())
    return 2.0 * rows * (solved.value(solution.theta, solver.c) - best)

"""Whether a solver arrived: one judgement, for the finding of a fit and for the folds of a validation."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.cross_validation import Training, cross_validate
from trainer.decision import Choices
from trainer.diagnostics.arrival import TELLING_GAIN, arrived, left_to_gain
from trainer.fit import fit
from trainer.solvers.balanced_classes import BalancedClasses
from trainer.solvers.base import Problem, Solver
from trainer.solvers.gradient_descent import GradientDescent
from trainer.solvers.newton import Newton
from trainer.split import stratified_splits
from trainer.table import Table


@pytest.fixture
def table() -> Table:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(400, 3))
    y = (x[:, 0] + generator.logistic(size=400) > 1.0).astype(np.uint8)
    return Table(("a", "b", "c"), x, y, ("no", "yes"))


@pytest.mark.parametrize("balanced", [False, True])
def test_a_gradient_method_has_arrived_where_newton_gains_nothing_that_tells(table: Table, balanced: bool) -> None:
    problem = Problem(table.x, table.y)
    gains = []
    for steps in (3, 500):
        solver: Solver = GradientDescent(max_steps=steps, learning_rate=0.5)
        solver = BalancedClasses(solver) if balanced else solver
        solution = solver.solve(problem, 0)
        gains.append(left_to_gain(solver, problem, solution))
        assert arrived(solver, problem, solution) is (gains[-1] < TELLING_GAIN or solution.converged)
    assert gains[0] > TELLING_GAIN > gains[1] > -1e-9


@pytest.mark.parametrize(("steps", "said"), [(3, True), (2_000, False)])
def test_folds_and_fits_judge_alike(table: Table, steps: int, said: bool) -> None:
    def recipe(c: float) -> Solver:
        return GradientDescent(max_steps=steps, learning_rate=0.5, c=c)

    splits = stratified_splits(table.y, 0, 4)
    folds = cross_validate(table, splits, 0, Training(recipe, choices=Choices())).folds
    for split, fold in zip(splits, folds, strict=True):
        found = fit(table, seed=0, solver=recipe(1.0), split=split, ordered=False)
        assert ("not_converged" in [finding.symptom for finding in found.findings]) is said
        assert fold.arrived is not said


def test_newton_that_stopped_short_has_not_arrived_however_near(table: Table) -> None:
    solver = Newton(max_steps=1)
    problem = Problem(table.x, table.y)
    solution = solver.solve(problem, 0)
    assert not solution.converged
    assert not arrived(solver, problem, solution)

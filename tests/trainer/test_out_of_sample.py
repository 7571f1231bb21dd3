"""Logits of training rows by models that never saw them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from core.errors import DataError, ModelFileError
from core.miniflow import Parameter
from core.model import Floats, sigmoid
from core.npz import encode_npz
from trainer.calibration.folds import FOLDS
from trainer.out_of_sample import OutOfSample, cross_fit, read_out_of_sample, stopping_problem
from trainer.solvers.balanced_classes import BalancedClasses
from trainer.solvers.base import Problem, Solution, Solver
from trainer.solvers.gradient_descent import GradientDescent
from trainer.solvers.newton import Newton
from trainer.solvers.stochastic_gradient_descent import StochasticGradientDescent
from trainer.table import Labels


def a_problem(n: int = 300, d: int = 3, seed: int = 0, weights: Floats | None = None) -> Problem:
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, d))
    y = (generator.random(n) < sigmoid(2 * x[:, 0] - 1)).astype(np.uint8)
    return Problem(x, y, weights=weights)


def cross_fitted(problem: Problem, solver: Solver, seed: int = 0, *, by_time: bool = False) -> OutOfSample:
    found = cross_fit(problem, solver, seed, solver.solve(problem, seed), by_time=by_time)
    assert found is not None
    return found


def without(problem: Problem, own: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Problem:
    weights = None if problem.weights is None else problem.weights[~own]
    return Problem(problem.x[~own], problem.y[~own], weights=weights)


@pytest.mark.parametrize(
    "solver",
    [
        Newton(),
        BalancedClasses(Newton()),
        GradientDescent(max_steps=20),  # ends before it arrives
        StochasticGradientDescent(max_steps=3),
    ],
    ids=lambda solver: solver.name,
)
@pytest.mark.parametrize("weighted", [False, True])
def test_each_row_is_scored_by_a_model_without_its_fold(solver: Solver, weighted: bool) -> None:
    weights = np.random.default_rng(4).uniform(0.5, 3.0, 300) if weighted else None
    problem = a_problem(weights=weights)
    found = cross_fitted(problem, solver)
    assert sorted(set(found.folds.tolist())) == list(range(FOLDS))
    for fold in range(FOLDS):
        own = found.folds == fold
        alone = solver.solve(without(problem, own), 0)
        expected = problem.x[own] @ alone.coefficients + alone.intercept
        np.testing.assert_allclose(found.logit[own], expected, rtol=0, atol=1e-8)
    np.testing.assert_array_equal(found.y, problem.y)
    assert (found.weights is None) == (weights is None)


@pytest.mark.parametrize("solver", [Newton(patience=2), StochasticGradientDescent(max_steps=5, patience=2)])
def test_a_solver_that_stops_early_never_sees_the_fold_either(solver: Solver) -> None:
    problem = a_problem()
    found = cross_fit(problem, solver, 0, solver.solve(stopping_problem(problem.x, problem.y, 0), 0))
    assert found is not None
    own = found.folds == 2
    part = stopping_problem(problem.x[~own], problem.y[~own], 0)
    alone = solver.solve(part, 0)
    np.testing.assert_allclose(
        found.logit[own], problem.x[own] @ alone.coefficients + alone.intercept, rtol=0, atol=1e-8
    )


@dataclass
class _Starts:
    """A solver that tells where it was started."""

    solver: Solver
    starts: list[Floats | None] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.solver.name

    @property
    def params(self) -> dict[str, Parameter]:
        return self.solver.params

    @property
    def stops_early(self) -> bool:
        return self.solver.stops_early

    @property
    def c(self) -> float:
        return self.solver.c

    @property
    def first_order(self) -> bool:
        return self.solver.first_order

    def solve(self, problem: Problem, seed: int, start: Floats | None = None) -> Solution:
        self.starts.append(start)
        return self.solver.solve(problem, seed, start)


@pytest.mark.parametrize(("solver", "warm"), [(Newton(), True), (GradientDescent(max_steps=5), False)])
def test_only_a_solver_that_arrives_is_started_where_all_rows_led(solver: Solver, warm: bool) -> None:
    problem, telling = a_problem(), _Starts(solver)
    solution, start = solver.solve(problem, 0), np.full(4, 0.25)
    cross_fit(problem, telling, 0, solution, start)
    expected = solution.theta if warm else start
    assert len(telling.starts) == FOLDS
    for each in telling.starts:
        np.testing.assert_array_equal(each, expected)


def test_a_fold_without_which_the_rest_is_separable_starts_anew() -> None:
    """Its model has no optimum to arrive at, and where all rows led knows the fold."""
    x = np.concatenate([np.linspace(-2, -1, 20), np.linspace(1, 2, 20)])
    y = (x > 0).astype(np.uint8)
    y[3] = 1  # the only row on the wrong side
    problem = Problem(x[:, np.newaxis], y)
    solver = Newton(c=np.inf)
    assert solver.solve(problem, 0).converged
    found = cross_fitted(problem, solver)
    own = found.folds == found.folds[3]
    alone = solver.solve(without(problem, own), 0)
    assert not alone.converged
    np.testing.assert_array_equal(found.logit[own], problem.x[own] @ alone.coefficients + alone.intercept)


def test_rows_judged_by_later_ones_are_scored_by_runs() -> None:
    problem = a_problem()
    found = cross_fitted(problem, Newton(), by_time=True)
    np.testing.assert_array_equal(found.folds, np.repeat(np.arange(FOLDS), 60))
    grouped = Problem(problem.x, np.sort(problem.y))  # stored by class: the runs would be of one class
    assert (np.diff(cross_fitted(grouped, Newton(), by_time=True).folds) < 0).any()


def test_a_class_of_two_rows_cannot_be_shared_out() -> None:
    y = np.zeros(50, dtype=np.uint8)
    y[:2] = 1
    for solver in (Newton(), Newton(patience=2)):
        problem = Problem(np.random.default_rng(0).normal(size=(50, 2)), y)
        assert cross_fit(problem, solver, 0, Newton().solve(problem, 0)) is None
        y[2] = 1
        assert cross_fit(problem, solver, 0, Newton().solve(problem, 0)) is not None
        y[2] = 0


def test_rows_that_weigh_nothing_are_left_out() -> None:
    weights = np.where(np.arange(300) % 3 == 0, 0.0, 1.0)
    found = cross_fitted(a_problem(weights=weights), Newton())
    whole = a_problem()
    kept = Problem(whole.x[weights > 0], whole.y[weights > 0])
    np.testing.assert_allclose(found.logit, cross_fitted(kept, Newton()).logit, rtol=0, atol=1e-8)


@pytest.mark.parametrize("by_time", [False, True])
def test_of_many_rows_one_fold_is_scored(by_time: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.out_of_sample.MOST_CROSS_FITTED_ROWS", 299)
    monkeypatch.setattr("trainer.out_of_sample.ENOUGH_CLASS_ROWS", 10)
    problem, telling = a_problem(), _Starts(Newton())
    found = cross_fit(problem, telling, 0, Newton().solve(problem, 0), by_time=by_time)
    assert found is not None
    assert (len(found.y), len(telling.starts)) == (60, 1)
    assert sorted(set(found.folds.tolist())) == list(range(FOLDS))
    if by_time:
        np.testing.assert_array_equal(found.y, problem.y[240:])
        alone = Newton().solve(Problem(problem.x[:240], problem.y[:240]), 0)
        expected = problem.x[240:] @ alone.coefficients + alone.intercept
        np.testing.assert_allclose(found.logit, expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("by_time", [False, True])
def test_a_class_that_is_rare_in_one_fold_is_scored_in_more(
    by_time: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A threshold by recall would else be chosen on a fifth of the few rows of class 1, or on none."""
    monkeypatch.setattr("trainer.out_of_sample.MOST_CROSS_FITTED_ROWS", 999)
    monkeypatch.setattr("trainer.out_of_sample.ENOUGH_CLASS_ROWS", 30)
    problem = a_problem(1_000)
    y = np.zeros(1_000, dtype=np.uint8)
    y[::20] = 1  # ten a fold
    y[900:] = 0  # and in the newest fold five
    rare = Problem(problem.x, y)
    found = cross_fitted(rare, Newton(), by_time=by_time)
    assert (len(found.y), int(found.y.sum())) == (800, 35 if by_time else 36)
    fewer = np.where(np.arange(1_000) < 400, y, 0).astype(np.uint8)  # twenty: all there are
    found = cross_fitted(Problem(problem.x, fewer), Newton(), by_time=by_time)
    assert (len(found.y), int(found.y.sum())) == (1_000, 20)


def test_rows_read_back() -> None:
    for weights in (None, np.linspace(0.5, 2.0, 300)):
        rows = cross_fitted(a_problem(weights=weights), Newton())
        read = read_out_of_sample(rows.encoded)
        assert read.encoded == rows.encoded
        np.testing.assert_array_equal(read.logit, rows.logit)
        np.testing.assert_array_equal(read.folds, rows.folds)


_Y: Labels = np.array([0, 1, 1], dtype=np.uint8)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        encode_npz({"logit": np.zeros(3), "y": _Y}),
        encode_npz({"logit": np.zeros(2), "y": _Y, "folds": _Y}),
        encode_npz({"logit": np.zeros(3, dtype=np.float32), "y": _Y, "folds": _Y}),
        encode_npz({"logit": np.full(3, np.nan), "y": _Y, "folds": _Y}),
        encode_npz({"logit": np.zeros(3), "y": _Y, "folds": _Y, "weights": np.zeros(2)}),
    ],
)
def test_damaged_rows_are_refused(data: bytes) -> None:
    with pytest.raises(ModelFileError, match="fit the model again"):
        read_out_of_sample(data)


def test_logits_must_be_finite() -> None:
    with pytest.raises(DataError, match="not finite"):
        OutOfSample.of(np.array([0.0, np.inf, 1.0]), _Y, 0)

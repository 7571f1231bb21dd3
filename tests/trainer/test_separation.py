"""Separation of the classes, against linear programming as the oracle."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer

from core.model import Floats
from tests.trainer.linear_program import separation_by_programming
from tests.trainer.rare_rows import Carrier, in_blocks, rare_rows
from trainer.loss import logits, margins
from trainer.solvers.base import Problem, Solution, Solver
from trainer.solvers.blocks import BlockSolution, solve_blocks
from trainer.solvers.gradient_descent import GradientDescent
from trainer.solvers.newton import Newton
from trainer.solvers.newton_walk import LOOK_STEPS
from trainer.solvers.stochastic_gradient_descent import StochasticGradientDescent
from trainer.solvers.subsampled_newton import SubsampledNewton
from trainer.table import Labels

FREE = Newton(c=np.inf)


def kind_of(solution: Solution | BlockSolution) -> str | None:
    return None if solution.separation is None else solution.separation.kind


def assert_direction_separates(solution: Solution | BlockSolution, x: Floats, y: Labels) -> None:
    assert solution.separation is not None
    side = margins(logits(solution.separation.direction, x), y)
    assert side.min() >= -1e-7 * side.max()
    assert side.max() > 0.0


@given(seed=st.integers(0, 100_000), n=st.integers(4, 24), d=st.integers(1, 3), values=st.integers(2, 5))
@settings(max_examples=300, deadline=None)
def test_newton_sees_every_separation_and_no_other(seed: int, n: int, d: int, values: int) -> None:
    generator = np.random.default_rng(seed)
    x = generator.integers(0, values, (n, d)).astype(np.float64)
    y = generator.integers(0, 2, n).astype(np.uint8)
    y[:2] = 0, 1
    solution = FREE.solve(Problem(x, y), 0)
    expected = separation_by_programming(x, y)
    assert kind_of(solution) == expected
    assert solution.converged == (expected is None)
    if expected is not None:
        assert_direction_separates(solution, x, y)


def test_rows_on_the_plane_are_quasi_complete_separation() -> None:
    x = np.array([-2.0, -1.0, 0.0, 0.0, 1.0, 2.0])[:, None]
    y = np.array([0, 0, 0, 1, 1, 1], dtype=np.uint8)
    solution = FREE.solve(Problem(x, y), 0)
    assert np.isfinite(solution.theta).all()
    assert (kind_of(solution), solution.converged) == ("quasi-complete", False)
    assert Newton().solve(Problem(x, y), 0).converged


def test_a_rare_feature_of_one_class_is_named_as_the_carrier() -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(500, 4))
    y = (x[:, 0] + generator.logistic(size=500) > 0).astype(np.uint8)
    x[:, 2] = 0.0
    x[np.flatnonzero(y == 1)[:7], 2] = 1.0
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    solution = FREE.solve(Problem(z, y), 0)
    assert kind_of(solution) == "quasi-complete"
    assert solution.separation is not None
    assert solution.separation.carriers() == [2]


def test_a_rare_feature_of_both_classes_separates_nothing() -> None:
    generator = np.random.default_rng(1)
    n = 100_000
    x = np.column_stack([generator.normal(size=n), generator.random(n) < 1e-4]).astype(np.float64)
    y = (x[:, 0] + 2.0 * x[:, 1] + generator.logistic(size=n) > 0).astype(np.uint8)
    y[np.argmax(x[:, 1])] = 0
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    solution = FREE.solve(Problem(z, y), 0)
    assert solution.converged
    assert solution.separation is None


def test_breast_cancer_is_separable() -> None:
    x, labels = load_breast_cancer(return_X_y=True)
    z, y = (x - x.mean(axis=0)) / x.std(axis=0), labels.astype(np.uint8)
    assert kind_of(FREE.solve(Problem(z, y), 0)) == separation_by_programming(z, y) == "complete"


def test_rows_without_weight_keep_nothing_from_being_separated() -> None:
    x = np.array([-2.0, -1.0, 1.0, 2.0, 3.0])[:, None]
    y = np.array([0, 0, 1, 1, 0], dtype=np.uint8)
    assert kind_of(FREE.solve(Problem(x, y), 0)) is None
    weights = np.array([1.0, 1.0, 1.0, 1.0, 0.0])
    assert kind_of(FREE.solve(Problem(x, y, weights=weights), 0)) == "complete"


def test_with_a_penalty_separation_is_no_matter() -> None:
    x = np.array([-1.0, 1.0])[:, None]
    y = np.array([0, 1], dtype=np.uint8)
    for solver in (Newton(), GradientDescent(max_steps=5000)):
        solution = solver.solve(Problem(x, y), 0)
        assert solution.converged
        assert solution.separation is None


@pytest.mark.parametrize("seed", range(3))
def test_gradient_descent_that_crossed_the_plane_says_so(seed: int) -> None:
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(40, 2))
    y = (x[:, 0] > 0).astype(np.uint8)
    x[:, 0] += np.where(y == 1, 0.5, -0.5)
    solution = GradientDescent(c=np.inf).solve(Problem(x, y), 0)
    assert kind_of(solution) == "complete"
    assert_direction_separates(solution, x, y)


carriers = pytest.mark.parametrize("carrier", ["flag", "amount", "light"])


@carriers
def test_few_rows_of_one_class_are_always_seen(carrier: Carrier) -> None:
    for seed in range(100):
        problem = rare_rows(seed, carrier, separated=True)
        solution = FREE.solve(problem, 0)
        assert (kind_of(solution), solution.end, solution.converged) == ("quasi-complete", "separated", False), (
            seed
        )
        assert_direction_separates(solution, problem.x, problem.y)
        assert len(solution.history) < LOOK_STEPS


@carriers
def test_few_rows_of_both_classes_are_never_taken_for_separation(carrier: Carrier) -> None:
    for seed in range(100):
        solution = FREE.solve(rare_rows(seed, carrier, separated=False), 0)
        assert (kind_of(solution), solution.end, solution.converged) == (None, "gradient", True), seed


@pytest.mark.parametrize(
    "solver", [GradientDescent(c=np.inf, max_steps=50), StochasticGradientDescent(c=np.inf, max_steps=10)]
)
@carriers
def test_a_solver_that_follows_the_gradient_looks_behind_where_it_stopped(
    solver: Solver, carrier: Carrier
) -> None:
    for seed in range(20):
        problem = rare_rows(seed, carrier, separated=True)
        solution = solver.solve(problem, 0)
        assert (kind_of(solution), solution.converged) == ("quasi-complete", False), seed
        assert_direction_separates(solution, problem.x, problem.y)
        assert kind_of(solver.solve(rare_rows(seed, carrier, separated=False), 0)) is None, seed


@carriers
def test_blocks_see_the_same_separation(carrier: Carrier) -> None:
    for seed in range(40):
        problem = rare_rows(seed, carrier, separated=True)
        found = solve_blocks(in_blocks(problem), c=np.inf)
        assert (kind_of(found), found.end, found.converged) == ("quasi-complete", "separated", False), seed
        z = (problem.x - problem.x.mean(axis=0)) / problem.x.std(axis=0)
        assert_direction_separates(found, z, problem.y)
        overlapping = solve_blocks(in_blocks(rare_rows(seed, carrier, separated=False)), c=np.inf)
        assert (kind_of(overlapping), overlapping.converged) == (None, True), seed


@pytest.mark.parametrize("tolerance", [1e-10, 1e-6, 1e-3])
def test_a_wide_tolerance_hides_no_separation(tolerance: float) -> None:
    generator = np.random.default_rng(0)
    n = 50_000
    x = generator.normal(size=(n, 4))
    y = (x[:, 0] + generator.logistic(size=n) > 0).astype(np.uint8)
    x[:, 2] = 0.0
    x[np.flatnonzero(y == 1)[:50], 2] = 1.0
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    solution = Newton(c=np.inf, tolerance=tolerance).solve(Problem(z, y), 0)
    assert not solution.converged
    assert solution.separation is not None
    assert solution.separation.carriers() == [2]


def test_sgd_that_stopped_at_a_wide_tolerance_has_not_converged_on_separated_rows() -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(500, 4))
    y = (x[:, 0] + generator.logistic(size=500) > 0).astype(np.uint8)
    x[:, 2] = 0.0
    x[np.flatnonzero(y == 1)[:7], 2] = 1.0
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    solution = StochasticGradientDescent(c=np.inf, tolerance=0.05).solve(Problem(z, y), 0)
    assert solution.end == "gradient"
    assert (kind_of(solution), solution.converged) == ("quasi-complete", False)


@pytest.mark.parametrize(
    "kind", [Newton, partial(SubsampledNewton, sample_rows=2), GradientDescent, StochasticGradientDescent]
)
def test_a_walk_cut_short_still_knows_of_the_separation(kind: Callable[..., Solver]) -> None:
    problem = rare_rows(3, "flag", separated=True)
    short = kind(c=np.inf, max_steps=1).solve(problem, 0)
    assert len(short.history) == 1
    assert (kind_of(short), short.converged) == ("quasi-complete", False)


@pytest.mark.parametrize("tolerance", [1e-10, 1e-6])
def test_several_carriers_with_features_that_tell_the_same_are_seen(tolerance: float) -> None:
    for seed in range(60):
        generator = np.random.default_rng(seed)
        n, d = int(generator.integers(40, 400)), int(generator.integers(1, 8))
        x = generator.normal(size=(n, d))
        y = (x[:, 0] + generator.logistic(size=n) > 0).astype(np.uint8)
        y[:2] = 0, 1
        columns = [x, 2.0 * x[:, :1]]
        for _ in range(3):
            few = generator.permutation(np.flatnonzero(y == generator.integers(0, 2)))[: generator.integers(1, 6)]
            amounts = np.zeros(n)
            amounts[few] = np.exp(generator.normal(0.0, generator.choice([0.0, 1.0, 3.0]), len(few)))
            columns.append(amounts[:, None])
        columns.append(columns[-1] + x[:, :1])
        z = np.column_stack(columns)
        z = (z - z.mean(axis=0)) / z.std(axis=0)
        weights = np.where(generator.random(n) < 0.1, 10.0 ** generator.uniform(-6.0, 0.0, n), 1.0)
        solution = Newton(c=np.inf, tolerance=tolerance).solve(Problem(z, y, weights=weights), 0)
        assert (kind_of(solution), solution.converged) == ("quasi-complete", False), seed
        assert_direction_separates(solution, z, y)

"""One conformance suite over every solver, then what each claims for itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.model import Floats
from trainer.loss import gradient, value
from trainer.solvers.base import Problem, Solution, Solver
from trainer.solvers.gradient_descent import GradientDescent
from trainer.solvers.newton import Newton
from trainer.table import Labels, Table

FREE = np.inf
SOLVERS: list[Any] = [
    pytest.param(GradientDescent(max_steps=300), id="gradient-descent"),
    pytest.param(GradientDescent(max_steps=300, c=FREE), id="gradient-descent-free"),
    pytest.param(Newton(), id="newton"),
    pytest.param(Newton(c=FREE), id="newton-free"),
]
every_solver = pytest.mark.parametrize("solver", SOLVERS)


def theta_of(solution: Solution) -> Floats:
    return np.append(solution.coefficients, solution.intercept)


def draw(seed: int, n: int = 80, d: int = 3) -> tuple[Floats, Labels]:
    """Standardised rows whose classes overlap."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, d))
    y = (x[:, 0] + generator.logistic(size=n) > 0).astype(np.uint8)
    return (x - x.mean(axis=0)) / x.std(axis=0), y


@every_solver
@given(seed=st.integers(0, 1000), d=st.integers(1, 6))
@settings(max_examples=10, deadline=None)
def test_it_does_better_than_knowing_nothing(solver: Solver, seed: int, d: int) -> None:
    x, y = draw(seed, d=d)
    share = float(np.clip(y.mean(), 1e-9, 1 - 1e-9))
    base = -(share * np.log(share) + (1 - share) * np.log(1 - share))
    solution = solver.solve(Problem(x, y), seed)
    assert solution.history[-1].train_loss <= base + 1e-6
    assert np.isfinite(theta_of(solution)).all()


@every_solver
def test_equal_problem_and_seed_give_equal_bits(solver: Solver) -> None:
    x, y = draw(1)
    one, two = (solver.solve(Problem(x, y, x[:9], y[:9]), 5) for _ in range(2))
    assert theta_of(one).tobytes() == theta_of(two).tobytes()
    assert one.history == two.history


@every_solver
def test_the_history_has_both_parts_of_every_step(solver: Solver) -> None:
    x, y = draw(2)
    history = solver.solve(Problem(x[:60], y[:60], x[60:], y[60:]), 0).history
    assert [epoch.step for epoch in history] == list(range(1, len(history) + 1))
    assert set(history[-1].metrics) == {
        "train_loss", "train_accuracy", "validation_loss", "validation_accuracy",
    }  # fmt: skip
    without = solver.solve(Problem(x[:60], y[:60]), 0).history[-1]
    assert set(without.metrics) == {"train_loss", "train_accuracy"}
    assert without.train_loss == history[-1].train_loss


@every_solver
def test_the_reported_gradient_is_the_objectives(solver: Any) -> None:
    x, y = draw(3)
    solution = solver.solve(Problem(x, y), 0)
    norm = np.abs(gradient(theta_of(solution), x, y, solver.c)).max()
    assert solution.gradient_norm == pytest.approx(norm, abs=1e-15)
    assert solution.converged == (solution.gradient_norm <= solver.tolerance)


@every_solver
def test_complete_separation_ends_finite(solver: Any) -> None:
    x = np.concatenate([np.linspace(-3, -1, 20), np.linspace(1, 3, 20)])[:, None]
    y = np.repeat(np.array([0, 1], dtype=np.uint8), 20)
    solution = solver.solve(Problem(x, y), 0)
    assert np.isfinite(theta_of(solution)).all()
    assert solution.history[-1].train_accuracy == 1.0
    if np.isinf(solver.c):
        assert not solution.converged


@every_solver
def test_one_class_ends_finite_and_is_no_optimum(solver: Solver) -> None:
    x, _ = draw(4)
    solution = solver.solve(Problem(x, np.ones(len(x), dtype=np.uint8)), 0)
    assert np.isfinite(theta_of(solution)).all()
    assert not solution.converged


@every_solver
def test_constant_and_repeated_columns_do_no_harm(solver: Solver) -> None:
    x, y = draw(5)
    awkward = np.column_stack([x, np.zeros(len(x)), x[:, 0], x[:, 0]])
    plain = solver.solve(Problem(x, y), 0).history[-1]
    solution = solver.solve(Problem(awkward, y), 0)
    assert np.isfinite(theta_of(solution)).all()
    assert solution.history[-1].train_loss <= plain.train_loss + 1e-3


@every_solver
def test_many_collinear_features_do_not_make_it_diverge(solver: Solver) -> None:
    x, y = draw(6, d=1)
    solution = solver.solve(Problem(np.repeat(x, 200, axis=1), y), 0)
    assert solution.history[-1].train_loss <= np.log(2)


@pytest.mark.parametrize(("c", "reached"), [(FREE, 0.338323), (1.0, 0.349090)])
def test_newton_reaches_the_reference_on_the_whole_set(
    raisin: Table, standardised: Floats, c: float, reached: float
) -> None:
    solution = Newton(c=c).solve(Problem(standardised, raisin.y), 0)
    assert solution.converged
    assert solution.history[-1].train_loss == pytest.approx(reached, abs=5e-7)
    assert len(solution.history) < 12


@pytest.mark.parametrize("c", [0.01, 1.0, 100.0, FREE])
def test_newton_finds_scikit_learns_optimum(raisin: Table, standardised: Floats, oracle: Any, c: float) -> None:
    solution = Newton(c=c).solve(Problem(standardised, raisin.y), 0)
    theirs = oracle(standardised, raisin.y, c)
    ours = value(theta_of(solution), standardised, raisin.y, c)
    reference = value(np.append(theirs.coef_[0], theirs.intercept_[0]), standardised, raisin.y, c)
    assert ours == pytest.approx(reference, abs=1e-9)
    np.testing.assert_allclose(solution.coefficients, theirs.coef_[0], rtol=1e-4, atol=1e-6)


def test_newton_sees_separation_but_for_rows_on_the_plane() -> None:
    x = np.array([-2.0, -1.0, 0.0, 0.0, 1.0, 2.0])[:, None]
    y = np.array([0, 0, 0, 1, 1, 1], dtype=np.uint8)
    solution = Newton(c=FREE).solve(Problem(x, y), 0)
    assert np.isfinite(theta_of(solution)).all()
    assert not solution.converged
    assert Newton().solve(Problem(x, y), 0).converged


def test_newton_arrives_wherever_classes_overlap() -> None:
    arrived = []
    for seed in range(300):
        x, y = draw(seed, n=300, d=5)
        solution = Newton(c=FREE).solve(Problem(x @ np.random.default_rng(seed).normal(size=(5, 5)), y), 0)
        arrived.append(solution.converged and len(solution.history) < 20)
    assert all(arrived)


def test_newton_arrives_where_columns_repeat() -> None:
    x, y = draw(8)
    repeated = Newton(c=FREE).solve(Problem(np.column_stack([x, x[:, 0]]), y), 0)
    plain = Newton(c=FREE).solve(Problem(x, y), 0)
    assert repeated.converged
    assert repeated.history[-1].train_loss == pytest.approx(plain.history[-1].train_loss, abs=1e-9)


@given(seed=st.integers(0, 10_000), n=st.integers(2, 30), d=st.integers(1, 8))
@settings(deadline=None)
def test_newton_survives_few_rows_without_penalty(seed: int, n: int, d: int) -> None:
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, d)) * 10.0 ** generator.integers(-6, 6, d)
    y = generator.integers(0, 2, n).astype(np.uint8)
    solution = Newton(c=FREE).solve(Problem(x, y), seed)
    assert np.isfinite(theta_of(solution)).all()
    assert solution.history[-1].train_loss <= np.log(2) + 1e-9


def test_gradient_descent_stops_short_on_raisin(raisin: Table, standardised: Floats) -> None:
    solution = GradientDescent(c=FREE).solve(Problem(standardised, raisin.y), 0)
    assert not solution.converged
    assert solution.history[-1].train_loss == pytest.approx(0.3529, abs=1e-4)


def test_gradient_descent_starts_where_its_seed_says() -> None:
    x, y = draw(9)
    one, other = (GradientDescent(max_steps=3).solve(Problem(x, y), seed) for seed in (1, 2))
    assert one.coefficients.tobytes() != other.coefficients.tobytes()


def test_gradient_descent_arrives_where_newton_does() -> None:
    x, y = draw(10)
    slow = GradientDescent(max_steps=20_000, learning_rate=1.0).solve(Problem(x, y), 0)
    assert slow.converged
    np.testing.assert_allclose(theta_of(slow), theta_of(Newton().solve(Problem(x, y), 0)), rtol=0, atol=1e-7)

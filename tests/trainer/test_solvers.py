"""One conformance suite over every solver, then what each claims for itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import DataError
from core.model import Floats
from trainer.loss import logits, reported_probability
from trainer.solvers.balanced_classes import BalancedClasses
from trainer.solvers.base import Problem, Solver
from trainer.solvers.class_weights import balanced_weights
from trainer.solvers.gradient_descent import GradientDescent
from trainer.solvers.newton import Newton
from trainer.solvers.rate_schedule import Schedule
from trainer.solvers.stochastic_gradient_descent import StochasticGradientDescent
from trainer.solvers.subsampled_newton import SubsampledNewton
from trainer.table import Labels, Table

FREE = np.inf
SOLVERS: list[Any] = [
    pytest.param(GradientDescent(max_steps=300), id="gradient-descent"),
    pytest.param(GradientDescent(max_steps=300, c=FREE), id="gradient-descent-free"),
    pytest.param(StochasticGradientDescent(max_steps=40), id="sgd"),
    pytest.param(StochasticGradientDescent(max_steps=40, c=FREE), id="sgd-free"),
    pytest.param(Newton(), id="newton"),
    pytest.param(Newton(c=FREE), id="newton-free"),
    pytest.param(SubsampledNewton(sample_rows=5), id="subsampled-newton"),
    pytest.param(SubsampledNewton(sample_rows=5, c=FREE), id="subsampled-newton-free"),
]
every_solver = pytest.mark.parametrize("solver", SOLVERS)


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
    assert np.isfinite(solution.theta).all()


@every_solver
def test_equal_problem_and_seed_give_equal_bits(solver: Solver) -> None:
    x, y = draw(1)
    one, two = (solver.solve(Problem(x, y, x[:9], y[:9]), 5) for _ in range(2))
    assert one.theta.tobytes() == two.theta.tobytes()
    assert one.history == two.history


@every_solver
def test_the_history_has_both_parts_of_every_step(solver: Solver) -> None:
    x, y = draw(2)
    history = solver.solve(Problem(x[:60], y[:60], x[60:], y[60:]), 0).history
    assert [epoch.step for epoch in history] == list(range(1, len(history) + 1))
    assert set(history[-1].metrics) == {
        "train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "objective",
    }  # fmt: skip
    without = solver.solve(Problem(x[:60], y[:60]), 0).history[-1]
    assert set(without.metrics) == {"train_loss", "train_accuracy", "objective"}
    assert without.train_loss == history[-1].train_loss


@every_solver
def test_the_reported_gradient_is_the_objectives(solver: Any) -> None:
    x, y = draw(3)
    solution = solver.solve(Problem(x, y), 0)
    problem = Problem(x, y)
    norm = np.abs(problem.gradient(solution.theta, solver.c)).max()
    assert solution.gradient_norm == pytest.approx(norm, abs=1e-15)
    assert solution.epoch.objective == pytest.approx(problem.value(solution.theta, solver.c), abs=1e-15)
    assert solution.converged == (solution.gradient_norm <= solver.tolerance)


@every_solver
def test_complete_separation_ends_finite(solver: Any) -> None:
    x = np.concatenate([np.linspace(-3, -1, 20), np.linspace(1, 3, 20)])[:, None]
    y = np.repeat(np.array([0, 1], dtype=np.uint8), 20)
    solution = solver.solve(Problem(x, y), 0)
    assert np.isfinite(solution.theta).all()
    assert solution.history[-1].train_accuracy == 1.0
    if np.isinf(solver.c):
        assert not solution.converged


@every_solver
def test_one_class_ends_finite_and_is_no_optimum(solver: Solver) -> None:
    x, _ = draw(4)
    solution = solver.solve(Problem(x, np.ones(len(x), dtype=np.uint8)), 0)
    assert np.isfinite(solution.theta).all()
    assert not solution.converged


@every_solver
def test_constant_and_repeated_columns_do_no_harm(solver: Solver) -> None:
    x, y = draw(5)
    awkward = np.column_stack([x, np.zeros(len(x)), x[:, 0], x[:, 0]])
    plain = solver.solve(Problem(x, y), 0).history[-1]
    solution = solver.solve(Problem(awkward, y), 0)
    assert np.isfinite(solution.theta).all()
    assert solution.history[-1].train_loss <= plain.train_loss + 1e-3


@every_solver
def test_many_collinear_features_do_not_make_it_diverge(solver: Solver) -> None:
    x, y = draw(6, d=1)
    solution = solver.solve(Problem(np.repeat(x, 200, axis=1), y), 0)
    assert solution.history[-1].train_loss <= np.log(2)


@every_solver
@given(seed=st.integers(0, 1000))
@settings(max_examples=5, deadline=None)
def test_sample_weights_are_as_good_as_copies(solver: Any, seed: int) -> None:
    x, y = draw(seed)
    copies = np.random.default_rng(seed).integers(0, 4, len(y))
    weighted = Problem(x, y, weights=copies.astype(np.float64))
    copied = Problem(np.repeat(x, copies, axis=0), np.repeat(y, copies))
    theta = np.random.default_rng(seed + 1).normal(size=4)
    assert weighted.value(theta, solver.c) == pytest.approx(copied.value(theta, solver.c), abs=1e-13)
    np.testing.assert_allclose(weighted.gradient(theta, solver.c), copied.gradient(theta, solver.c), atol=1e-13)
    one, two = (solver.solve(problem, seed) for problem in (weighted, copied))
    # batches hold other rows: of 1,000 seeds most are within 1e-3, two beyond 1e-2, one at .032
    assert one.epoch.train_loss == pytest.approx(two.epoch.train_loss, abs=5e-2)
    if not isinstance(solver, StochasticGradientDescent):
        np.testing.assert_allclose(one.theta, two.theta, rtol=0, atol=1e-7)


@every_solver
def test_class_weights_are_as_good_as_sample_weights(solver: Solver) -> None:
    x, y = draw(11)
    by_class = solver.solve(Problem(x, y, class_weights=(1.0, 3.0)), 0)
    by_row = solver.solve(Problem(x, y, weights=np.where(y == 1, 3.0, 1.0)), 0)
    assert by_class.theta.tobytes() == by_row.theta.tobytes()
    assert by_class.epoch.objective == by_row.epoch.objective
    assert by_class.epoch.train_loss != by_row.epoch.train_loss  # class weights are of the objective alone


@every_solver
def test_a_warm_start_at_the_optimum_stays_there(solver: Any) -> None:
    x, y = draw(12)
    problem = Problem(x, y)
    optimum = Newton(c=solver.c, tolerance=1e-12).solve(problem, 0)
    again, cold = (solver.solve(problem, 0, start) for start in (optimum.theta, None))
    first, cold_first = (float(solution.history[0].objective) for solution in (again, cold))
    assert problem.value(optimum.theta, solver.c) - 1e-12 <= first <= cold_first
    if not isinstance(solver, Newton):
        assert first < cold_first
    if not isinstance(solver, StochasticGradientDescent):
        assert len(again.history) == 1
        assert again.converged


@every_solver
@pytest.mark.parametrize("size", [1e2, 1e4, 1e6, 1e200, np.inf, np.nan])
def test_a_start_that_is_worse_than_none_is_not_taken(solver: Any, size: float) -> None:
    x, y = draw(22)
    far = np.array([-size, size, size, 0.0])
    started, cold = (solver.solve(Problem(x, y), 0, start) for start in (far, None))
    assert started.theta.tobytes() == cold.theta.tobytes()
    assert started.end == cold.end


@every_solver
def test_a_start_of_another_width_is_refused(solver: Any) -> None:
    x, y = draw(23)
    with pytest.raises(DataError, match="pass 4 parameters"):
        solver.solve(Problem(x, y), 0, np.zeros(9))


def test_newton_starts_anew_where_a_start_is_flat_to_rounding() -> None:
    x = np.array([-2.0, -1.0, 1.0, 2.0, -1.5])[:, None]
    y = np.array([0, 0, 1, 1, 1], dtype=np.uint8)
    problem = Problem(x, y, weights=np.array([1.0, 1.0, 1.0, 1.0, 1e-7]))
    far = np.array([1e6, 0.0])  # only the row that hardly counts is on the wrong side
    assert problem.value(far, FREE) < np.log(2.0)
    started, cold = (Newton(c=FREE).solve(problem, 0, start) for start in (far, None))
    assert cold.converged
    assert started.theta.tobytes() == cold.theta.tobytes()


@every_solver
def test_early_stopping_gives_back_the_step_of_least_validation_loss(solver: Any) -> None:
    generator = np.random.default_rng(13)
    x = generator.normal(size=(60, 25))
    y = (x[:, 0] + 2.0 * generator.logistic(size=60) > 0).astype(np.uint8)
    problem = Problem(x[:40], y[:40], x[40:], y[40:])
    stopped = replace(solver, patience=2).solve(problem, 0)
    losses = [epoch.validation_loss for epoch in stopped.history]
    assert stopped.epoch.validation_loss == min(losses, key=lambda loss: np.inf if loss is None else loss)
    assert stopped.end == "validation"
    assert not stopped.converged
    whole = solver.solve(problem, 0)
    assert whole.end != "validation"
    assert whole.epoch.validation_loss > stopped.epoch.validation_loss


@every_solver
def test_early_stopping_gives_back_the_start_where_no_step_is_better(solver: Any) -> None:
    generator = np.random.default_rng(21)
    x = generator.normal(size=(60, 25))
    y = (x[:, 0] + 2.0 * generator.logistic(size=60) > 0).astype(np.uint8)
    problem = Problem(x[:40], y[:40], x[40:], y[40:])
    good = Newton(c=0.1).solve(Problem(x, y), 0).theta  # it has seen the validation rows
    stopped = replace(solver, patience=2).solve(problem, 0, good)
    assert stopped.theta.tobytes() == good.tobytes()
    assert (stopped.end, stopped.best_step, stopped.history[0].step) == ("validation", 0, 0)
    assert stopped.epoch.validation_loss == min(epoch.validation_loss or np.inf for epoch in stopped.history)
    cold = replace(solver, patience=2).solve(problem, 0)
    assert cold.history[0].step == 1


@every_solver
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("rows", [slice(3, 4), slice(None)], ids=["one", "all"])
def test_rows_that_are_not_finite_are_refused(solver: Any, value: float, rows: slice) -> None:
    x, y = draw(14)
    x[rows, 1] = value
    with pytest.raises(DataError, match="values are all finite"):
        solver.solve(Problem(x, y), 0)


@every_solver
def test_early_stopping_without_validation_rows_is_refused(solver: Any) -> None:
    x, y = draw(14)
    with pytest.raises(DataError, match="needs validation rows"):
        replace(solver, patience=1).solve(Problem(x, y), 0)


@every_solver
def test_rows_without_weight_have_no_say(solver: Solver) -> None:
    x, y = draw(15)
    weights = np.ones(len(y))
    weights[:10] = 0.0
    spoilt = x.copy()
    spoilt[:10] = -spoilt[:10]
    if isinstance(solver, StochasticGradientDescent):
        spoilt[:10] = x[:10][::-1]  # its longest safe step is by the largest row, of whatever weight
    one, two = (solver.solve(Problem(each, y, weights=weights), 0) for each in (x, spoilt))
    np.testing.assert_allclose(one.theta, two.theta, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    "problem",
    [
        {"weights": np.array([1.0, -1.0, 1.0])},
        {"weights": np.array([1.0, np.nan, 1.0])},
        {"weights": np.zeros(3)},
        {"weights": np.ones(2)},
        {"validation_weights": np.ones(2)},
        {"class_weights": (0.0, 0.0)},
        {"class_weights": (1.0, -1.0)},
        {"weights": np.array([1.0, 0.0, 1.0]), "class_weights": (0.0, 1.0)},
    ],
)
def test_impossible_weights_are_refused(problem: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="weights"):
        Problem(np.zeros((3, 1)), np.array([0, 1, 0], dtype=np.uint8), **problem)


def test_a_problem_without_rows_is_refused() -> None:
    with pytest.raises(DataError, match="no rows to train on"):
        Problem(np.empty((0, 2)), np.empty(0, dtype=np.uint8))


def test_balanced_classes_count_alike() -> None:
    x, _ = draw(16)
    y = (np.arange(80) < 8).astype(np.uint8)
    solution = BalancedClasses(Newton(c=1e9)).solve(Problem(x, y), 0)
    p = reported_probability(logits(solution.theta, x))
    weights = np.array(balanced_weights(y))[y]
    assert np.average(p, weights=weights) == pytest.approx(0.5, abs=1e-9)  # the intercept's first-order condition
    assert weights.sum() == pytest.approx(80.0)
    assert BalancedClasses(Newton()).params["class_weight"] == "balanced"


@pytest.mark.parametrize(("c", "reached"), [(FREE, 0.338323), (1.0, 0.349090)])
def test_newton_reaches_the_reference_on_the_whole_set(
    raisin: Table, standardised: Floats, c: float, reached: float
) -> None:
    solution = Newton(c=c).solve(Problem(standardised, raisin.y), 0)
    assert solution.converged
    assert solution.history[-1].train_loss == pytest.approx(reached, abs=5e-7)
    assert len(solution.history) < 12


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
    assert np.isfinite(solution.theta).all()
    assert solution.history[-1].train_loss <= np.log(2) + 1e-9


def test_gradient_descent_stops_short_on_raisin(raisin: Table, standardised: Floats) -> None:
    solution = GradientDescent(learning_rate=0.1, c=FREE).solve(Problem(standardised, raisin.y), 0)
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
    np.testing.assert_allclose(slow.theta, Newton().solve(Problem(x, y), 0).theta, rtol=0, atol=1e-7)


def test_gradient_descent_takes_a_given_rate_as_it_is() -> None:
    x, y = draw(17)
    start = np.zeros(4)
    problem = Problem(x, y)
    one = GradientDescent(learning_rate=50.0, max_steps=1).solve(problem, 0, start)
    np.testing.assert_allclose(one.theta, -50.0 * problem.gradient(start, 1.0), rtol=1e-12)


@pytest.mark.parametrize("solver", [GradientDescent, StochasticGradientDescent])
def test_a_rate_that_overflows_ends_finite(solver: Any) -> None:
    x, y = draw(18)
    solution = solver(learning_rate=1e200, c=1e-3).solve(Problem(x, y), 0)
    assert np.isfinite(solution.theta).all()
    assert solution.end == "standstill"
    assert not solution.converged


@pytest.mark.parametrize(("schedule", "reached"), [("inverse", 5e-3), ("cosine", 1e-3)])
def test_sgd_comes_near_the_optimum(schedule: Schedule, reached: float) -> None:
    x, y = draw(19, n=1000)
    solution = StochasticGradientDescent(schedule=schedule).solve(Problem(x, y), 0)
    optimum = Newton().solve(Problem(x, y), 0)
    assert solution.gradient_norm < reached
    assert solution.epoch.objective == pytest.approx(optimum.epoch.objective, abs=1e-5)


def test_sgd_with_a_constant_rate_stays_in_a_cloud_as_wide_as_the_rate() -> None:
    x, y = draw(20, n=1000)
    norms = [
        StochasticGradientDescent(learning_rate=rate, schedule="constant", max_steps=50)
        .solve(Problem(x, y), 0)
        .gradient_norm
        for rate in (0.5, 0.05)
    ]
    assert norms[0] > 3.0 * norms[1] > 0.0


def test_training_only_leaves_nothing_of_the_validation_rows() -> None:
    x, y = draw(26)
    problem = Problem(x[:60], y[:60], x[60:], y[60:], np.ones(60), np.ones(20), (1.0, 2.0))
    alone = problem.training_only()
    assert (alone.validation_x, alone.validation_y, alone.validation_weights) == (None, None, None)
    assert alone.fit_weights is not None
    np.testing.assert_array_equal(alone.fit_weights, problem.fit_weights)


@pytest.mark.parametrize("solver", [*(each.values[0] for each in SOLVERS), BalancedClasses(Newton(c=0.3))])
def test_a_solver_says_what_it_is(solver: Any) -> None:
    assert solver.params["c"] == (solver.c if np.isfinite(solver.c) else "inf")
    assert solver.first_order == ("learning_rate" in solver.params)

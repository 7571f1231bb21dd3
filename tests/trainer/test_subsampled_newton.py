"""Newton's method on a sample and a few readings of all rows arrives where Newton's method on all rows does."""

from __future__ import annotations

import tracemalloc
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.model import Floats
from tests.trainer.test_solver_optimum import LOSS_LIMIT, WEIGHT_LIMIT, oracle_theta
from trainer.loss import logits, value
from trainer.solvers import row_pass, row_sample
from trainer.solvers.base import Problem
from trainer.solvers.curvature import Curvature
from trainer.solvers.newton import Newton
from trainer.solvers.row_sample import nearer_start, sample_problem, sample_start, shown
from trainer.solvers.subsampled_newton import SubsampledNewton

ROWS, WIDTH = 40_000, 5
#: Readings of all rows that are few.
FEW = 8
KINDS = ("independent", "correlated", "heavy", "rare", "imbalanced", "ordered")


def many_rows(kind: str, seed: int = 0, **weights: Any) -> Problem:
    """Enough rows for a sample to be drawn."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(ROWS, WIDTH))
    if kind == "correlated":
        x = x @ (np.eye(WIDTH) + generator.normal(size=(WIDTH, WIDTH)))
    elif kind == "heavy":
        x = np.exp(x)
    elif kind == "rare":
        x[:, -1] = np.arange(ROWS) % 10_000 == 17
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    edge = 3.0 if kind == "imbalanced" else 0.0
    y = (x @ np.array([1.0, -0.5, 0.3, 0.0, 0.02]) + generator.logistic(size=ROWS) > edge).astype(np.uint8)
    order = np.lexsort((x[:, 0], y)) if kind == "ordered" else np.arange(ROWS)
    return Problem(x[order], y[order], **weights)


def assert_newtons_optimum(problem: Problem, solver: SubsampledNewton) -> None:
    solution = solver.solve(problem, 0)
    optimum = Newton(c=solver.c, tolerance=1e-11).solve(problem, 0)
    assert solution.converged == optimum.converged
    assert abs(solution.epoch.objective - optimum.epoch.objective) <= LOSS_LIMIT
    if optimum.converged:
        assert np.abs(solution.theta - optimum.theta).max() <= WEIGHT_LIMIT


@pytest.mark.parametrize("kind", KINDS)
def test_it_arrives_at_the_oracles_optimum_in_a_few_readings(kind: str) -> None:
    problem = many_rows(kind)
    solution = SubsampledNewton(tolerance=1e-11).solve(problem, 0)
    assert solution.converged
    assert len(solution.history) <= FEW
    theirs = oracle_theta(problem.x, problem.y, 1.0)
    assert abs(solution.epoch.objective - value(theirs, problem.x, problem.y, 1.0)) <= LOSS_LIMIT
    assert np.abs(solution.theta - theirs).max() <= WEIGHT_LIMIT


def test_it_arrives_without_a_penalty_and_with_weights() -> None:
    generator = np.random.default_rng(1)
    weights = generator.gamma(1.0, size=ROWS) * (generator.random(ROWS) < 0.9)
    assert_newtons_optimum(many_rows("correlated", weights=weights), SubsampledNewton(c=np.inf))
    assert_newtons_optimum(many_rows("imbalanced", class_weights=(1.0, 9.0)), SubsampledNewton(c=0.01))


@pytest.mark.parametrize("weighted", [slice(0, 300), slice(ROWS - 4000, ROWS)])
def test_it_arrives_where_most_rows_have_no_weight(weighted: slice) -> None:
    weights = np.zeros(ROWS)
    weights[weighted] = 1.0
    assert_newtons_optimum(many_rows("independent", weights=weights), SubsampledNewton())


def test_exactly_collinear_features_have_newtons_logits() -> None:
    plain = many_rows("independent")
    x = np.column_stack([plain.x, plain.x[:, 0] + plain.x[:, 1]])
    solution = SubsampledNewton(tolerance=1e-11).solve(Problem(x, plain.y), 0)
    theirs = Newton(tolerance=1e-11).solve(Problem(x, plain.y), 0)
    assert solution.converged
    np.testing.assert_allclose(logits(solution.theta, x), logits(theirs.theta, x), rtol=0, atol=1e-6)


def test_features_that_differ_by_a_hundred_millionth_do_not_make_it_walk_for_ever() -> None:
    for seed in range(20):
        generator = np.random.default_rng(seed)
        x = generator.normal(size=(1500, 4))
        x = np.column_stack([x, x[:, 0] + 1e-8 * generator.normal(size=1500)])
        x = (x - x.mean(axis=0)) / x.std(axis=0)
        noisy = x[:, :4] @ [1.0, -0.5, 0.3, 0.2] + generator.logistic(size=1500)
        problem = Problem(x, (noisy > 0).astype(np.uint8))
        solution = SubsampledNewton(c=np.inf, sample_rows=50).solve(problem, seed)
        assert solution.converged == Newton(c=np.inf).solve(problem, seed).converged, seed
        assert len(solution.history) <= 20


@given(seed=st.integers(0, 100_000))
@settings(max_examples=150, deadline=None)
def test_it_arrives_wherever_newton_does(seed: int) -> None:
    generator = np.random.default_rng(seed)
    n, d = int(generator.integers(40, 600)), int(generator.integers(1, 6))
    x = generator.normal(size=(n, d)) @ (np.eye(d) + 0.5 * generator.normal(size=(d, d)))
    for column in range(d):
        kind = generator.integers(0, 6)
        if kind == 0:
            x[:, column] = generator.random(n) < 0.02
        elif kind == 1:
            x[:, column] = np.exp(1.5 * x[:, column])
        elif kind == 2:
            x[:, column] = x[:, 0]
        elif kind == 3:
            x[:, column] = generator.standard_cauchy(n)
    spread = x.std(axis=0)
    x = (x - x.mean(axis=0)) / np.where(spread > 1e-12, spread, 1.0)
    noisy = x @ generator.normal(size=d) * generator.choice([0.3, 1.0, 3.0]) + generator.logistic(size=n)
    problem = Problem(x, (noisy > generator.choice([0.0, 2.3])).astype(np.uint8))
    c = float(generator.choice([0.01, 1.0, 100.0, np.inf]))
    ours = SubsampledNewton(c=c, sample_rows=5).solve(problem, seed)
    newton = Newton(c=c).solve(problem, seed)
    assert ours.converged == newton.converged
    assert (ours.separation is None) == (newton.separation is None)
    if newton.converged:
        assert abs(ours.epoch.objective - newton.epoch.objective) <= LOSS_LIMIT


def test_few_rows_early_stopping_and_one_class_are_newtons() -> None:
    few, many = many_rows("independent"), many_rows("independent", seed=1)
    few = Problem(few.x[:1000], few.y[:1000])
    held_out = Problem(many.x, many.y, many.x[:500], many.y[:500])
    one_class = Problem(many.x, np.ones(ROWS, dtype=np.uint8))
    for problem, patience in ((few, None), (held_out, 2), (one_class, None)):
        ours = SubsampledNewton(patience=patience).solve(problem, 0)
        newton = Newton(patience=patience).solve(problem, 0)
        assert ours.theta.tobytes() == newton.theta.tobytes()
        assert ours.history == newton.history


def test_very_many_rows_take_a_second_sample_and_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_pass, "BLOCK_ROWS", 256)
    assert_newtons_optimum(many_rows("correlated"), SubsampledNewton(sample_rows=500))


def uncorrelated_rows(kind: str, seed: int = 0) -> Problem:
    """Forty features that are no more than uncorrelated, or hardly so."""
    generator = np.random.default_rng([seed, 40])
    x = generator.normal(size=(ROWS, 40))
    if kind == "skewed":  # principal components of skewed features: uncorrelated, and neither Gaussian nor apart
        x = np.exp(x @ generator.normal(size=(40, 40)) / 12.0)
        x = (x - x.mean(axis=0)) @ np.linalg.eigh(np.cov(x.T))[1]
    elif kind == "loosely tied":  # no two of them correlated by more than .2, and together far from nothing
        x += 0.45 * generator.normal(size=(ROWS, 1))
    elif kind == "a pair":
        x[:, 7] = x[:, 3] + 0.1 * x[:, 7]
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    effects = generator.normal(size=40)
    if kind == "one decides":
        effects[0] *= 8.0
    noisy = 1.5 * x @ effects / np.linalg.norm(effects) + generator.logistic(size=ROWS)
    y = (noisy > {"imbalanced": 2.0, "rare class": 8.0}.get(kind, 0.0)).astype(np.uint8)
    if kind == "not centred":
        x += 0.15 * np.sign(effects)
    elif kind == "sorted":
        order = np.argsort(y, kind="stable")
        x, y = x[order], y[order]
    elif kind == "zeros in the sample":
        x[:, 5] = 0.0
        x[generator.choice(ROWS, 12, replace=False), 5] = 30.0
    elif kind == "absurd":
        x[17_000, 3] = 1e155
    return Problem(x, y)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("gaussian", True),
        ("one decides", True),
        ("not centred", True),
        ("skewed", None),  # by luck
        ("imbalanced", False),  # of a rare class it is not asked
        ("loosely tied", False),
        ("a pair", False),
    ],
)
def test_uncorrelated_features_are_found_and_it_arrives(kind: str, expected: bool | None) -> None:
    problem = uncorrelated_rows(kind)
    found = sample_start(problem, 1.0, 4000, 0).uncorrelated is not None
    assert expected in {None, found}
    solution = SubsampledNewton(tolerance=1e-10).solve(problem, 0)
    optimum = Newton(tolerance=1e-11).solve(problem, 0)
    assert solution.converged
    assert len(solution.history) <= FEW + 2
    assert abs(solution.epoch.objective - optimum.epoch.objective) <= LOSS_LIMIT
    assert np.abs(solution.theta - optimum.theta).max() <= WEIGHT_LIMIT


@pytest.mark.parametrize("kind", ["sorted", "rare class", "zeros in the sample"])
def test_it_arrives_in_few_readings_from_a_start_that_is_hard_to_find(kind: str) -> None:
    problem = uncorrelated_rows(kind)
    solution = SubsampledNewton(tolerance=1e-10).solve(problem, 0)
    assert solution.converged
    assert len(solution.history) <= FEW + 2
    assert_newtons_optimum(problem, SubsampledNewton(tolerance=1e-10))


def test_a_value_whose_square_overflows_leaves_it_no_worse_than_newtons_method() -> None:
    problem = uncorrelated_rows("absurd")
    solution, newtons = SubsampledNewton().solve(problem, 0), Newton().solve(problem, 0)
    assert solution.epoch.objective <= newtons.epoch.objective + LOSS_LIMIT
    assert solution.converged >= newtons.converged
    assert not shown(problem.x)[3]


@pytest.fixture
def taken_for_uncorrelated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the sample shows."""
    monkeypatch.setattr(row_sample, "may_be_uncorrelated", lambda *_: True)
    monkeypatch.setattr(row_sample, "tells_as_much", lambda *_: True)


@pytest.mark.usefixtures("taken_for_uncorrelated")
@pytest.mark.parametrize("kind", KINDS)
def test_features_taken_for_uncorrelated_cost_readings_and_nothing_else(kind: str) -> None:
    problem = many_rows(kind)
    is_taken = sample_start(problem, 1.0, 4000, 0).uncorrelated is not None
    assert is_taken == (kind not in {"rare", "imbalanced"})  # of a rare class it is not asked
    assert_newtons_optimum(problem, SubsampledNewton())


@pytest.mark.usefixtures("taken_for_uncorrelated")
@given(seed=st.integers(0, 100_000))
@settings(max_examples=100, deadline=None)
def test_taken_for_uncorrelated_it_arrives_wherever_newton_does(seed: int) -> None:
    generator = np.random.default_rng(seed)
    n, d = int(generator.integers(100, 800)), int(generator.integers(1, 12))
    x = generator.normal(size=(n, d)) + generator.choice([0.0, 0.2, 3.0])
    if generator.random() < 0.3:
        x += generator.normal(size=(n, 1))
    noisy = x @ generator.normal(size=d) / np.sqrt(d) + generator.logistic(size=n)
    weights = generator.gamma(1.0, size=n) if generator.random() < 0.3 else None
    problem = Problem(x, (noisy > generator.choice([0.0, 2.3])).astype(np.uint8), weights=weights)
    c = float(generator.choice([0.01, 1.0, 100.0, np.inf]))
    ours = SubsampledNewton(c=c, sample_rows=10).solve(problem, seed)
    newton = Newton(c=c).solve(problem, seed)
    assert ours.converged == newton.converged
    assert (ours.separation is None) == (newton.separation is None)
    if newton.converged:
        assert abs(ours.epoch.objective - newton.epoch.objective) <= LOSS_LIMIT


def test_a_faint_factor_of_many_features_is_no_absence_of_correlation() -> None:
    generator = np.random.default_rng(5)
    x = generator.normal(size=(ROWS, 100)) + 0.1 * generator.normal(size=(ROWS, 1))  # correlations of .01
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    y = (x @ generator.normal(size=100) / 8.0 + generator.logistic(size=ROWS) > 0).astype(np.uint8)
    assert sample_start(Problem(x, y), 1.0, 4040, 0).uncorrelated is None


def test_classes_that_a_plane_separates_are_said() -> None:
    problem = many_rows("independent")
    separated = Problem(problem.x, (problem.x[:, 0] > 0).astype(np.uint8))
    solution = SubsampledNewton(c=np.inf).solve(separated, 0)
    assert solution.end == "separated"
    assert solution.separation is not None
    assert not solution.converged
    assert [epoch.step for epoch in solution.history] == list(range(1, len(solution.history) + 1))


def test_it_takes_no_copy_of_the_rows() -> None:
    problem = many_rows("independent")
    wide = Problem(np.tile(problem.x, (1, 6)), problem.y)
    tracemalloc.start()
    try:
        solution = SubsampledNewton(tolerance=1e-6).solve(wide, 0)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert solution.converged
    assert peak_bytes < wide.x.nbytes / 2


def test_a_sample_stands_for_all_rows_of_both_classes() -> None:
    problem = many_rows("imbalanced")
    sample = sample_problem(problem, 4000, 0)
    assert sample.weights is not None
    assert sample.weights.sum() == pytest.approx(len(sample.y))
    assert 0.4 < sample.y.mean() < 0.6  # half of it is of the rare class
    assert np.average(sample.y, weights=sample.weights) == pytest.approx(problem.y.mean(), rel=1e-9)
    again = sample_problem(problem, 4000, 0)
    assert sample.x.tobytes() == again.x.tobytes()
    assert sample.x.tobytes() != sample_problem(problem, 4000, 1).x.tobytes()


def test_a_sample_begins_near_the_optimum_and_says_what_it_does_not_show() -> None:
    for kind, shows_all in (("independent", True), ("heavy", True), ("rare", False)):
        problem = many_rows(kind)
        start = sample_start(problem, 1.0, 4000, 0)
        assert start.shows_all == shows_all
        optimum = Newton().solve(problem, 0)
        assert problem.value(start.theta, 1.0) - optimum.epoch.objective < 5e-3


def test_a_second_sample_is_nearer_and_one_without_weight_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_pass, "BLOCK_ROWS", 100)
    problem = many_rows("correlated")
    start = sample_start(problem, 1.0, 200, 0)
    optimum = Newton().solve(problem, 0)
    near, nearer = (problem.value(theta, 1.0) for theta in (start.theta, nearer_start(problem, 1.0, start)))
    assert nearer - optimum.epoch.objective < 0.5 * (near - optimum.epoch.objective)
    weights = np.zeros(ROWS)
    weights[:50] = 1.0
    unseen = many_rows("correlated", weights=weights)
    assert nearer_start(unseen, 1.0, start).tobytes() == start.theta.tobytes()


@pytest.mark.parametrize(
    ("column", "is_shown"),
    [
        (np.zeros(1000), True),
        (np.full(1000, -0.1), False),
        (np.arange(1000) < 5, False),
        (np.arange(1000) < 15, True),
        (np.linspace(-1.0, 1.0, 1000), True),
    ],
)
def test_a_few_rows_show_nothing(column: Floats, is_shown: bool) -> None:
    assert shown(np.asarray(column, dtype=np.float64)[:, None]).tolist() == [is_shown]


@given(seed=st.integers(0, 1000), width=st.integers(1, 6), steps=st.integers(0, 5))
@settings(deadline=None)
def test_curvature_is_the_inverse_and_keeps_the_last_step_it_has_seen(seed: int, width: int, steps: int) -> None:
    generator = np.random.default_rng(seed)
    root = generator.normal(size=(width, width + 2))
    hessian = root @ root.T
    curvature = Curvature(hessian)
    gradient = generator.normal(size=width)
    np.testing.assert_allclose(hessian @ curvature.direction(gradient), -gradient, rtol=0, atol=1e-4)
    for _ in range(steps):
        step = generator.normal(size=width)
        change = hessian @ step + 0.5 * step
        curvature.learn(step, change)
        np.testing.assert_allclose(curvature.direction(change), -step, rtol=0, atol=1e-4)


def test_the_figures_of_a_step_can_be_logged() -> None:
    solution = SubsampledNewton().solve(many_rows("independent"), 0)
    assert solution.history
    for epoch in solution.history:
        assert msgspec.json.decode(msgspec.json.encode(epoch.metrics)) == epoch.metrics

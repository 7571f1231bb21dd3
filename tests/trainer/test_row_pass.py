"""One reading says what the loss's own functions say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.solvers import row_pass
from trainer.solvers.base import Problem
from trainer.solvers.block_curvature import WholeCurvature
from trainer.solvers.objective import in_memory
from trainer.solvers.row_pass import RowPass


def draw(seed: int, n: int, d: int, **weights: Any) -> Problem:
    generator = np.random.default_rng(seed)
    return Problem(generator.normal(size=(n, d)), (generator.random(n) < 0.4).astype(np.uint8), **weights)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_pass, "BLOCK_ROWS", 16)


@pytest.mark.usefixtures("small_blocks")
@given(seed=st.integers(0, 10_000), n=st.integers(2, 100), d=st.integers(1, 6), how=st.sampled_from("nscb"))
@settings(deadline=None)
def test_it_reads_objective_gradient_hessian_and_figures(seed: int, n: int, d: int, how: str) -> None:
    generator = np.random.default_rng(seed)
    weights = generator.gamma(1.0, size=n) if how in "sb" else None
    problem = draw(seed, n, d, weights=weights, class_weights=(1.0, 3.0) if how in "cb" else None)
    theta = generator.normal(size=d + 1) * 2.0
    c = float(generator.choice([0.1, 1.0, np.inf]))
    reading = RowPass(problem, c).at(theta, every=1)
    expected = in_memory(problem, c).at(theta)
    assert reading.objective == pytest.approx(expected.value, rel=1e-12)
    np.testing.assert_allclose(reading.gradient, expected.gradient, rtol=0, atol=1e-12)
    assert reading.hessian is not None
    np.testing.assert_allclose(reading.hessian, expected.hessian, rtol=0, atol=1e-12)
    figures = problem.epoch(1, theta, expected.value)
    # theirs is of a probability, in which a large logit of the wrong sign has rounded
    wrong = np.abs(problem.x @ theta[:-1] + theta[-1]).max()
    assert reading.train_loss == pytest.approx(figures.train_loss, rel=1e-14 * np.exp(wrong) + 1e-12)
    assert reading.train_accuracy == pytest.approx(figures.train_accuracy, rel=1e-12)


@pytest.mark.usefixtures("small_blocks")
def test_some_blocks_show_about_the_curvature_of_all() -> None:
    rows = RowPass(draw(1, 16 * 400, 3), 1.0)
    theta = np.full(4, 0.3)
    some, every = rows.at(theta, every=8).hessian, rows.at(theta, every=1).hessian
    assert some is not None
    assert every is not None
    assert 1e-4 < np.abs(some - every).max() < 0.05
    assert rows.at(theta).hessian is None


@pytest.mark.usefixtures("small_blocks")
@given(seed=st.integers(0, 10_000), d=st.integers(1, 6), weighted=st.booleans(), mean=st.sampled_from([0.0, 0.7]))
@settings(deadline=None)
def test_the_hessian_of_uncorrelated_features_agrees_along_axes_and_coefficients(
    seed: int, d: int, weighted: bool, mean: float
) -> None:
    generator = np.random.default_rng(seed)
    problem = draw(seed, 90, d, weights=generator.gamma(1.0, size=90) if weighted else None)
    rows = RowPass(replace(problem, x=problem.x + mean), 0.1)
    theta = generator.normal(size=d + 1)
    whole, few = rows.at(theta, every=1).hessian, rows.at(theta, every=1, uncorrelated=True).hessian
    assert whole is not None
    assert few is not None
    np.testing.assert_allclose(np.diagonal(few), np.diagonal(whole), rtol=1e-12)
    np.testing.assert_allclose(few[-1], whole[-1], rtol=0, atol=1e-14)
    np.testing.assert_allclose(few, few.T, rtol=0, atol=0)
    along = np.append(theta[:-1], 0.0)
    assert along @ few @ along == pytest.approx(along @ whole @ along, rel=1e-9)
    if d <= 2:  # two features have one entry, which is theirs
        np.testing.assert_allclose(few, whole, rtol=0, atol=1e-7)


def test_the_hessian_of_gaussian_features_is_that_of_uncorrelated_ones_whatever_their_means() -> None:
    generator = np.random.default_rng(3)
    x = generator.normal(size=(100_000, 8)) * np.linspace(0.5, 2.0, 8) + np.linspace(-0.5, 0.5, 8)
    rows = RowPass(Problem(x, (generator.random(len(x)) < 0.3).astype(np.uint8)), 1.0)
    theta = np.append(generator.normal(size=8) / 6.0, -1.0)
    whole, few = rows.at(theta, every=1).hessian, rows.at(theta, every=1, uncorrelated=True).hessian
    assert whole is not None
    assert few is not None
    curved = np.linalg.eigvals(np.linalg.solve(whole, few)).real
    assert 0.97 < curved.min() < curved.max() < 1.03


@pytest.mark.parametrize(("rows", "width"), [(33_000, 20), (50_000, 100), (200_000, 100), (1_000_000, 20)])
def test_the_rows_of_curved_blocks_are_known_before_they_are_read(rows: int, width: int) -> None:
    made = RowPass(Problem(np.zeros((rows, width)), np.zeros(rows, dtype=np.uint8)), 1.0)
    taken: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WholeCurvature, "add", lambda _self, x, *_: taken.append(len(x)))
        made.at(np.zeros(width + 1), every=8)
    assert sum(taken) == pytest.approx(row_pass.curved_rows(rows, width, 8), rel=0.15)


def test_a_reported_loss_is_clipped_and_the_objective_is_not() -> None:
    problem = Problem(np.array([[1.0], [-1.0]]), np.array([0, 1], dtype=np.uint8))
    reading = RowPass(problem, np.inf).at(np.array([100.0, 0.0]))
    assert reading.objective == pytest.approx(100.0)
    assert reading.train_loss == pytest.approx(-np.log(1e-15))


def test_logits_that_overflow_are_said_without_a_warning() -> None:
    reading = RowPass(draw(2, 50, 2), 1.0).at(np.array([1e4, 1e300, 0.0]))
    assert not np.isfinite(reading.objective)


@pytest.mark.usefixtures("small_blocks")
def test_a_share_of_the_blocks_stands_for_all() -> None:
    problem = draw(3, 16 * 400, 3)
    theta = np.full(4, 0.3)
    share, whole = RowPass(problem, 1.0, share=4).at(theta, every=1), RowPass(problem, 1.0).at(theta, every=1)
    assert 0.0 < np.abs(share.gradient - whole.gradient).max() < 0.05
    assert share.objective == pytest.approx(whole.objective, abs=0.05)


@pytest.mark.usefixtures("small_blocks")
def test_a_share_without_any_weight_says_nothing() -> None:
    weights = np.zeros(16 * 4)
    weights[:16] = 1.0
    reading = RowPass(draw(4, 16 * 4, 2, weights=weights), 1.0, share=4).at(np.zeros(3), every=1)
    assert reading.hessian is None
    assert not np.isfinite(reading.objective)

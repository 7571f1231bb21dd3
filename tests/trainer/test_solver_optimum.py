"""The optimum, against scikit-learn's newton-cholesky at a tolerance of 1e-12."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from core.model import Floats
from tests.trainer import tickets
from tests.trainer.linear_program import separation_by_programming
from trainer.loss import logits, value
from trainer.solvers.balanced_classes import BalancedClasses
from trainer.solvers.base import Problem
from trainer.solvers.blocks import solve_blocks
from trainer.solvers.newton import Newton
from trainer.solvers.objective import Block
from trainer.table import Labels, Table

#: What an equal optimum may differ by, in the mean log-loss with the penalty and in a weight.
LOSS_LIMIT, WEIGHT_LIMIT = 1e-8, 1e-5


def oracle_theta(
    x: Floats, y: Labels, c: float, weights: Floats | None = None, class_weight: str | None = None
) -> Floats:
    """(d + 1,) scikit-learn's parameters."""
    with warnings.catch_warnings():
        # at 1e-12 its line search may end at the rounding of the loss; where that is, it has arrived
        warnings.simplefilter("ignore", ConvergenceWarning)
        theirs = LogisticRegression(
            C=c, solver="newton-cholesky", tol=1e-12, max_iter=1000, class_weight=class_weight
        ).fit(x, y, sample_weight=weights)
    return np.append(theirs.coef_[0], theirs.intercept_[0])


def assert_same_optimum(x: Floats, y: Labels, c: float, weights: Floats | None = None) -> None:
    solution = Newton(c=c, tolerance=1e-11).solve(Problem(x, y, weights=weights), 0)
    assert solution.converged
    theirs = oracle_theta(x, y, c, weights)
    assert abs(value(solution.theta, x, y, c, weights) - value(theirs, x, y, c, weights)) <= LOSS_LIMIT
    assert np.abs(solution.theta - theirs).max() <= WEIGHT_LIMIT


def random_problem(seed: int, n: int, d: int, rare: int) -> tuple[Floats, Labels]:
    """Standardised, correlated rows; one row of class 1 to ``rare`` of class 0, and the classes overlap."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, d)) @ (np.eye(d) + 0.3 * generator.normal(size=(d, d)))
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    noisy = x @ generator.normal(size=d) / np.sqrt(d) + generator.logistic(size=n)
    return x, (noisy > np.quantile(noisy, rare / (1.0 + rare))).astype(np.uint8)


problems = given(
    seed=st.integers(0, 100_000), n=st.integers(100, 600), d=st.integers(1, 8), rare=st.sampled_from([1, 3, 10])
)


@pytest.mark.parametrize("c", [0.01, 1.0, 100.0, np.inf])
def test_on_raisin(raisin: Table, standardised: Floats, c: float) -> None:
    assert_same_optimum(standardised, raisin.y, c)


@pytest.mark.parametrize("c", [0.1, 1.0, 10.0])
def test_on_breast_cancer(c: float) -> None:
    x, y = load_breast_cancer(return_X_y=True)
    assert_same_optimum((x - x.mean(axis=0)) / x.std(axis=0), y.astype(np.uint8), c)


@pytest.mark.parametrize("y", [tickets.Y, tickets.flipped()], ids=["as-given", "eighth-flipped"])
@pytest.mark.parametrize("c", [0.1, 1.0, 10.0])
def test_on_the_tickets(c: float, y: Labels) -> None:
    assert_same_optimum(tickets.X, y, c)


@problems
@settings(max_examples=60, deadline=None)
def test_on_random_problems_with_penalty(seed: int, n: int, d: int, rare: int) -> None:
    x, y = random_problem(seed, n, d, rare)
    assert_same_optimum(x, y, float(10.0 ** np.random.default_rng(seed).uniform(-2, 3)))


@problems
@settings(max_examples=60, deadline=None)
def test_on_random_problems_without_penalty(seed: int, n: int, d: int, rare: int) -> None:
    x, y = random_problem(seed, n, d, rare)
    if Newton(c=np.inf).solve(Problem(x, y), 0).separation is None:
        assert_same_optimum(x, y, np.inf)
    else:
        assert separation_by_programming(x, y) is not None


@problems
@settings(max_examples=30, deadline=None)
def test_on_weighted_random_problems(seed: int, n: int, d: int, rare: int) -> None:
    x, y = random_problem(seed, n, d, rare)
    weights = np.random.default_rng(seed + 1).gamma(1.0, size=n)
    assert_same_optimum(x, y, 1.0, weights)


@problems
@settings(max_examples=30, deadline=None)
def test_with_balanced_classes(seed: int, n: int, d: int, rare: int) -> None:
    x, y = random_problem(seed, n, d, rare)
    solution = BalancedClasses(Newton(c=0.5, tolerance=1e-11)).solve(Problem(x, y), 0)
    theirs = oracle_theta(x, y, 0.5, class_weight="balanced")
    assert np.abs(solution.theta - theirs).max() <= WEIGHT_LIMIT


@problems
@settings(max_examples=30, deadline=None)
def test_exactly_collinear_features_by_logits(seed: int, n: int, d: int, rare: int) -> None:
    x, y = random_problem(seed, n, d, rare)
    mixed = x @ np.random.default_rng(seed).normal(size=(d, 2))
    collinear = np.column_stack([x, x[:, 0], -x[:, -1], mixed])
    for c in (1.0, np.inf):
        solution = Newton(c=c, tolerance=1e-11).solve(Problem(collinear, y), 0)
        if c == np.inf and solution.separation is not None:
            assert separation_by_programming(x, y) is not None
            continue
        assert solution.converged
        # without a penalty only the logits are determined, and are those of the features without their copies
        theirs = oracle_theta(collinear, y, c) if c == 1.0 else oracle_theta(x, y, c)
        expected = logits(theirs, collinear if c == 1.0 else x)
        np.testing.assert_allclose(logits(solution.theta, collinear), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("c", [1.0, np.inf])
@pytest.mark.parametrize("balanced", [False, True])
def test_on_raisin_in_blocks(raisin: Table, standardised: Floats, c: float, balanced: bool) -> None:
    blocks = [Block(raisin.x[start : start + 128], raisin.y[start : start + 128]) for start in range(0, 900, 128)]
    found = solve_blocks(blocks, c=c, tolerance=1e-11, balanced=balanced)
    assert found.converged
    theirs = oracle_theta(standardised, raisin.y, c, class_weight="balanced" if balanced else None)
    assert np.abs(found.theta - theirs).max() <= WEIGHT_LIMIT


@problems
@settings(max_examples=30, deadline=None)
def test_blocks_of_any_size_have_the_same_optimum(seed: int, n: int, d: int, rare: int) -> None:
    x, y = random_problem(seed, n, d, rare)
    rows = int(np.random.default_rng(seed).integers(1, n + 1))
    raw = 50.0 + 3.0 * x
    blocks = [Block(raw[start : start + rows], y[start : start + rows]) for start in range(0, n, rows)]
    found = solve_blocks(blocks, c=1.0, tolerance=1e-11)
    assert found.converged
    theirs = oracle_theta(x, y, 1.0)
    assert np.abs(np.append(found.coefficients, found.intercept) - theirs).max() <= WEIGHT_LIMIT
    assert abs(found.objective - value(theirs, x, y, 1.0)) <= LOSS_LIMIT

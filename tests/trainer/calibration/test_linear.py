"""Platt and temperature scaling, against optimisers that share no line with them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import _sigmoid_calibration
from sklearn.linear_model import LogisticRegression

from core.calibration import Calibration
from core.errors import DataError
from core.model import Floats, sigmoid
from trainer.calibration.platt import fit_platt
from trainer.calibration.temperature import fit_temperature
from trainer.table import Labels

Fit = Callable[..., Calibration]
BOTH = pytest.mark.parametrize("fitted", [fit_platt, fit_temperature])


def drawn(n: int, slope: float, offset: float, seed: int = 0) -> tuple[Floats, Labels]:
    generator = np.random.default_rng(seed)
    logit = generator.normal(scale=2, size=n)
    return logit, (generator.random(n) < sigmoid(slope * logit + offset)).astype(np.uint8)


def smoothed(y: Labels, weights: Floats) -> Floats:
    """Platt's targets, from the paper."""
    class_0, class_1 = weights[y == 0].sum(), weights[y == 1].sum()
    targets: Floats = np.where(y == 1, (class_1 + 1) / (class_1 + 2), 1 / (class_0 + 2))
    return targets


def by_scikit_learn(design: Floats, y: Labels, weights: Floats, intercept: bool) -> Floats:
    """A soft target is a row of each class, weighted: scikit-learn's own logistic regression without penalty."""
    target = smoothed(y, weights)
    model = LogisticRegression(
        C=np.inf, fit_intercept=intercept, solver="newton-cholesky", tol=1e-12, max_iter=1000
    )
    model.fit(
        np.vstack([design, design]),
        np.repeat([1, 0], len(y)),
        sample_weight=np.concatenate([weights * target, weights * (1 - target)]),
    )
    found: Floats = np.append(model.coef_[0], model.intercept_)
    return found


@pytest.mark.parametrize(("slope", "offset"), [(1.0, 0.0), (0.3, -1.0), (4.0, 2.0)])
@pytest.mark.parametrize("n", [30, 3_000])
@pytest.mark.parametrize("weighted", [False, True])
def test_both_reach_the_optimum_of_scikit_learn(slope: float, offset: float, n: int, weighted: bool) -> None:
    logit, y = drawn(n, slope, offset)
    weights = np.random.default_rng(1).uniform(0.1, 3, n) if weighted else np.ones(n)
    platt = fit_platt(logit, y, weights).values
    np.testing.assert_allclose(platt, by_scikit_learn(logit[:, None], y, weights, True), rtol=1e-7, atol=1e-7)
    temperature = fit_temperature(logit, y, weights).values
    assert temperature[1] == 0
    np.testing.assert_allclose(
        temperature, by_scikit_learn(logit[:, None], y, weights, False), rtol=1e-7, atol=1e-7
    )


def test_platt_is_what_scikit_learn_calls_sigmoid_calibration() -> None:
    logit, y = drawn(1_000, 0.4, 0.7)
    slope, offset = _sigmoid_calibration(logit, y.astype(np.float64))
    np.testing.assert_allclose(fit_platt(logit, y).values, [-slope, -offset], rtol=1e-4)


@BOTH
@given(
    st.lists(
        st.tuples(st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 1)), min_size=1, max_size=30
    )
)
def test_any_rows_have_a_map_or_a_sentence(fitted: Fit, rows: list[tuple[float, int]]) -> None:
    logit = np.array([row[0] for row in rows])
    y = np.array([row[1] for row in rows], dtype=np.uint8)
    try:
        calibration = fitted(logit, y)
    except DataError:
        return
    assert calibration.values[0] > 0
    assert np.isfinite(calibration.apply(logit)).all()


@BOTH
def test_separated_rows_have_a_finite_slope(fitted: Fit) -> None:
    logit = np.array([-3.0, -2.0, -1.0, 1.0, 2.0, 3.0])
    slope, offset = fitted(logit, (logit > 0).astype(np.uint8)).values
    assert 0.1 < slope < 10
    assert offset == pytest.approx(0, abs=1e-9)


@BOTH
def test_a_weight_counts_as_so_many_rows_of_the_same(fitted: Fit) -> None:
    logit, y = drawn(60, 0.5, 0.3)
    times = np.random.default_rng(2).integers(1, 4, 60)
    weighted = fitted(logit, y, times.astype(np.float64)).values
    np.testing.assert_allclose(
        weighted, fitted(np.repeat(logit, times), np.repeat(y, times)).values, rtol=1e-9, atol=1e-9
    )


@BOTH
def test_a_model_that_is_right_keeps_its_probabilities(fitted: Fit) -> None:
    logit, y = drawn(100_000, 1.0, 0.0)
    np.testing.assert_allclose(fitted(logit, y).values, [1.0, 0.0], atol=0.03)


@BOTH
@pytest.mark.parametrize("y", [[1, 1, 0, 0], [1, 1, 1, 1]])
def test_rows_that_contradict_the_model_are_refused(fitted: Fit, y: list[int]) -> None:
    with pytest.raises(DataError):
        fitted(np.array([-2.0, -1.0, 1.0, 2.0]), np.array(y, dtype=np.uint8))

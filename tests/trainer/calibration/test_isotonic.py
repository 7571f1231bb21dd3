"""Pool adjacent violators, against scikit-learn and against the min-max formula."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from core.errors import DataError
from core.model import Floats, sigmoid
from trainer.calibration.isotonic import fit_isotonic, isotonic_regression
from trainer.table import Labels

_VALUES = st.one_of(st.sampled_from([0.0, 1.0]), st.integers(-5, 5).map(float), st.floats(-1e3, 1e3))
_WEIGHTS = st.one_of(st.just(1.0), st.floats(0.01, 100))


def by_formula(values: Floats, weights: Floats) -> Floats:
    """max over starts of the min over ends of the mean between (Barlow et al. 1972, theorem 1.4)."""
    n = len(values)
    found = np.empty(n)
    for place in range(n):
        means = [
            min(
                float(np.average(values[start:stop], weights=weights[start:stop]))
                for stop in range(place + 1, n + 1)
            )
            for start in range(place + 1)
        ]
        found[place] = max(means)
    return found


@given(st.lists(st.tuples(_VALUES, _WEIGHTS), min_size=1, max_size=12))
def test_the_staircase_is_that_of_the_formula(rows: list[tuple[float, float]]) -> None:
    values, weights = (np.array(column) for column in zip(*rows, strict=True))
    np.testing.assert_allclose(
        isotonic_regression(values, weights), by_formula(values, weights), rtol=0, atol=1e-9
    )


@given(st.lists(st.tuples(_VALUES, _WEIGHTS), min_size=1, max_size=200))
def test_the_staircase_is_scikit_learns(rows: list[tuple[float, float]]) -> None:
    values, weights = (np.array(column) for column in zip(*rows, strict=True))
    oracle = IsotonicRegression().fit_transform(np.arange(len(values)), values, sample_weight=weights)
    np.testing.assert_allclose(isotonic_regression(values, weights), oracle, rtol=1e-12, atol=1e-12 * 1e3)


@pytest.mark.parametrize("n", [1, 2, 100_000])
def test_long_courses_of_every_kind_are_scikit_learns(n: int) -> None:
    generator = np.random.default_rng(0)
    rising = np.arange(float(n))
    courses = {
        "falling": -rising,
        "rising": rising,
        "one fall at the end": np.append(rising[:-1], -1e9 * n),
        "pairs that swap": rising + 1.5 * (rising % 2 == 0),
        "labels": (generator.random(n) < sigmoid(np.linspace(-4, 4, n))).astype(np.float64),
    }
    for name, course in courses.items():
        oracle = IsotonicRegression().fit_transform(rising, course)
        scale = max(1.0, np.abs(course).max())
        assert np.abs(isotonic_regression(course) - oracle).max() <= 1e-12 * scale, name


def drawn(n: int, seed: int = 0, digits: int = 1) -> tuple[Floats, Labels]:
    """Logits with many ties, and outcomes that they half explain."""
    generator = np.random.default_rng(seed)
    logit = generator.normal(scale=2, size=n).round(digits)
    return logit, (generator.random(n) < sigmoid(0.5 * logit)).astype(np.uint8)


@pytest.mark.parametrize("weighted", [False, True])
def test_a_fit_is_scikit_learns_within_platts_targets(weighted: bool) -> None:
    logit, y = drawn(2_000)
    weights = np.random.default_rng(1).uniform(0, 3, len(y)) if weighted else np.ones(len(y))
    class_0, class_1 = weights[y == 0].sum(), weights[y == 1].sum()
    bounds = {"y_min": 1 / (class_0 + 2), "y_max": (class_1 + 1) / (class_1 + 2)}
    oracle = IsotonicRegression(out_of_bounds="clip", **bounds).fit(logit, y, sample_weight=weights)
    asked = np.linspace(-9, 9, 1_001)
    found = fit_isotonic(logit, y, weights).apply(asked)
    np.testing.assert_allclose(found, oracle.predict(asked), rtol=0, atol=1e-12)


def test_rows_of_weight_zero_are_not_there() -> None:
    logit, y = drawn(500)
    far = np.append(logit, [-50.0, 50.0])
    values = fit_isotonic(far, np.append(y, [1, 0]).astype(np.uint8), np.append(np.ones(500), [0.0, 0.0])).values
    np.testing.assert_array_equal(values, fit_isotonic(logit, y).values)


def test_separated_rows_prove_nothing_impossible() -> None:
    y = np.array([0, 0, 0, 1, 1], dtype=np.uint8)
    calibration = fit_isotonic(np.arange(5.0), y)
    assert calibration.apply(np.array([-9.0, 2.0, 3.0, 9.0])).tolist() == [0.2, 0.2, 0.75, 0.75]


def test_logits_beyond_the_reported_ones_are_one_step() -> None:
    calibration = fit_isotonic(np.array([-1.7e308, 0.0, 1.7e308]), np.array([0, 1, 1], dtype=np.uint8))
    assert np.isfinite(calibration.values).all()


@pytest.mark.parametrize(
    ("logit", "y"),
    [([1.0, 1.0], [0, 1]), ([1.0, 2.0, 3.0], [1, 1, 0]), ([1.0, 2.0], [1, 1]), ([1.0, np.nan], [0, 1]), ([], [])],
)
def test_rows_that_say_nothing_are_refused(logit: list[float], y: list[int]) -> None:
    with pytest.raises(DataError):
        fit_isotonic(np.array(logit), np.array(y, dtype=np.uint8))


def test_weights_must_fit_the_values() -> None:
    for weights in (np.ones(2), np.array([1.0, 0.0, 1.0])):
        with pytest.raises(DataError, match="one weight above zero"):
            isotonic_regression(np.zeros(3), weights)
    assert isotonic_regression(np.empty(0)).shape == (0,)

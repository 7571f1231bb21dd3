"""The null distribution of the drift score against its closed form and against simulation."""

from __future__ import annotations

import numpy as np
import pytest

from core.drift_null import DRAWS, TAILS, WORK, null_mean, null_quantiles, null_standard_deviation, variance_factor
from core.model import Floats


def equicorrelated(d: int, r: float) -> Floats:
    return np.full((d, d), r) + (1 - r) * np.eye(d)


def test_the_variance_counts_window_and_reference() -> None:
    assert variance_factor(100, 720) == pytest.approx(1 / 100 + 1 / 720, rel=1e-15)


@pytest.mark.parametrize("d", [1, 2, 7, 50])
def test_independent_features_have_the_half_normal_deviation(d: int) -> None:
    v = 0.0113
    assert null_standard_deviation(np.eye(d), v) == pytest.approx(np.sqrt(v * (1 - 2 / np.pi) / d), rel=1e-12)


@pytest.mark.parametrize("d", [1, 2, 7, 50])
def test_features_that_are_one_count_as_one(d: int) -> None:
    one = null_standard_deviation(np.eye(1), 0.01)
    assert null_standard_deviation(equicorrelated(d, 1.0), 0.01) == pytest.approx(one, rel=1e-12)


@pytest.mark.parametrize("correlation", [equicorrelated(4, 0.6), np.array([[1.0, -0.9], [-0.9, 1.0]])])
def test_formula_and_simulation_agree(correlation: Floats) -> None:
    draws = np.random.default_rng(0).multivariate_normal(np.zeros(len(correlation)), correlation, 200_000)
    scores = np.abs(draws).mean(axis=1)
    assert scores.mean() == pytest.approx(null_mean(1.0), rel=0.01)
    assert scores.std() == pytest.approx(null_standard_deviation(correlation, 1.0), rel=0.01)


def test_the_sign_of_a_correlation_does_not_matter() -> None:
    plus, minus = (np.array([[1.0, r], [r, 1.0]]) for r in (0.7, -0.7))
    assert null_standard_deviation(plus, 1.0) == pytest.approx(null_standard_deviation(minus, 1.0), rel=1e-12)


def test_one_feature_has_the_quantiles_of_a_half_normal() -> None:
    expected = [
        0.6745,
        1.2816,
        1.6449,
        1.9600,
        2.3263,
        2.5758,
        2.8070,
        3.0902,
        3.2905,
    ]  # tables: z at 1 - tail / 2
    found = null_quantiles(np.eye(1), 0)
    assert found[: len(expected)].tolist() == pytest.approx(expected, rel=0.02)
    assert found.shape == TAILS.shape


@pytest.mark.parametrize("d", [1, 7, 50])
def test_quantiles_rise_and_repeat(d: int) -> None:
    correlation = equicorrelated(d, 0.5)
    first = null_quantiles(correlation, 5)
    assert (np.diff(first) > 0).all()
    assert first.tobytes() == null_quantiles(correlation, 5).tobytes()
    assert first.tobytes() != null_quantiles(correlation, 6).tobytes()


def test_correlation_widens_the_tail_of_fifty_features() -> None:
    loose, tight = null_quantiles(np.eye(50), 1), null_quantiles(equicorrelated(50, 0.9), 1)
    assert tight[-1] > 2 * loose[-1]


def test_a_correlation_that_rounding_made_indefinite_is_taken() -> None:
    nearly = equicorrelated(3, 1.0)
    nearly[0, 1] = nearly[1, 0] = 1.0 - 1e-13
    assert np.isfinite(null_quantiles(nearly, 0)).all()
    assert np.isfinite(null_standard_deviation(nearly + 1e-15, 1.0))


def test_work_is_bounded_and_small_sets_get_every_draw() -> None:
    assert WORK / 50**2 > DRAWS
    assert WORK / 500**2 < 20_000  # where the floor of draws takes over

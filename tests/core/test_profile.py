"""The training profile and its threshold; the table is that of docs on drift, computed on Raisin."""

from __future__ import annotations

import csv
import dataclasses
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from core.drift_null import TAILS, null_mean, null_standard_deviation, variance_factor
from core.errors import SchemaError, SettingsError
from core.model import Floats
from core.profile import TrainingProfile, profile_rows


@cache
def raisin_rows(path: Path) -> Floats:
    with path.open(encoding="utf-8") as file:
        return np.array([[float(value) for value in row[:-1]] for row in list(csv.reader(file))[1:]])


@cache
def raisin_profile(path: Path) -> TrainingProfile:
    """The whole set's statistics, taken as a reference of 720 rows."""
    names = tuple(f"f{index}" for index in range(7))
    return dataclasses.replace(profile_rows(raisin_rows(path), names, 0), rows=720)


def _names(d: int) -> tuple[str, ...]:
    return tuple(f"f{index}" for index in range(d))


@pytest.mark.parametrize(
    ("n", "mean", "deviation", "independent", "thresholds"),
    [
        (50, 0.117, 0.064, 0.033, (0.239, 0.307, 0.387)),
        (100, 0.085, 0.046, 0.024, (0.172, 0.222, 0.281)),
        (200, 0.064, 0.035, 0.018, (0.130, 0.168, 0.215)),
        (500, 0.046, 0.025, 0.013, (0.095, 0.122, 0.160)),
    ],
)
def test_the_table_for_raisin_holds(
    raisin_csv: Path, n: int, mean: float, deviation: float, independent: float, thresholds: tuple[float, ...]
) -> None:
    profile = raisin_profile(raisin_csv)
    v = variance_factor(n, 720)
    assert null_mean(v) == pytest.approx(mean, abs=0.0006)
    assert null_standard_deviation(profile.correlation, v) == pytest.approx(deviation, abs=0.001)
    assert null_standard_deviation(np.eye(7), v) == pytest.approx(independent, abs=0.0006)
    # the table's quantiles come from a bootstrap, whose last tail is known to a few percent only
    for tail, threshold, share in zip((0.05, 0.01, 0.001), thresholds, (0.012, 0.012, 0.05), strict=True):
        assert profile.threshold(n, tail) == pytest.approx(threshold, rel=share)


def test_thresholds_fall_with_the_window_and_rise_with_the_demand(raisin_csv: Path) -> None:
    profile = raisin_profile(raisin_csv)
    by_window = [profile.threshold(n, 0.01) for n in (10, 50, 100, 1000)]
    by_tail = [profile.threshold(100, tail) for tail in (0.5, 0.3, 0.05, 0.013, 0.01, 0.0001)]
    assert by_window == sorted(by_window, reverse=True)
    assert by_tail == sorted(by_tail)
    for tail, quantile in zip(TAILS.tolist(), profile.null_quantiles.tolist(), strict=True):
        assert profile.threshold(100, tail) == pytest.approx(quantile * np.sqrt(1 / 100 + 1 / 720), rel=1e-12)


@pytest.mark.parametrize("tail", [0.0, 0.51, 1.0, -0.1, 0.00009, float("nan"), float("inf")])
def test_a_tail_beyond_the_stored_quantiles_is_refused(raisin_csv: Path, tail: float) -> None:
    with pytest.raises(SettingsError, match=r"choose a value from 0\.0001 to 0\.5"):
        raisin_profile(raisin_csv).threshold(100, tail)


def test_statistics_are_those_of_numpy_with_divisor_n() -> None:
    x = np.random.default_rng(0).normal(size=(200, 3)) @ np.array(
        [[1.0, 0.5, 0.0], [0.0, 1.0, 0.3], [0.0, 0.0, 1.0]]
    )
    profile = profile_rows(x, _names(3), 1)
    assert profile.rows == 200
    assert profile.mean == pytest.approx(x.mean(axis=0), rel=1e-12)
    assert profile.standard_deviation == pytest.approx(x.std(axis=0), rel=1e-12)
    assert profile.correlation == pytest.approx(np.corrcoef(x.T), abs=1e-12)
    z = profile.standardise(x)
    assert z.mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-12)
    assert z.std(axis=0) == pytest.approx(np.ones(3), rel=1e-12)


@pytest.mark.parametrize("constant", [0.0, 5.0, 0.1, 1e300, -3.3e-7])
def test_a_constant_feature_has_no_variance_and_no_say(constant: float) -> None:
    x = np.random.default_rng(3).normal(size=(90, 3))
    x[:, 1] = constant
    profile = profile_rows(x, _names(3), 1)
    alone = profile_rows(np.delete(x, 1, axis=1), _names(2), 1)
    assert profile.varies.tolist() == [True, False, True]
    assert profile.mean[1] == constant
    assert profile.standard_deviation[1] == 0.0
    assert profile.correlation[1].tolist() == [0.0, 1.0, 0.0]
    assert profile.null_quantiles.tobytes() == alone.null_quantiles.tobytes()
    assert (profile.standardise(x + 7)[:, 1] == 0).all()


def test_variance_that_is_only_rounding_is_none() -> None:
    x = np.random.default_rng(3).normal(size=(90, 2))
    x[:, 1] = np.where(np.arange(90) % 2, 1e9, np.nextafter(1e9, 2e9))
    assert profile_rows(x, _names(2), 1).varies.tolist() == [True, False]


def test_where_nothing_varies_the_threshold_is_zero() -> None:
    profile = profile_rows(np.ones((10, 2)), _names(2), 1)
    assert not profile.varies.any()
    assert profile.threshold(50, 0.01) == 0.0


@pytest.mark.parametrize("d", [1, 50])
def test_one_feature_and_fifty_alarm_as_often_as_asked(d: int) -> None:
    """Reference: the known truth (a huge one). Stream: means of 100 standard normal rows, drawn directly."""
    generator = np.random.default_rng(d)
    mixing = np.eye(d) + 0.3
    scale = np.sqrt(np.diag(mixing @ mixing.T))
    reference = generator.normal(size=(100_000, d)) @ (mixing / scale[:, None]).T
    profile = profile_rows(reference, _names(d), 0)
    means = (generator.normal(size=(40_000, d)) / 10) @ (mixing / scale[:, None]).T
    scores = np.abs((means - profile.mean) / profile.standard_deviation).mean(axis=1)
    assert (scores > profile.threshold(100, 0.01)).mean() == pytest.approx(0.01, abs=0.002)


def test_equal_rows_and_seed_give_equal_profiles() -> None:
    x = np.random.default_rng(0).normal(size=(50, 4))
    first, second = (profile_rows(x.copy(), _names(4), 9) for _ in range(2))
    for name in ("mean", "standard_deviation", "correlation", "null_quantiles"):
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes()


@pytest.mark.parametrize(
    "x", [np.ones((1, 2)), np.ones((5, 3)), np.ones(4), np.empty((0, 2)), np.array([[1.0, np.nan], [0.0, 1.0]])]
)
def test_rows_that_make_no_profile_are_refused(x: Floats) -> None:
    with pytest.raises(SchemaError):
        profile_rows(x, _names(2), 0)

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from core.errors import DataError
from tests.trainer.metrics.judged_rows import JudgedRows, assert_alike, assert_all_alike, judged_rows
from trainer.metrics.reliability import (
    Binning,
    calibration_error_floor,
    expected_calibration_error,
    maximum_calibration_error,
    reliability_bins,
)

binnings: st.SearchStrategy[Binning] = st.sampled_from(["uniform", "quantile"])


@given(judged_rows(weighted=False), st.integers(1, 15), binnings)
def test_bins_that_hold_rows_are_scikit_learns(rows: JudgedRows, bins: int, binning: Binning) -> None:
    ours = reliability_bins(rows.y, rows.probability, bins=bins, binning=binning)
    observed, predicted = calibration_curve(rows.y, rows.probability, n_bins=bins, strategy=binning, pos_label=1)
    held = ours.weight > 0
    assert_all_alike(ours.observed_rate[held], observed)
    assert_all_alike(ours.mean_probability[held], predicted)
    assert np.isnan(ours.observed_rate[~held]).all()
    assert ours.weight.sum() == len(rows.y)
    assert ours.edges.shape == (bins + 1,)


@given(judged_rows(), st.integers(1, 15), binnings)
def test_calibration_errors_are_those_of_a_naive_loop(rows: JudgedRows, bins: int, binning: Binning) -> None:
    edges = reliability_bins(rows.y, rows.probability, bins=bins, binning=binning).edges
    weights = np.ones(len(rows.y)) if rows.weights is None else rows.weights
    held: dict[int, list[tuple[float, float, int]]] = {}
    for y, p, w in zip(rows.y.tolist(), rows.probability.tolist(), weights.tolist(), strict=True):
        place = 0
        while place < bins - 1 and p > edges[place + 1]:
            place += 1
        held.setdefault(place, []).append((w, p, y))
    expected, largest = 0.0, 0.0
    for members in held.values():
        weight = sum(w for w, _, _ in members)
        if not weight:
            continue
        gap = abs(sum(w * y for w, _, y in members) / weight - sum(w * p for w, p, _ in members) / weight)
        expected += weight / sum(weights.tolist()) * gap
        largest = max(largest, gap)
    ours = [
        error(rows.y, rows.probability, rows.weights, bins=bins, binning=binning)
        for error in (expected_calibration_error, maximum_calibration_error)
    ]
    assert_alike(ours[0], expected)
    assert_alike(ours[1], largest)


def test_an_edge_belongs_to_the_bin_below_it() -> None:
    bins = reliability_bins(np.array([0, 1, 1], dtype=np.uint8), np.array([0.0, 0.5, 1.0]), bins=2)
    assert bins.weight.tolist() == [2.0, 1.0]


def test_quantile_bins_hold_equally_many_rows() -> None:
    p = np.random.default_rng(3).beta(1, 8, 1000)
    bins = reliability_bins(np.zeros(1000, dtype=np.uint8), p, binning="quantile")
    assert bins.weight.tolist() == [100.0] * 10


def test_weights_that_repeat_rows_leave_uniform_bins_as_repeated_rows_do() -> None:
    random = np.random.default_rng(4)
    y, p, times = random.integers(0, 2, 60).astype(np.uint8), random.random(60), random.integers(0, 4, 60)
    weighted = reliability_bins(y, p, weights=times.astype(float))
    repeated = reliability_bins(np.repeat(y, times), np.repeat(p, times))
    assert_all_alike(weighted.observed_rate, repeated.observed_rate)
    assert_all_alike(weighted.mean_probability, repeated.mean_probability)


def test_the_floor_is_what_a_perfect_model_reaches_by_chance() -> None:
    random = np.random.default_rng(5)
    p = random.beta(0.5, 0.5, 900)
    errors = [expected_calibration_error((random.random(900) < p).astype(np.uint8), p) for _ in range(400)]
    assert calibration_error_floor(p) == pytest.approx(np.mean(errors), rel=0.05)
    doubled = calibration_error_floor(p, weights=np.full(900, 2.0))
    assert doubled == pytest.approx(calibration_error_floor(p))


def test_certain_probabilities_leave_nothing_to_chance() -> None:
    assert calibration_error_floor(np.array([0.0, 1.0])) == 0.0


def test_no_bins_are_refused() -> None:
    with pytest.raises(DataError, match="at least one"):
        expected_calibration_error(np.array([1], dtype=np.uint8), np.array([0.5]), bins=0)

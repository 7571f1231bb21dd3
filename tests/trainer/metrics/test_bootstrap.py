from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from core.errors import DataError
from core.model import Floats, sigmoid
from tests.trainer.metrics.judged_rows import JudgedRows, judged_rows
from trainer.metrics import bootstrap as module
from trainer.metrics.bootstrap import Bootstrap, Figures, Interval
from trainer.metrics.confusion import ThresholdedRows
from trainer.metrics.probability import ScoredRows
from trainer.metrics.ranking import RankedRows
from trainer.metrics.reliability import BinnedRows, largest_gap, sum_of_gaps
from trainer.table import Labels

#: Test A of 26 neurologically impaired children: Efron and Tibshirani 1993, table 14.1.
SPATIAL_TEST_A = np.array(
    [48, 36, 20, 29, 42, 42, 20, 42, 22, 41, 45, 14, 6, 0, 33, 28, 34, 4, 32, 24, 47, 41, 24, 26, 30, 41],
    dtype=np.float64,
)


def variance_of(values: Floats) -> Figures:
    """The variance (divisor n) of values (n,) under weights."""

    def variance(weights: Floats) -> Floats:
        total = weights.sum(axis=1)
        figures: Floats = (weights @ values**2) / total - ((weights @ values) / total) ** 2
        return figures

    return variance


def mean_of(values: Floats) -> Figures:
    return ScoredRows(values).mean


def all_figures(y: Labels, p: Floats) -> Figures:
    """Every scalar metric of rows (n,), under weights."""
    thresholded, ranked = ThresholdedRows.of(y, p, np.array([0.5])), RankedRows.of(y, p)
    binned = BinnedRows.of(y, p)

    def figures(w: Floats) -> Floats:
        counts = thresholded.counts(w)
        of_class = (counts.precision, counts.recall, counts.specificity, counts.f1)
        of_both = (counts.accuracy, counts.balanced_accuracy, counts.mcc)
        overall = (ranked.area_under_curve(w), ranked.average_precision(w), ScoredRows((p - y) ** 2).mean(w))
        errors = (sum_of_gaps(binned.weighted_gaps(w)), largest_gap(binned.gaps(w)))
        return np.column_stack([*of_class, *of_both, *overall, *errors])

    return figures


def expected_errors(rows: BinnedRows) -> Figures:
    return lambda weights: sum_of_gaps(rows.weighted_gaps(weights))


def outcomes_of(p: Floats, seed: int) -> Labels:
    """Outcomes (n,) that come as often as their probability says."""
    return (np.random.default_rng(seed).random(len(p)) < p).astype(np.uint8)


def expect_interval(interval: Interval | None) -> Interval:
    assert interval is not None
    return interval


def nothing(rows: int) -> Labels:
    return np.zeros(rows, dtype=np.uint8)


@given(judged_rows(weighted=False))
@settings(max_examples=50)
def test_a_resample_of_weights_is_a_resample_of_rows(rows: JudgedRows) -> None:
    n = len(rows.y)
    drawn = np.random.default_rng(6).integers(0, n, size=(5, n))
    weightings = np.array([np.bincount(sample, minlength=n) for sample in drawn], dtype=np.float64)
    weighted = all_figures(rows.y, rows.probability)(weightings)
    for sample, figures in zip(drawn, weighted, strict=True):
        repeated = all_figures(rows.y[sample], rows.probability[sample])(np.ones((1, n)))[0]
        np.testing.assert_allclose(figures, repeated, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("method", "low", "high"), [("percentile", 100.8, 233.9), ("bca", 115.8, 259.6)])
def test_intervals_are_those_of_the_textbook(method: str, low: float, high: float) -> None:
    bootstrap = Bootstrap(20_000, 0.9, "bca" if method == "bca" else "percentile")
    (interval,) = bootstrap.intervals(variance_of(SPATIAL_TEST_A), nothing(26))
    # the book drew 2,000 resamples: its ends are known to a standard error of about 2
    assert expect_interval(interval).estimate == pytest.approx(171.5, abs=0.05)
    assert expect_interval(interval).low == pytest.approx(low, abs=5)
    assert expect_interval(interval).high == pytest.approx(high, abs=6)


@pytest.mark.parametrize("method", ["bca", "percentile"])
def test_the_interval_of_a_mean_is_the_normal_one(method: str) -> None:
    values = np.random.default_rng(7).normal(3.0, 2.0, 2_000)
    bootstrap = Bootstrap(8_000, method="bca" if method == "bca" else "percentile")
    (found,) = bootstrap.intervals(mean_of(values), nothing(2_000))
    interval = expect_interval(found)
    reach = 1.96 * values.std() / np.sqrt(2_000)
    assert interval.low == pytest.approx(values.mean() - reach, abs=reach / 15)
    assert interval.high == pytest.approx(values.mean() + reach, abs=reach / 15)


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    random = np.random.default_rng(8)
    covered = 0
    for seed in range(200):
        p = np.asarray(sigmoid(random.normal(0, 1.5, 120)))
        y = outcomes_of(p, seed)
        # the mean of y - p is zero for calibrated probabilities
        (found,) = Bootstrap(400, 0.9).intervals(mean_of(y - p), y)
        interval = expect_interval(found)
        covered += interval.low <= 0.0 <= interval.high
    assert covered / 200 == pytest.approx(0.9, abs=0.06)


def test_equal_seeds_give_equal_intervals_whatever_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    p = np.random.default_rng(9).random(150)
    y = outcomes_of(p, 19)
    first = Bootstrap(300, seed=4).intervals(all_figures(y, p), y)
    assert Bootstrap(300, seed=4).intervals(all_figures(y, p), y) == first
    assert Bootstrap(300, seed=5).intervals(all_figures(y, p), y) != first
    monkeypatch.setattr(module, "BLOCK_VALUES", 1_000)
    for ours, blockwise in zip(first, Bootstrap(300, seed=4).intervals(all_figures(y, p), y), strict=True):
        expected = expect_interval(ours)
        found = expect_interval(blockwise)
        assert [found.low, found.high] == pytest.approx([expected.low, expected.high], rel=1e-9)


def test_more_rows_than_jackknife_groups_change_the_acceleration_little(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(10).exponential(size=600)
    monkeypatch.setattr(module, "JACKKNIFE_GROUPS", 600)
    (one_by_one,) = Bootstrap().intervals(variance_of(values), nothing(600))
    monkeypatch.setattr(module, "JACKKNIFE_GROUPS", 300)
    (grouped,) = Bootstrap().intervals(variance_of(values), nothing(600))
    exact, near = expect_interval(one_by_one), expect_interval(grouped)
    width = exact.high - exact.low
    assert [near.low, near.high] == pytest.approx([exact.low, exact.high], abs=width / 20)
    assert grouped != one_by_one


def test_strata_keep_the_number_of_rows_of_each_class() -> None:
    y = np.array([1] * 5 + [0] * 45, dtype=np.uint8)
    share = mean_of(y.astype(np.float64))
    assert Bootstrap(200).intervals(share, y)[0] is not None
    assert Bootstrap(200, stratified=True).intervals(share, y) == (None,)


def test_strata_make_rare_positives_recallable() -> None:
    p = np.array([0.9, 0.4] + [0.1] * 58)
    y = np.array([1, 1] + [0] * 58, dtype=np.uint8)
    rows = ThresholdedRows.of(y, p, np.array([0.5]))

    def recall(w: Floats) -> Floats:
        return rows.counts(w).recall

    # one resample in seven has no positive: more than the tail
    assert Bootstrap(500).intervals(recall, y) == (None,)
    assert Bootstrap(500, stratified=True).intervals(recall, y) == (Interval(0.5, 0.0, 1.0),)


def test_rows_that_cannot_tell_give_no_interval() -> None:
    one_row = Bootstrap(50).intervals(mean_of(np.array([0.3])), nothing(1))
    assert one_row == (None,)
    right = np.array([0, 0, 1, 1] * 5, dtype=np.uint8)
    ranked = RankedRows.of(right, np.where(right == 1, 0.9, 0.1))
    assert Bootstrap(200).intervals(ranked.area_under_curve, right) == (None,)
    one_class = RankedRows.of(nothing(8), np.linspace(0, 1, 8))
    assert Bootstrap(50).intervals(one_class.area_under_curve, nothing(8)) == (None,)


def test_rows_of_weight_zero_do_not_count() -> None:
    values = np.append(np.random.default_rng(11).normal(size=80), [1e9] * 20)
    weights = np.append(np.ones(80), np.zeros(20))
    (found,) = Bootstrap(300).intervals(mean_of(values), nothing(100), weights)
    interval = expect_interval(found)
    assert interval.estimate == pytest.approx(values[:80].mean())
    assert -1.0 < interval.low < interval.estimate < interval.high < 1.0


def test_a_single_row_of_any_weight_gives_no_interval() -> None:
    values, weights = np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0, 0.0])
    assert Bootstrap(100).intervals(mean_of(values), nothing(3), weights) == (None,)


def test_a_calibrated_model_may_have_no_calibration_error_where_plain_intervals_deny_it() -> None:
    held, denied = 0, 0
    for seed in range(40):
        p = np.asarray(sigmoid(np.random.default_rng(seed).normal(0, 2, 300)))
        y = outcomes_of(p, 1_000 + seed)
        rows = BinnedRows.of(y, p)
        held += expect_interval(Bootstrap(400).gap_interval(rows.weighted_gaps, sum_of_gaps, y)).low == 0.0
        (plain,) = Bootstrap(400, method="percentile").intervals(expected_errors(rows), y)
        denied += expect_interval(plain).low > 0.0
    assert held >= 34
    assert denied == 40


def test_a_badly_calibrated_model_is_found_out() -> None:
    logit = np.random.default_rng(12).normal(0, 2, 900)
    y = outcomes_of(np.asarray(sigmoid(0.3 * logit)), 12)
    rows = BinnedRows.of(y, np.asarray(sigmoid(logit)))
    expected = expect_interval(Bootstrap(400).gap_interval(rows.weighted_gaps, sum_of_gaps, y))
    largest = expect_interval(Bootstrap(400).gap_interval(rows.gaps, largest_gap, y))
    assert 0.05 < expected.low < expected.estimate < expected.high < 0.4
    assert 0.05 < largest.low < largest.estimate < largest.high <= 1.0


def test_gaps_of_one_row_or_of_no_number_give_no_interval() -> None:
    one = BinnedRows.of(nothing(1), np.array([0.3]))
    assert Bootstrap(50).gap_interval(one.weighted_gaps, sum_of_gaps, nothing(1)) is None
    lost = BinnedRows.of(nothing(2), np.array([0.3, np.nan]))
    assert Bootstrap(50).gap_interval(lost.weighted_gaps, sum_of_gaps, nothing(2)) is None


@pytest.mark.parametrize(
    ("replicates", "confidence", "advice"),
    [(1, 0.95, "at least two"), (100, 0.0, "between 0 and 1"), (100, 95.0, "between 0 and 1")],
)
def test_settings_that_give_no_interval_are_refused(replicates: int, confidence: float, advice: str) -> None:
    with pytest.raises(DataError, match=advice):
        Bootstrap(replicates, confidence)

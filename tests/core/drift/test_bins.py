"""Bins: what they count, what no drift gives, and what a change of spread gives."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.drift.bins import BINS, Bins, Counts, chi_square_quantile, chi_square_tail, fit_bins
from core.model import Floats

_REFERENCE_ROWS = 720


def gaussian(seed: int, columns: int, rows: int) -> Floats:
    return np.random.default_rng(seed).standard_normal((columns, rows))


def counted_one_by_one(bins: Bins, columns: Floats) -> Counts:
    """The definition: bin k holds what is above edge k - 1 and at most edge k."""
    return np.array(
        [
            np.bincount(np.searchsorted(edges, column, side="left"), minlength=BINS)
            for edges, column in zip(bins.edges, columns, strict=True)
        ]
    )


def statistics(bins: Bins, windows: Counts) -> Floats:
    """(w, c) statistics of many windows (w, c, 10)."""
    many = Bins(np.tile(bins.edges, (len(windows), 1)), np.tile(bins.shares, (len(windows), 1)), bins.rows)
    return many.distances(windows.reshape(-1, BINS)).statistic.reshape(windows.shape[:2])


def assert_each_bin_holds_reference_rows(bins: Bins, columns: Floats) -> None:
    counts = bins.count(columns)
    real = np.isfinite(bins.edges).sum(axis=1)
    for own, last in zip(counts, real, strict=True):
        assert (own[: last + 1] > 0).all()
        assert (own[last + 1 :] == 0).all()
    np.testing.assert_array_equal(np.rint(bins.shares * bins.rows), counts)


@pytest.mark.parametrize("n", [1, 7, 8, 9, 100, 25_000])
def test_counts_are_those_of_the_definition(n: int) -> None:
    bins = fit_bins(gaussian(0, 9, _REFERENCE_ROWS))
    window = gaussian(1, 9, n)
    window[:, 0] = bins.edges[:, 3]  # on an edge
    np.testing.assert_array_equal(bins.count(window), counted_one_by_one(bins, window))


def test_counts_of_panes_add_up_to_their_window() -> None:
    bins = fit_bins(gaussian(0, 9, _REFERENCE_ROWS))
    window = gaussian(1, 9, 1000)
    panes = [bins.count(pane) for pane in np.split(window, [1, 90, 345, 345], axis=1)]
    np.testing.assert_array_equal(sum(panes), bins.count(window))


def test_what_is_no_number_is_counted_once_in_the_last_bin() -> None:
    counts = fit_bins(gaussian(0, 1, 100)).count(np.array([[np.nan, np.inf, -np.inf]]))
    assert counts[0].tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0, 2]


def test_a_column_without_ties_has_ten_equal_bins() -> None:
    bins = fit_bins(gaussian(0, 3, _REFERENCE_ROWS))
    assert (bins.shares == 0.1).all()


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=60))
def test_every_bin_of_tied_values_holds_reference_rows(values: list[int]) -> None:
    column = np.array([values], dtype=np.float64)
    assert_each_bin_holds_reference_rows(fit_bins(column), column)


@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=60))
def test_every_bin_of_any_values_holds_reference_rows(values: list[float]) -> None:
    column = np.array([values])
    assert_each_bin_holds_reference_rows(fit_bins(column), column)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
def test_a_column_of_zeros_and_ones_has_a_bin_for_each(share: float) -> None:
    ones = int(share * _REFERENCE_ROWS)
    column = np.array([[1.0] * ones + [0.0] * (_REFERENCE_ROWS - ones)])
    bins = fit_bins(column)
    assert bins.edges[0].tolist() == [0.5] + [np.inf] * 8
    assert bins.shares[0, :2].tolist() == pytest.approx([1 - ones / 720, ones / 720])


def test_integers_keep_equal_values_together() -> None:
    column = np.random.default_rng(2).poisson(3.0, (1, _REFERENCE_ROWS)).astype(np.float64)
    bins = fit_bins(column)
    assert_each_bin_holds_reference_rows(bins, column)
    edges = bins.edges[0, np.isfinite(bins.edges[0])]
    assert len(edges) >= 4
    assert (edges % 1.0 == 0.5).all()


def test_most_rows_tied_leaves_the_rest_a_bin_on_either_side() -> None:
    rest = np.abs(gaussian(3, 1, 36))
    for sign in (1.0, -1.0):
        bins = fit_bins(np.concatenate([sign * rest, np.zeros((1, 684))], axis=1))
        assert sorted(bins.shares[0])[-2:] == pytest.approx([0.05, 0.95])


def test_a_constant_column_is_never_judged() -> None:
    bins = fit_bins(np.array([[3.0] * 100, list(range(100))]))
    counts = bins.count(np.array([[9.0] * 50, [1000.0] * 50]))
    assert bins.thresholds(50, 0.01)[0] == np.inf
    assert bins.distances(counts).statistic[0] == 0.0
    assert bins.distances(counts).statistic[1] > bins.thresholds(50, 0.01)[1]


def test_one_other_row_in_a_constant_column_is_no_bin_to_judge() -> None:
    bins = fit_bins(np.array([[0.0] * 719 + [1.0]]))
    assert np.isinf(bins.thresholds(100_000, 0.01)).all()
    everything_moved = bins.distances(bins.count(np.ones((1, 100))))
    assert everything_moved.statistic.tolist() == [0.0]
    assert np.isfinite(everything_moved.stability_index).all()
    assert everything_moved.kolmogorov[0] == pytest.approx(719 / 720)


def test_heavy_tails_have_deciles_as_any_column() -> None:
    bins = fit_bins(np.random.default_rng(4).standard_cauchy((1, _REFERENCE_ROWS)))
    assert (bins.shares == 0.1).all()
    wider = 2.5 * np.random.default_rng(5).standard_cauchy((1, 500))
    assert bins.distances(bins.count(wider)).statistic[0] > bins.thresholds(500, 1e-4)[0]


def test_few_reference_rows_make_few_bins_and_wide_bounds() -> None:
    few, many = fit_bins(gaussian(6, 1, 30)), fit_bins(gaussian(6, 1, 3000))
    # pairs of bins of 3 rows: 4 degrees of freedom instead of 9
    expected = chi_square_quantile(0.01, 4)
    assert few.thresholds(500, 0.01, known_truth=True)[0] == pytest.approx(expected, rel=1e-3)
    assert few.thresholds(500, 0.01)[0] > 3 * many.thresholds(500, 0.01)[0]


def test_few_records_are_judged_in_fewer_bins_and_hardly_any_not_at_all() -> None:
    bins = fit_bins(gaussian(7, 1, _REFERENCE_ROWS))
    for records, degrees in ((50, 9), (49, 4), (25, 4), (24, 2), (10, 1)):
        smallest = records * {9: 0.1, 4: 0.2, 2: 0.3, 1: 0.5}[degrees]
        expected = chi_square_quantile(0.01 / (1 + (2.5 / smallest) ** 2), degrees)
        assert bins.thresholds(records, 0.01, known_truth=True)[0] == pytest.approx(expected)
    assert bins.thresholds(9, 0.01)[0] == np.inf
    assert bins.distances(bins.count(np.full((1, 9), 100.0))).statistic[0] == 0.0


def test_no_records_are_at_no_distance() -> None:
    bins = fit_bins(gaussian(8, 2, 100))
    distances = bins.distances(bins.count(np.zeros((2, 0))))
    for values in (distances.statistic, distances.stability_index, distances.kolmogorov):
        assert values.tolist() == [0.0, 0.0]


def test_the_figures_are_those_of_their_formulas() -> None:
    bins = Bins(np.array([[0.0] + [np.inf] * 8]), np.array([[0.4, 0.6] + [0.0] * 8]), 1000)
    distances = bins.distances(np.array([[70, 30] + [0] * 8]))
    williams = 1 + (1 / 0.4 + 1 / 0.6 - 1) / (6 * 100 * 1)
    g = 2 * (70 * np.log(70 / 40) + 30 * np.log(30 / 60))
    assert distances.statistic[0] == pytest.approx(g / williams, rel=1e-12)
    window, reference = np.array([70.5, 30.5]) / 101, np.array([400.5, 600.5]) / 1001
    index = ((window - reference) * np.log(window / reference)).sum()
    assert distances.stability_index[0] == pytest.approx(index, rel=1e-12)
    assert distances.kolmogorov[0] == pytest.approx(0.3)


def test_empty_bins_leave_every_figure_finite() -> None:
    bins = fit_bins(gaussian(9, 1, _REFERENCE_ROWS))
    distances = bins.distances(bins.count(np.full((1, 500), 7.0)))
    for value in (distances.statistic[0], distances.stability_index[0], distances.kolmogorov[0]):
        assert np.isfinite(value)
        assert value > 0


@pytest.mark.parametrize(
    ("tail", "degrees", "expected"),
    [(0.05, 1, 3.841), (0.05, 9, 16.919), (0.01, 4, 13.277), (0.001, 9, 27.877), (0.0005, 2, 15.202)],
)
def test_quantiles_are_those_of_the_tables(tail: float, degrees: int, expected: float) -> None:
    assert chi_square_quantile(tail, degrees) == pytest.approx(expected, abs=0.0006)


@pytest.mark.parametrize("degrees", range(1, BINS))
def test_quantiles_agree_with_scipy_far_in_the_tail(degrees: int) -> None:
    reference = importlib.import_module("scipy.stats")  # comes with scikit-learn; it ships no types
    for tail in (0.5, 0.05, 1e-3, 1e-6, 1e-9):
        assert chi_square_quantile(tail, degrees) == pytest.approx(reference.chi2.isf(tail, degrees), rel=1e-9)
        for noncentrality in (0.3, 16.0, 1600.0):
            x = chi_square_quantile(tail, degrees, noncentrality)
            assert reference.ncx2.sf(x, degrees, noncentrality) == pytest.approx(tail, rel=1e-6)


def test_everything_is_beyond_nothing() -> None:
    assert chi_square_tail(0.0, 3) == 1.0
    assert chi_square_tail(1e6, 3) == 0.0


@pytest.mark.parametrize("tail", [0.0, 1.0, -0.1, np.nan])
def test_a_tail_that_is_no_probability_is_refused(tail: float) -> None:
    with pytest.raises(ValueError, match="no probability"):
        fit_bins(gaussian(0, 1, 100)).thresholds(100, tail)


def test_bins_of_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one reference record"):
        fit_bins(np.zeros((2, 0)))


@pytest.mark.parametrize("n", [50, 100, 200, 500, 2000])
def test_false_alarms_of_a_known_truth_keep_their_rate(n: int) -> None:
    """Nine independent columns of 720 rows; windows drawn from those very rows."""
    bins = fit_bins(gaussian(10, 9, _REFERENCE_ROWS))
    generator = np.random.default_rng(n)
    drawn = [generator.multinomial(n, shares, 60_000) for shares in bins.shares]
    found = statistics(bins, np.stack(drawn, axis=1))
    for tail, low, high in ((0.01, 0.85, 1.35), (0.001, 0.6, 1.6)):
        rate = (found > bins.thresholds(n, tail, known_truth=True)).any(axis=1).mean() / tail
        assert low < rate < high


@pytest.mark.parametrize(("rows", "n"), [(30, 500), (720, 50), (720, 500), (720, 5000)])
def test_at_least_95_percent_of_references_keep_the_rate(rows: int, n: int) -> None:
    """One uniform column, whose bins' true shares lie between the edges; 300 references, 4,000 windows each."""
    generator = np.random.default_rng(rows + n)
    above = 0
    for _ in range(300):
        bins = fit_bins(generator.random((1, rows)))
        truth = np.diff(bins.edges[0], prepend=0.0, append=1.0)
        windows = generator.multinomial(n, truth, 4000)[:, None]
        above += bool((statistics(bins, windows) > bins.thresholds(n, 0.01)).mean() > 0.0115)  # .01 and the noise
    assert 0.01 <= above / 300 <= 0.08  # 5 %; below 1 % the bounds would be wider than they need be


def test_a_change_of_spread_alone_is_found_and_blamed() -> None:
    """SD x 1.5 in one of nine columns, n = 500, N = 720, one false alarm in 400 windows: found in 98 of 100."""
    found = blamed = 0
    for seed in range(100):
        bins = fit_bins(gaussian(seed, 9, _REFERENCE_ROWS))
        window = gaussian(1000 + seed, 9, 500)
        window[3] *= 1.5
        thresholds = bins.thresholds(500, 2.5e-3)
        distances = bins.distances(bins.count(window))
        found += bool((distances.statistic > thresholds).any())
        blamed += int(distances.blame(thresholds)[0]) == 3
    assert found >= 93
    assert blamed == 100


def test_bounds_rise_with_the_demand_the_columns_and_the_doubt_about_the_reference() -> None:
    one, nine = fit_bins(gaussian(11, 1, _REFERENCE_ROWS)), fit_bins(gaussian(11, 9, _REFERENCE_ROWS))
    assert one.thresholds(500, 1e-3)[0] > one.thresholds(500, 1e-2)[0]
    assert nine.thresholds(500, 1e-2)[0] > one.thresholds(500, 1e-2)[0]
    assert nine.thresholds(500, 1e-2)[0] > nine.thresholds(100, 1e-2)[0]  # as n grows, the reference's own error
    assert nine.thresholds(100, 1e-2)[0] > nine.thresholds(100, 1e-2, known_truth=True)[0]


def test_the_bound_is_the_noncentral_quantile_of_the_derivation() -> None:
    bins = fit_bins(gaussian(12, 9, _REFERENCE_ROWS))
    unlucky = chi_square_quantile(0.05 / 9, 9)
    tail = 2.5e-3 / (1 + (2.5 / 50) ** 2)  # 50 records expected in each bin
    expected = chi_square_quantile(tail / 9, 9, unlucky * 500 / 720)
    assert bins.thresholds(500, 2.5e-3).tolist() == pytest.approx([expected] * 9)


def test_columns_that_are_not_judged_take_no_share_of_the_rate() -> None:
    varying = gaussian(13, 2, _REFERENCE_ROWS)
    alone = fit_bins(varying)
    beside = fit_bins(np.concatenate([varying, np.ones((5, _REFERENCE_ROWS))]))
    assert beside.thresholds(200, 0.01)[:2].tolist() == alone.thresholds(200, 0.01).tolist()


def test_blame_leaves_columns_that_are_not_judged_to_the_end() -> None:
    bins = fit_bins(np.concatenate([np.ones((1, 720)), gaussian(14, 2, _REFERENCE_ROWS)]))
    window = np.concatenate([np.full((1, 500), 5.0), gaussian(15, 2, 500)])
    window[2] += 0.5
    distances = bins.distances(bins.count(window))
    assert distances.blame(bins.thresholds(500, 0.01)).tolist() == [2, 1, 0]
    assert distances.stability_index[2] > 10 * distances.stability_index[1]

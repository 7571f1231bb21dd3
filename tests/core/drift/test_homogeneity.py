"""Homogeneity of a reference: what is refused, how often wrongly, and what is said of the change."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from core.drift.autocorrelation import estimate_autocorrelation
from core.drift.homogeneity import (
    PERMUTATIONS,
    examine_homogeneity,
    is_grouped_by_class,
)
from core.drift.whitener import fit_whitener
from core.model import Floats

_ROWS = 720
_FEATURES = ("a", "b", "c", "d", "e", "f", "g")


def gaussian(seed: int, width: int = 7, rows: int = _ROWS) -> Floats:
    return np.random.default_rng(seed).standard_normal((width, rows))


def autoregressive(seed: int, width: int, rows: int, r: float) -> Floats:
    noise: Floats = gaussian(seed, width, rows) * np.sqrt(1 - r * r)
    columns = np.empty_like(noise)
    last = gaussian(seed + 1_000_000, width, 1)[:, 0]
    for row in range(rows):
        last = r * last + noise[:, row]
        columns[:, row] = last
    return columns


def raisin(path: Path) -> Floats:
    with path.open(encoding="utf-8") as file:
        rows: Floats = np.array([[float(value) for value in row[:-1]] for row in list(csv.reader(file))[1:]])
    return rows


def whitened(rows: Floats) -> Floats:
    """(d, N) of raw rows (N, d), as a reference's transform does it."""
    z = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    return np.ascontiguousarray(fit_whitener(z).whitened(z)[0].T)


def assert_refused_from(columns: Floats, row: int, within: int) -> None:
    found = examine_homogeneity(columns)
    assert found.drifts
    assert found.p_value == 1 / (1 + PERMUTATIONS)
    assert abs(found.split - row) <= within
    assert np.concatenate([found.before, found.after]).tolist() == list(range(columns.shape[1]))


@pytest.mark.parametrize("width", [1, 7, 50])
def test_p_values_of_independent_rows_are_what_they_say(width: int) -> None:
    """Of 600 references one in a thousand is refused, and one in twenty has a p-value of at most .05."""
    found = np.array([examine_homogeneity(gaussian(seed, width, 200)).p_value for seed in range(600)])
    assert (found <= 0.001).sum() <= 4
    assert 0.025 <= (found <= 0.05).mean() <= 0.08
    assert 0.43 <= (found <= 0.5).mean() <= 0.57


def test_independent_draws_of_raisin_are_not_refused(raisin_csv: Path) -> None:
    rows = raisin(raisin_csv)
    found = [
        examine_homogeneity(whitened(rows[np.random.default_rng(seed).integers(0, len(rows), _ROWS)])).drifts
        for seed in range(300)
    ]
    assert sum(found) <= 3


@pytest.mark.parametrize("size", [0.3, 0.5, -0.5])
def test_a_step_of_every_feature_is_refused_from_its_row(size: float) -> None:
    columns = gaussian(1)
    columns[:, 300:] += size
    assert_refused_from(columns, 300, within=15)


@pytest.mark.parametrize("width", [7, 50])
def test_half_a_deviation_in_one_feature_is_mostly_refused(width: int) -> None:
    """Measured: 99 of 100 with 7 features, 92 with 50; .3 SD in one of 7 a quarter."""
    refused = 0
    for seed in range(20):
        columns = gaussian(seed, width)
        columns[0, 360:] += 0.5
        refused += examine_homogeneity(columns).drifts
    assert refused >= {7: 18, 50: 14}[width]


def test_a_ramp_is_refused() -> None:
    columns = gaussian(2) + np.linspace(0.0, 0.5, _ROWS)
    assert_refused_from(columns, 360, within=200)


def test_a_change_of_one_raw_feature_of_raisin_is_named_with_its_size(raisin_csv: Path) -> None:
    rows = raisin(raisin_csv)
    rows = rows[np.random.default_rng(3).integers(0, len(rows), _ROWS)]
    rows[312:, 0] += 0.8 * rows[:, 0].std()
    found = examine_homogeneity(whitened(rows))
    standardised = ((rows - rows.mean(axis=0)) / rows.std(axis=0)).T
    largest = found.largest_shifts(standardised, ("Area", *_FEATURES[1:]))
    assert found.drifts
    assert found.split == 312
    assert largest[0].feature == "Area"
    assert largest[0].deviations == pytest.approx(0.75, abs=0.15)
    assert [abs(shift.deviations) for shift in largest] == sorted(
        (abs(shift.deviations) for shift in largest), reverse=True
    )


def test_shifts_are_mean_after_less_mean_before() -> None:
    columns = np.zeros((2, 100))
    columns[1, 40:] = -2.0
    found = examine_homogeneity(columns)
    assert found.split == 40
    assert found.shifts(columns).tolist() == [0.0, -2.0]
    assert found.largest_shifts(columns, ("still", "moved"), most=1)[0].feature == "moved"


def test_rows_stored_by_class_are_not_refused_for_that(raisin_csv: Path) -> None:
    columns = whitened(raisin(raisin_csv))
    classes = np.repeat(["Kecimen", "Besni"], 450)
    assert examine_homogeneity(columns).drifts
    found = examine_homogeneity(columns, classes)
    assert found.grouped_by_class
    assert not found.drifts


def test_a_change_within_a_class_is_found_in_rows_stored_by_class() -> None:
    columns = gaussian(4)
    columns[:, 360:] += 2.0  # the other class
    columns[:, 500:] += 0.8
    found = examine_homogeneity(columns, np.repeat([0, 1], 360))
    assert found.drifts
    assert found.grouped_by_class
    assert abs(found.split - 500) <= 5
    assert (found.before[0], found.after[-1]) == (360, 719)
    assert found.shifts(columns).tolist() == pytest.approx([0.8] * 7, abs=0.35)


def test_a_change_of_the_share_of_classes_is_a_drift() -> None:
    generator = np.random.default_rng(5)
    classes = generator.random(_ROWS) < np.where(np.arange(_ROWS) < 360, 0.3, 0.7)
    columns = gaussian(6) + 1.5 * classes
    found = examine_homogeneity(columns, classes)
    assert found.drifts
    assert not found.grouped_by_class


@pytest.mark.parametrize(
    ("labels", "grouped"),
    [
        ([0] * 50 + [1] * 50, True),
        ([0] * 5 + [1] * 95, True),
        ([0, 1] * 50, False),
        ([0] * 100, False),
        ([0], False),
        ([], False),
        ([2] * 30 + [0] * 30 + [1] * 30, True),
    ],
)
def test_rows_are_stored_by_class_where_labels_hardly_change(labels: list[int], grouped: bool) -> None:
    assert is_grouped_by_class(np.array(labels)) is grouped


def test_labels_in_random_order_are_not_stored_by_class() -> None:
    for seed in range(200):
        share = (seed + 1) / 250
        assert not is_grouped_by_class(np.random.default_rng(seed).random(_ROWS) < share)


@pytest.mark.parametrize("rows", [0, 1, 19])
def test_few_rows_are_never_refused(rows: int) -> None:
    columns = np.repeat(np.arange(rows)[None] * 1.0, 3, axis=0)
    found = examine_homogeneity(columns)
    assert (found.p_value, found.split, found.drifts) == (1.0, 0, False)
    assert found.shifts(columns).tolist() == [0.0, 0.0, 0.0]


def test_thirty_rows_are_refused_only_for_a_large_change() -> None:
    assert not any(examine_homogeneity(gaussian(seed, 3, 30)).drifts for seed in range(100))
    columns = gaussian(7, 3, 30)
    columns[:, 15:] += 3.0
    assert_refused_from(columns, 15, within=1)


def test_columns_without_variance_are_homogeneous() -> None:
    assert examine_homogeneity(np.full((2, 100), 4.0)).p_value > 0.5
    beside = np.concatenate([np.full((1, _ROWS), 4.0), gaussian(8, 2)])
    assert not examine_homogeneity(beside).drifts
    beside[1, 360:] += 1.0
    assert_refused_from(beside, 360, within=10)


def test_heavy_tails_are_not_refused() -> None:
    found = [
        examine_homogeneity(np.random.default_rng(seed).standard_cauchy((3, _ROWS))).drifts for seed in range(200)
    ]
    assert sum(found) <= 2


def test_the_unit_of_a_column_does_not_matter() -> None:
    columns = gaussian(9)
    scaled = columns * np.array([1e-6, 1.0, 1e6, 3.0, 0.1, 40.0, 1e3])[:, None]
    assert examine_homogeneity(scaled).p_value == examine_homogeneity(columns).p_value


def innovations(columns: Floats) -> Floats:
    """Of autoregressive columns (c, N), with the coefficients that they show."""
    r = estimate_autocorrelation(columns.T[1:], columns.T[:-1]).coefficients[:, None]
    return columns[:, 1:] - r * columns[:, :-1]


def test_innovations_of_autocorrelated_rows_are_not_refused() -> None:
    """r = .9: most references would be refused row by row."""
    by_row = 0
    for seed in range(12):
        columns = autoregressive(seed, 7, 5000, 0.9)
        by_row += examine_homogeneity(columns).drifts
        assert not examine_homogeneity(innovations(columns)).drifts
    assert by_row > 6


def test_a_step_of_autocorrelated_rows_is_found() -> None:
    columns = autoregressive(3, 7, 20_000, 0.9)
    columns[:, 8000:] += 1.0
    found = examine_homogeneity(innovations(columns))
    assert found.drifts
    assert abs(found.split - 8000) <= 400


def test_many_rows_are_judged_by_cells_and_the_change_placed_to_the_row() -> None:
    columns = gaussian(10, 7, 20_000)
    assert not examine_homogeneity(columns).drifts
    columns[:, 12_345:] += 1.0
    assert_refused_from(columns, 12_345, within=3)


def test_equal_rows_give_equal_results_and_are_left_as_they_are() -> None:
    columns = gaussian(11)
    before = columns.copy()
    first, second = examine_homogeneity(columns), examine_homogeneity(columns)
    assert (first.p_value, first.statistic, first.split) == (second.p_value, second.statistic, second.split)
    assert columns.tobytes() == before.tobytes()

"""Changes keep what they promise: which moments move, by how much, and which stay."""

from __future__ import annotations

import numpy as np
import pytest

from bench.drift.changes import Change, Correlated, Uncorrelated, mean_changes, shape_changes
from bench.drift.populations import (
    AutoregressivePopulation,
    GaussianPopulation,
    Population,
    RowPopulation,
    draw_reference,
)
from bench.drift.sources import RowSource
from core.model import Floats
from streamgauge.demo.raisin_like import FEATURES, draw_rows

COUNT = 40_000
ROWS, LABELS = draw_rows(0)
RAISIN_LIKE = RowPopulation("Raisin-like", FEATURES, ROWS, LABELS.astype(bool))
GAUSSIAN = GaussianPopulation(4, 0.0)
CORRELATED = GaussianPopulation(4, 0.9)
POPULATIONS = (RAISIN_LIKE, GAUSSIAN, CORRELATED)


def both(population: Population, change: Change, count: int = COUNT) -> tuple[Floats, Floats]:
    """Rows without and with the change, drawn by equal generators."""
    before = population.source(np.random.default_rng(7))
    after = change.transform.after(population.source(np.random.default_rng(7)))
    return before.take(count), after.take(count)


def named(population: Population, name: str) -> Change:
    (found,) = (change for change in mean_changes(population) + shape_changes(population) if change.name == name)
    return found


def correlations(x: Floats) -> Floats:
    """Those of each pair of features."""
    matrix: Floats = np.atleast_2d(np.corrcoef(x.T))
    return matrix[np.triu_indices(len(matrix), k=1)]


def moved(population: Population, name: str) -> Floats:
    """(d,) shifts of the means in the population's standard deviations."""
    before, after = both(population, named(population, name))
    shifts: Floats = (after.mean(axis=0) - before.mean(axis=0)) / population.deviations
    return shifts


@pytest.mark.parametrize("population", POPULATIONS, ids=lambda population: population.name)
@pytest.mark.parametrize(("sign", "direction"), [("+", 1.0), ("-", -1.0)])
@pytest.mark.parametrize("size", [0.5, 0.25])
def test_a_shift_of_all_features_moves_each_mean_by_its_size(
    population: Population, sign: str, direction: float, size: float
) -> None:
    np.testing.assert_allclose(moved(population, f"all features {sign}{size} sd"), direction * size)


@pytest.mark.parametrize(
    ("name", "features", "size"),
    [
        ("Extent -0.5 sd", {"Extent"}, -0.5),
        ("Area +0.25 sd", {"Area"}, 0.25),
        ("MajorAxisLength and Perimeter +0.5 sd", {"MajorAxisLength", "Perimeter"}, 0.5),
        ("Eccentricity -1.0 sd", {"Eccentricity"}, -1.0),
    ],
)
def test_a_shift_of_some_features_leaves_the_others(name: str, features: set[str], size: float) -> None:
    expected = [size if feature in features else 0.0 for feature in FEATURES]
    np.testing.assert_allclose(moved(RAISIN_LIKE, name), expected, atol=1e-9)


def test_a_ramp_rises_in_a_straight_line_and_stays_whatever_the_calls() -> None:
    change = named(GAUSSIAN, "all features -0.5 sd over 200 records")
    before = GAUSSIAN.source(np.random.default_rng(7))
    after = change.transform.after(GAUSSIAN.source(np.random.default_rng(7)))
    counts = (1, 9, 150, 90, 250)
    rise = np.concatenate([after.take(count) - before.take(count) for count in counts])
    expected = -0.5 * np.minimum(1.0, np.arange(1, sum(counts) + 1) / 200)
    np.testing.assert_allclose(rise, np.repeat(expected[:, None], 4, axis=1), atol=1e-12)


def test_a_nearer_camera_scales_lengths_and_areas_and_leaves_ratios() -> None:
    before, after = both(RAISIN_LIKE, named(RAISIN_LIKE, "camera nearer: lengths by 1.05"))
    powers = {"Area": 2, "ConvexArea": 2, "Eccentricity": 0, "Extent": 0}
    expected = [1.05 ** powers.get(feature, 1) for feature in FEATURES]
    np.testing.assert_allclose(after / before, np.tile(expected, (COUNT, 1)))


@pytest.mark.parametrize("share", [70, 30, 90, 10])
def test_a_class_share_changes_how_many_are_of_a_class_and_not_what_a_class_is(share: int) -> None:
    change = named(RAISIN_LIKE, f"class share 50 % -> {share} %")
    source = change.transform.after(RAISIN_LIKE.source(np.random.default_rng(7)))
    assert isinstance(source, RowSource)
    x, second = source.take_labelled(COUNT)
    assert second.mean() == pytest.approx(share / 100, abs=4 * 0.5 / np.sqrt(COUNT))
    for label in (0, 1):
        mean = (x[second == label].mean(axis=0) - ROWS[label == LABELS].mean(axis=0)) / RAISIN_LIKE.deviations
        np.testing.assert_allclose(mean, 0.0, atol=5 / np.sqrt((second == label).sum()))


@pytest.mark.parametrize("population", POPULATIONS, ids=lambda population: population.name)
def test_a_change_of_the_variance_scales_deviations_and_leaves_means(population: Population) -> None:
    every, one, _ = shape_changes(population)
    for change, factors in ((every, 1.5), (one, [1.5 if f in one.name else 1.0 for f in population.features])):
        before, after = both(population, change)
        np.testing.assert_allclose(after.std(axis=0) / before.std(axis=0), factors)
        # the sample mean moves by its own error alone
        off = (after.mean(axis=0) - before.mean(axis=0)) / population.deviations
        np.testing.assert_allclose(off, 0.0, atol=4 * 0.5 / np.sqrt(COUNT))


def test_permuted_features_keep_their_marginals_and_lose_their_correlation() -> None:
    before, after = both(RAISIN_LIKE, Change("", "", Uncorrelated()))
    for feature in range(len(FEATURES)):
        assert set(after[:, feature]) <= set(ROWS[:, feature])
    np.testing.assert_allclose(after.mean(axis=0), before.mean(axis=0), rtol=0.02)
    np.testing.assert_allclose(after.std(axis=0), before.std(axis=0), rtol=0.03)
    assert np.abs(correlations(after)).max() < 5 / np.sqrt(COUNT)
    assert np.abs(correlations(before)).max() > 0.9


@pytest.mark.parametrize(("population", "to"), [(GAUSSIAN, 0.9), (CORRELATED, 0.0)])
def test_a_change_of_the_correlation_leaves_standard_normal_marginals(
    population: GaussianPopulation, to: float
) -> None:
    (change,) = (change for change in shape_changes(population) if isinstance(change.transform, Correlated))
    _, after = both(population, change)
    np.testing.assert_allclose(after.mean(axis=0), 0.0, atol=0.03)
    np.testing.assert_allclose(after.std(axis=0), 1.0, atol=0.03)
    np.testing.assert_allclose(correlations(after), to, atol=0.03)


def test_names_are_unique_and_both_directions_share_a_kind() -> None:
    for population in POPULATIONS:
        names = [change.name for change in mean_changes(population) + shape_changes(population)]
        assert len(names) == len(set(names))
    kinds = [change.kind for change in mean_changes(RAISIN_LIKE)]
    assert {kinds.count(kind) for kind in kinds} == {2}


def test_what_a_stream_cannot_do_is_an_error() -> None:
    source = AutoregressivePopulation(2, 0.5).source(np.random.default_rng(0))
    with pytest.raises(TypeError, match="has no rows to choose from"):
        Uncorrelated().after(source)
    with pytest.raises(TypeError, match="cannot be given a correlation"):
        Correlated(0.5).after(source)
    unlabelled = RowPopulation("", ("a",), np.zeros((3, 1))).source(np.random.default_rng(0))
    with pytest.raises(ValueError, match="have no classes"):
        unlabelled.take_labelled(1)


def test_a_reference_keeps_the_classes_of_its_rows_and_is_reproduced_by_its_seed() -> None:
    first, again = (draw_reference(RAISIN_LIKE, np.random.default_rng(3), 720) for _ in range(2))
    np.testing.assert_array_equal(first.rows, again.rows)
    assert first.rows.shape == (720, len(FEATURES))
    of_row = {tuple(row): bool(label) for row, label in zip(ROWS, LABELS, strict=True)}
    assert first.classes is not None
    assert [of_row[tuple(row)] for row in first.rows] == first.classes.tolist()
    # with known truth the stream draws nothing else
    stream = first.source(np.random.default_rng(4)).take(2_000)
    assert {tuple(row) for row in stream} <= {tuple(row) for row in first.rows}


@pytest.mark.parametrize("r", [0.5, 0.9])
def test_an_autoregressive_stream_is_standard_normal_with_that_autocorrelation_across_calls(r: float) -> None:
    source = AutoregressivePopulation(3, r).source(np.random.default_rng(5))
    x = np.concatenate([source.take(count) for count in [1, 2, 700] * 100 + [8_192] * 10])
    np.testing.assert_allclose(x.std(axis=0), 1.0, atol=0.05)
    for lag in (1, 2, 5):
        found = (x[lag:] * x[:-lag]).mean(axis=0)
        np.testing.assert_allclose(found, r**lag, atol=0.06)


def test_an_autoregressive_stream_obeys_its_recursion() -> None:
    noise = np.random.default_rng(6)
    last, steps = noise.standard_normal(2), noise.standard_normal((500, 2))
    expected = []
    for step in steps:
        last = 0.9 * last + np.sqrt(1 - 0.9**2) * step
        expected.append(last)
    found = AutoregressivePopulation(2, 0.9).source(np.random.default_rng(6)).take(500)
    np.testing.assert_allclose(found, expected, atol=1e-12)

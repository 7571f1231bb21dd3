import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.drift.transform import LARGEST_Z, Columns, Transform, fit_transform
from core.model import Floats


def collinear(rows: int, seed: int) -> Floats:
    """Seven features, six of them nearly the same, with tails heavier than normal ones."""
    generator = np.random.default_rng(seed)
    common = generator.standard_t(4, size=(rows, 1))
    own = generator.standard_t(4, size=(rows, 7)) * np.array([0.05, 0.1, 0.2, 1.0, 0.03, 2.0, 0.1])
    x: Floats = 100.0 + 20.0 * (common + own)
    return x


def fitted(x: Floats) -> tuple[Transform, Columns]:
    """A transform and the columns of its own rows."""
    probability = 1.0 / (1.0 + np.exp(-(x - x.mean(axis=0)).sum(axis=1) / (1.0 + x.std())))
    transform, _ = fit_transform(x, probability, np.arange(x.shape[1]))
    return transform, transform.columns(x, probability)


def assert_same(one: Columns, other: Columns) -> None:
    for field in dataclasses.fields(Columns):
        assert np.array_equal(getattr(one, field.name), getattr(other, field.name)), field.name


def test_columns_of_the_training_rows_are_standardised() -> None:
    _, columns = fitted(collinear(2_000, 0))
    for values in (columns.standardised, columns.feature, columns.adjusted, columns.probability):
        assert np.allclose(values.mean(axis=1), 0.0, atol=1e-8)
        assert np.allclose(values.std(axis=1), 1.0, atol=1e-8)
    assert np.allclose(columns.whitened.mean(axis=1), 0.0, atol=1e-8)
    assert np.mean(columns.whitened**2) == pytest.approx(1.0)
    correlation = np.corrcoef(columns.whitened)
    assert np.abs(correlation - np.eye(7)).max() < 0.25  # heavy tails: a robust scatter, not the moments


def test_no_row_counts_more_than_the_clip() -> None:
    x = collinear(500, 1)
    transform, _ = fitted(x)
    wild = np.concatenate([x[:5], np.full((1, 7), 1e300), np.full((1, 7), -1e300), x[:1] + 1e9])
    columns = transform.columns(wild, np.zeros(len(wild)))
    norms = np.sqrt(((columns.whitened + transform.centre[:, None]) ** 2).sum(axis=0))
    assert (norms <= transform.clip * (1 + 1e-12)).all()
    assert np.isfinite(columns.standardised).all()
    assert np.abs(columns.z).max() == LARGEST_Z
    for values in (columns.feature, columns.adjusted, columns.radius):
        assert np.abs(values).max() < 100


def test_a_shift_of_one_feature_shows_most_in_its_own_adjusted_score() -> None:
    x = collinear(2_000, 2)
    transform, _ = fitted(x)
    for feature in range(7):
        shifted = x.copy()
        shifted[:, feature] += 0.3 * x[:, feature].std()
        means = np.abs(transform.columns(shifted, np.zeros(len(x))).adjusted.mean(axis=1))
        assert means.argmax() == feature


def test_a_collinear_feature_is_seen_far_better_than_its_own_distance_tells() -> None:
    x = collinear(2_000, 3)
    transform, _ = fitted(x)
    shifted = x + 0.25 * x.std(axis=0) * np.eye(7)[4]
    columns = transform.columns(shifted, np.zeros(len(x)))
    assert columns.adjusted[4].mean() > 4 * columns.feature[4].mean()


def test_held_out_radii_show_what_unseen_rows_will_have() -> None:
    generator = np.random.default_rng(4)
    x = generator.normal(size=(720, 50))
    probability = np.full(720, 0.5)
    transform, radius = fit_transform(x, probability, np.arange(50))
    fresh = transform.columns(generator.normal(size=(20_000, 50)), np.full(20_000, 0.5)).radius
    own = transform.columns(x, probability).radius
    assert abs(radius.mean()) < 1e-9
    assert abs(fresh.mean()) < 0.1
    assert own.mean() < -0.2  # the rows that shaped the scatter lie nearer


@given(
    cuts=st.lists(st.integers(1, 150), min_size=1, max_size=20), dependent=st.booleans(), seed=st.integers(0, 99)
)
def test_columns_do_not_depend_on_how_records_were_split(cuts: list[int], dependent: bool, seed: int) -> None:
    generator = np.random.default_rng(seed)
    width = int(generator.integers(1, 20))
    x = generator.normal(size=(300, width))
    probability = generator.random(300)
    transform, _ = fit_transform(x, probability, np.arange(width), hold_out=False)
    if dependent:
        transform = dataclasses.replace(transform, autocorrelation=np.full(width + 1, 0.4))
    whole = transform.columns(x, probability)
    parts, start, previous = [], 0, None
    for size in [*cuts, 300]:
        if start < 300:
            columns = transform.columns(x[start : start + size], probability[start : start + size], previous)
            parts.append(columns)
            previous = columns.standardised[:, -1]
            start += size
    joined = Columns(
        *(np.hstack([getattr(part, field.name) for part in parts]) for field in dataclasses.fields(Columns))
    )
    assert_same(joined, whole)


def test_innovations_of_an_autocorrelated_reference_are_independent() -> None:
    generator = np.random.default_rng(5)
    x = np.empty((5_000, 2))
    last = np.zeros(2)
    for row in range(len(x)):
        last = 0.9 * last + generator.normal(size=2)
        x[row] = last
    before = np.column_stack([np.roll(x, 1, axis=0), np.full(5_000, 0.5)])
    before[0] = np.nan
    transform, _ = fit_transform(x, np.full(5_000, 0.5), np.arange(2), np.array([0.9, 0.9, 0.0]), before)
    feature = transform.columns(x, np.full(5_000, 0.5)).feature
    for column in feature:
        assert abs(np.corrcoef(column[1:], column[:-1])[0, 1]) < 0.05
        assert column.std() == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("width", [1, 2, 30])
def test_features_that_are_copies_of_one_another_give_finite_columns(width: int) -> None:
    base = np.random.default_rng(6).normal(size=(100, 1))
    _, columns = fitted(np.repeat(base, width, axis=1))
    for values in (columns.whitened, columns.adjusted, columns.radius):
        assert np.isfinite(values).all()


def test_a_constant_prediction_is_never_away_from_its_mean() -> None:
    x = collinear(100, 7)
    transform, _ = fit_transform(x, np.full(100, 0.25), np.arange(7))
    assert transform.probability_factor == 0.0
    assert (transform.columns(x, np.linspace(0, 1, 100)).probability == 0.0).all()

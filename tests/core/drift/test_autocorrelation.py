"""Autocorrelation of reference rows: what is taken for it, what is not, and how well it is estimated."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.drift.autocorrelation import LARGEST, Autocorrelation, estimate_autocorrelation
from core.model import Floats

_ROWS = 720

Draw = Callable[[np.random.Generator], Floats]


def in_order(x: Floats) -> Autocorrelation:
    """Of rows (N, d) in order of time."""
    return estimate_autocorrelation(x, np.concatenate([np.full((1, x.shape[1]), np.nan), x[:-1]])[: len(x)])


def autoregressive(generator: np.random.Generator, rows: int, r: list[float]) -> Floats:
    """(rows, d) standard normal columns, each with autocorrelation r^k at lag k."""
    coefficients = np.array(r)
    noise: Floats = generator.standard_normal((rows, len(r))) * np.sqrt(1 - coefficients**2)
    x = np.empty_like(noise)
    last = generator.standard_normal(len(r))
    for row, own in enumerate(noise):
        last = coefficients * last + own
        x[row] = last
    return x


def raisin(path: Path) -> Floats:
    with path.open(encoding="utf-8") as file:
        rows: Floats = np.array([[float(value) for value in row[:-1]] for row in list(csv.reader(file))[1:]])
    return rows


def share_found(draw: Draw, references: int) -> float:
    """Of so many references taken to be autocorrelated."""
    found = sum(in_order(draw(np.random.default_rng(seed))).autocorrelated for seed in range(references))
    return found / references


@pytest.mark.parametrize(
    "draw",
    [
        lambda generator: generator.standard_normal((_ROWS, 7)),
        lambda generator: generator.standard_normal((_ROWS, 50)),
        lambda generator: generator.standard_cauchy((_ROWS, 7)),
        lambda generator: generator.lognormal(0.0, 1.5, (_ROWS, 7)),
        lambda generator: (generator.random((_ROWS, 5)) < [0.004, 0.01, 0.03, 0.1, 0.5]).astype(float),
        lambda generator: np.repeat(generator.standard_normal((_ROWS, 1)), 7, axis=1),
    ],
    ids=["gaussian", "fifty", "cauchy", "lognormal", "rare-ones", "one-feature-seven-times"],
)
def test_independent_rows_are_rarely_taken_for_autocorrelated(draw: Draw) -> None:
    """One in a hundred over all features; a bound of 2 / sqrt(N) each would take a fifth to nine tenths."""
    assert share_found(draw, 600) <= 0.02


def test_independent_draws_of_raisin_are_rarely_taken_for_autocorrelated(raisin_csv: Path) -> None:
    rows = raisin(raisin_csv)
    assert share_found(lambda generator: rows[generator.integers(0, len(rows), _ROWS)], 600) <= 0.02


def test_what_is_not_significant_is_zero_in_every_feature() -> None:
    found = in_order(np.random.default_rng(0).standard_normal((_ROWS, 7)))
    assert not found.autocorrelated
    assert found.coefficients.tolist() == [0.0] * 7


@pytest.mark.parametrize(("r", "least"), [([0.1] * 7, 0.95), ([0.3] + [0.0] * 6, 0.95), ([0.05] * 50, 0.95)])
def test_a_little_everywhere_is_found_as_well_as_much_in_one(r: list[float], least: float) -> None:
    assert share_found(lambda generator: autoregressive(generator, _ROWS, r), 60) >= least


def test_every_coefficient_is_estimated_once_one_is_significant() -> None:
    truth = [0.9, 0.5, 0.1, 0.0]
    found = [
        in_order(autoregressive(np.random.default_rng(seed), _ROWS, truth)).coefficients for seed in range(40)
    ]
    mean = np.mean(found, axis=0)
    assert mean[:3].tolist() == pytest.approx(truth[:3], abs=0.02)
    assert 0.0 < mean[3] < 0.03  # half of them positive by chance, the negative ones 0


def test_many_rows_give_the_coefficient_closely() -> None:
    found = in_order(autoregressive(np.random.default_rng(1), 20_000, [0.9]))
    assert found.coefficients[0] == pytest.approx(0.9, abs=0.01)


def test_only_rows_whose_predecessor_is_known_make_a_pair() -> None:
    x = autoregressive(np.random.default_rng(2), 2500, [0.8] * 3)
    kept = np.sort(np.random.default_rng(2).permutation(np.arange(1, 2500))[:1200])
    before = x[kept - 1]
    before[::3] = np.nan
    found = estimate_autocorrelation(x[kept], before)
    assert found.pairs == 800
    assert found.coefficients.tolist() == pytest.approx([0.8] * 3, abs=0.05)


def test_rows_none_of_which_has_a_known_predecessor_tell_nothing() -> None:
    x = autoregressive(np.random.default_rng(3), 400, [0.9])
    found = estimate_autocorrelation(x[::2], np.full((200, 1), np.nan))
    assert (found.pairs, found.autocorrelated) == (0, False)


@pytest.mark.parametrize("rows", [0, 1, 2, 30])
def test_few_rows_tell_nothing(rows: int) -> None:
    found = in_order(np.cumsum(np.ones((rows, 2)), axis=0))
    assert not found.autocorrelated
    assert found.coefficients.tolist() == [0.0, 0.0]


def test_one_giant_value_hides_nothing_and_makes_nothing() -> None:
    x = autoregressive(np.random.default_rng(4), _ROWS, [0.5, 0.0])
    clean = in_order(x).coefficients
    x[100] = 1e300
    assert in_order(x).coefficients.tolist() == pytest.approx(clean.tolist(), abs=0.03)


def test_heavy_tails_do_not_hide_autocorrelation() -> None:
    noise = np.random.default_rng(5).standard_cauchy((_ROWS, 1))
    x = noise.copy()
    for row in range(1, _ROWS):
        x[row] = 0.7 * x[row - 1] + noise[row]
    assert in_order(x).coefficients[0] == pytest.approx(0.7, abs=0.15)


def test_a_constant_column_has_none_beside_one_that_has() -> None:
    x = np.column_stack([np.full(_ROWS, 7.7), autoregressive(np.random.default_rng(6), _ROWS, [0.6])])
    found = in_order(x)
    assert found.coefficients[0] == 0.0
    assert found.coefficients[1] == pytest.approx(0.6, abs=0.08)
    assert not in_order(x[:, :1]).autocorrelated


def test_rows_that_alternate_are_taken_for_independent() -> None:
    """Their sums vary less than those of independent ones, so thresholds for those are on the safe side."""
    found = in_order(autoregressive(np.random.default_rng(7), _ROWS, [-0.6, -0.6]))
    assert not found.autocorrelated
    assert found.coefficients.tolist() == [0.0, 0.0]


def test_a_trend_does_not_exceed_the_largest_coefficient() -> None:
    found = in_order(np.arange(2000.0)[:, None])
    assert found.coefficients.tolist() == [LARGEST]


def test_equal_rows_give_equal_coefficients_and_are_left_as_they_are() -> None:
    x = autoregressive(np.random.default_rng(9), _ROWS, [0.5] * 7)
    before = x.copy()
    first, second = in_order(x), in_order(x)
    assert first.coefficients.tobytes() == second.coefficients.tobytes()
    assert x.tobytes() == before.tobytes()

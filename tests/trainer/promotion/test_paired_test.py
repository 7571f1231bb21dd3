from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from core.model import Floats, sigmoid
from trainer.promotion.paired_test import MIN_CLASS_ROWS, PairedTest, log_loss_differences, paired_test
from trainer.table import Labels


def draw(n: int, seed: int, noise: float = 0.5) -> tuple[Labels, Floats, Floats]:
    """Outcomes, what the truth says of them, and what a worse model says."""
    generator = np.random.default_rng(seed)
    logit = generator.normal(scale=2.0, size=n)
    y = (generator.random(n) < sigmoid(logit)).astype(np.uint8)
    return y, sigmoid(logit), sigmoid(logit + noise * generator.normal(size=n))


def test_a_model_is_never_better_than_itself() -> None:
    y, p, _ = draw(500, 0)
    found = paired_test(y, p, p)
    assert (found.difference, found.p_better, found.p_worse) == (0.0, 1.0, 1.0)
    assert not found.significantly_worse


def test_the_truth_is_better_and_the_other_way_round_worse() -> None:
    y, truth, worse = draw(2_000, 1)
    found, turned = paired_test(y, truth, worse), paired_test(y, worse, truth)
    assert found.p_better < 1e-4
    assert turned.significantly_worse
    assert turned.difference == -found.difference
    assert (turned.p_worse, turned.low, turned.high) == pytest.approx((found.p_better, -found.high, -found.low))


def test_without_skewness_it_is_the_paired_t_test() -> None:
    y, one, other = draw(4_000, 2)
    found = paired_test(y, one, other)
    differences = log_loss_differences(y, one, other)
    plain = stats.ttest_1samp(differences, 0.0, alternative="less")
    assert found.standard_error == pytest.approx(differences.std(ddof=1) / math.sqrt(4_000))
    mirrored = np.concatenate([differences, 2 * differences.mean() - differences])  # no skewness is left
    assert _p_of(mirrored) == pytest.approx(stats.ttest_1samp(mirrored, 0.0, alternative="less").pvalue, rel=1e-6)
    assert abs(math.log(found.p_better / plain.pvalue)) < 3  # with little of it, about that


def _p_of(differences: Floats) -> float:
    """The test of given differences: losses are built that differ by just those."""
    low = np.where(differences < 0, 0.5 - differences, 0.5)
    high = np.where(differences < 0, 0.5, 0.5 + differences)
    y = np.ones(len(differences), dtype=np.uint8)
    return paired_test(y, np.exp(-high), np.exp(-low)).p_better


@given(st.integers(0, 10_000), st.integers(30, 400), st.booleans())
def test_the_interval_says_what_the_tails_say(seed: int, n: int, with_neighbours: bool) -> None:
    y, one, other = draw(n, seed)
    neighbours = log_loss_differences(*draw(n, seed + 1)) if with_neighbours else None
    found = paired_test(y, one, other, neighbours=neighbours)
    assert found.low < found.difference < found.high
    assert (found.high < 0) == (found.p_better < 0.025)
    assert (found.low > 0) == (found.p_worse < 0.025)


def test_weights_of_two_count_as_rows_given_twice_but_tell_no_more() -> None:
    y, one, other = draw(300, 3)
    twice = np.where(np.arange(300) < 100, 2.0, 1.0)
    weighted = paired_test(y, one, other, twice)
    doubled = np.repeat(np.arange(300), twice.astype(int))
    repeated = paired_test(y[doubled], one[doubled], other[doubled])
    assert weighted.difference == pytest.approx(repeated.difference, rel=1e-12)
    assert weighted.effective_rows == pytest.approx(400**2 / 600)
    assert weighted.standard_error > repeated.standard_error
    even = paired_test(y, one, other, np.full(300, 7.0))
    assert even.difference == pytest.approx(paired_test(y, one, other).difference, rel=1e-12)
    assert even.p_better == pytest.approx(paired_test(y, one, other).p_better, rel=1e-9)


def test_weights_mend_a_sample_that_labels_chose() -> None:
    y, one, other = draw(40_000, 4)
    favoured = log_loss_differences(y, one, other) > 0
    chance = np.where(favoured, 0.9, 0.3)
    kept = np.random.default_rng(5).random(40_000) < chance
    whole = paired_test(y, one, other)
    raw = paired_test(y[kept], one[kept], other[kept])
    mended = paired_test(y[kept], one[kept], other[kept], 1 / chance[kept])
    assert raw.difference > 0 > whole.difference  # the labels turned the verdict round
    assert abs(mended.difference - whole.difference) < 3 * mended.standard_error


@pytest.mark.parametrize(("class1", "enough"), [(MIN_CLASS_ROWS - 1, False), (MIN_CLASS_ROWS, True)])
def test_few_rows_of_a_class_are_not_enough(class1: int, enough: bool) -> None:
    y, one, other = draw(200, 6)
    y[:] = 0
    y[:class1] = 1
    assert paired_test(y, one, other).enough is enough


def test_one_row_tells_nothing() -> None:
    found = paired_test(np.ones(1, dtype=np.uint8), np.array([0.9]), np.array([0.1]))
    assert (found.p_better, found.p_worse, found.enough) == (1.0, 1.0, False)
    assert (found.low, found.high) == (-math.inf, math.inf)


def test_neighbours_that_go_together_make_it_less_sure() -> None:
    y, truth, worse = draw(2_000, 7, noise=0.3)
    alone = paired_test(y, truth, worse)
    waves = np.sin(np.arange(8_000) / 900) + np.random.default_rng(0).normal(size=8_000)
    together = paired_test(y, truth, worse, neighbours=waves)
    assert together.variance_ratio is not None
    assert together.variance_ratio > 10
    assert together.p_better > alone.p_better
    assert together.high > alone.high


def assert_level_holds(found: list[PairedTest], level: float, at_most: float) -> None:
    assert np.mean([each.p_better <= level for each in found]) <= at_most


@pytest.mark.parametrize("rows", [40, 200])
def test_a_candidate_that_is_too_sure_of_itself_does_not_profit_from_few_rows(rows: int) -> None:
    """Weights times 1.8 lose as much as weights times .485, seldom and much at a time."""
    found = []
    for seed in range(1_000):
        generator = np.random.default_rng(seed)
        logit = generator.normal(scale=3.0, size=rows)
        y = (generator.random(rows) < sigmoid(logit)).astype(np.uint8)
        found.append(paired_test(y, sigmoid(1.8 * logit), sigmoid(0.485 * logit)))
    assert_level_holds(found, 0.0125, 0.035)  # a plain t test: .10 and .05
    assert_level_holds(found, 0.025, 0.05)  # .13 and .07


@pytest.mark.parametrize("by", [1e-16, 1e-14, 1e-12])
def test_models_that_differ_by_rounding_are_equal(by: float) -> None:
    """The same rows fitted again in another order give weights that differ in the fifteenth digit."""
    y, p, _ = draw(180, 8)
    for turned in (p * (1 + by), p * (1 - by), np.where(y == 1, p * (1 + by), p * (1 - by))):
        assert_nothing_between(paired_test(y, turned, p, neighbours=log_loss_differences(y, turned, p)))


def assert_nothing_between(found: PairedTest) -> None:
    assert (found.difference, found.standard_error, found.low, found.high) == (0.0, 0.0, 0.0, 0.0)
    assert (found.p_better, found.p_worse, found.variance_ratio) == (1.0, 1.0, None)


@pytest.mark.parametrize("differing", [1, 2, 3, 5, 8])
def test_a_few_rows_that_differ_prove_no_more_than_coins_would(differing: int) -> None:
    y, p, _ = draw(400, 9)
    sharper = p.copy()
    chosen = np.flatnonzero((y == 1) & (p < 0.5))[:differing]
    sharper[chosen] = p[chosen] + 0.3
    found = paired_test(y, sharper, p)
    assert found.difference < 0
    assert found.p_better >= 0.5**differing


def test_a_lower_log_loss_that_is_no_sign_of_anything_may_have_a_p_value_above_one_half() -> None:
    y = np.repeat([1, 0], 20).astype(np.uint8)
    production = np.where(y == 1, 0.7, 0.3)
    candidate = np.where(y == 1, 0.72, 0.28)
    candidate[0] = 0.25  # a little won on 39 rows, much lost on one
    found = paired_test(y, candidate, production)
    assert found.difference < 0
    assert found.p_better > 0.5

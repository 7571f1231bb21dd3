from __future__ import annotations

import numpy as np
import pytest

from core.model import Floats
from trainer.promotion.long_run import MIN_ROWS, WAVES, variance_ratio


def ratios(series: Floats) -> Floats:
    """Of each of many series (b, n)."""
    found = [variance_ratio(each) for each in series]
    return np.array([each for each in found if each is not None])


def test_independent_rows_have_a_ratio_about_one() -> None:
    found = ratios(np.random.default_rng(0).normal(size=(1_000, 400)))
    assert found.mean() == pytest.approx(1.0, abs=0.06)
    assert found.var() == pytest.approx(2 / WAVES, rel=0.25)  # chi-squared over its degrees of freedom


def test_rows_that_follow_each_other_have_the_ratio_of_theory() -> None:
    generator = np.random.default_rng(1)
    series = np.empty((400, 4_000))
    series[:, 0] = generator.normal(size=400)
    for row in range(1, 4_000):
        series[:, row] = 0.8 * series[:, row - 1] + 0.6 * generator.normal(size=400)
    assert ratios(series).mean() == pytest.approx((1 + 0.8) / (1 - 0.8), rel=0.1)


def test_windows_of_their_own_mean_are_seen() -> None:
    generator = np.random.default_rng(2)
    windows = np.repeat(generator.normal(scale=0.1, size=(400, 20)), 400, axis=1)
    series = windows + generator.normal(size=(400, 8_000))
    assert ratios(series).mean() == pytest.approx(1 + 400 * 0.01, rel=0.2)


@pytest.mark.parametrize(
    "series", [np.zeros(MIN_ROWS), np.arange(MIN_ROWS - 1.0), np.append(np.arange(40.0), np.nan)]
)
def test_what_tells_nothing_has_none(series: Floats) -> None:
    assert variance_ratio(series) is None

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from trainer.promotion.student import lower_tail, quantile

DEGREES = st.one_of(st.integers(1, 2_000_000).map(float), st.floats(0.5, 500))


@given(st.floats(-50, 50), DEGREES)
def test_the_tail_is_that_of_scipy(t: float, degrees: float) -> None:
    # scipy's own digits end there: it is exact to 1e-9 of the tail where the tail is small
    assert lower_tail(t, degrees) == pytest.approx(stats.t.cdf(t, degrees), rel=1e-8, abs=1e-300)


@given(st.floats(1e-9, 1 - 1e-9), st.integers(1, 100_000).map(float))
def test_the_quantile_inverts_the_tail(tail: float, degrees: float) -> None:
    assert lower_tail(quantile(tail, degrees), degrees) == pytest.approx(tail, rel=1e-8)


def test_the_ends_of_the_line() -> None:
    assert (lower_tail(-math.inf, 6), lower_tail(math.inf, 6)) == (0.0, 1.0)
    assert lower_tail(0.0, 6) == 0.5
    assert math.isnan(lower_tail(math.nan, 6))
    assert lower_tail(-2.0, math.inf) == pytest.approx(stats.norm.cdf(-2.0), rel=1e-12)

"""Percentiles against their definition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.percentile import percentile


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50), st.floats(0, 100))
def test_at_least_that_share_of_the_samples_is_no_larger_and_no_smaller_sample_will_do(
    samples: list[float], percent: float
) -> None:
    found = percentile(samples, percent)
    assert found in samples
    assert sum(sample <= found for sample in samples) >= percent / 100 * len(samples) * (1 - 1e-12)
    smaller = [sample for sample in samples if sample < found]
    assert not smaller or sum(sample <= max(smaller) for sample in samples) < percent / 100 * len(samples)


def test_the_median_of_an_even_number_is_the_lower_one() -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], 50) == 2.0


def test_the_ends_are_the_smallest_and_the_largest() -> None:
    assert (percentile([3.0, 1.0, 2.0], 0), percentile([3.0, 1.0, 2.0], 100)) == (1.0, 3.0)


@pytest.mark.parametrize(("samples", "percent"), [([], 50), ([1.0], -1), ([1.0], 101)])
def test_what_has_no_percentile_is_an_error(samples: list[float], percent: float) -> None:
    with pytest.raises(ValueError, match="give 0 to 100 of at least one"):
        percentile(samples, percent)

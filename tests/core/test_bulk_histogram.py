"""Many observations at once count as one by one."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from core.bulk_histogram import BulkHistogram

BOUNDS = (0.001, 0.5, 10.0)
SEEN = [(0.0, 3), (0.001, 2), (0.002, 1), (0.5, 4), (7.5, 1_000), (11.0, 2)]


def exposition(registry: CollectorRegistry) -> list[str]:
    """Lines without the creation times, which the services switch off."""
    return [line for line in generate_latest(registry).decode().splitlines() if "_created" not in line]


def test_it_says_what_the_librarys_own_histogram_says() -> None:
    own, theirs = CollectorRegistry(), CollectorRegistry()
    bulk = BulkHistogram("seconds", "What.", "p", BOUNDS, own)
    single = Histogram("seconds", "What.", ("pipeline",), buckets=BOUNDS, registry=theirs).labels("p")
    for value, times in SEEN:
        bulk.observe(value, times)
        for _ in range(times):
            single.observe(value)
    assert exposition(own) == exposition(theirs)


def test_observations_counted_by_bucket_count_as_one_by_one() -> None:
    own, theirs = CollectorRegistry(), CollectorRegistry()
    bulk = BulkHistogram("seconds", "What.", "p", BOUNDS, own)
    single = Histogram("seconds", "What.", ("pipeline",), buckets=BOUNDS, registry=theirs).labels("p")
    bulk.observe_counts([5, 5, 1_000, 2], 7524.504)
    for value, times in SEEN:
        for _ in range(times):
            single.observe(value)
    # the sums differ by rounding
    assert [line for line in exposition(own) if "_sum" not in line] == [
        line for line in exposition(theirs) if "_sum" not in line
    ]
    assert own.get_sample_value("seconds_sum", {"pipeline": "p"}) == pytest.approx(7524.504)
    with pytest.raises(ValueError, match="zip"):
        bulk.observe_counts([1, 2, 3], 1.0)


def test_a_service_that_observed_nothing_shows_no_series() -> None:
    registry = CollectorRegistry()
    BulkHistogram("seconds", "What.", "p", BOUNDS, registry)
    assert exposition(registry) == []

"""Rates from counters, look by look."""

from __future__ import annotations

import pytest

from monitor.live.partition_look import StreamLook
from monitor.live.rate import PAUSED_MS, StreamRate, total_per_s


def stream(added: int, *rows: int) -> StreamLook:
    return StreamLook(added, added, b"0-1", b"1-1", rows)


def test_a_rate_needs_two_looks() -> None:
    rate = StreamRate()
    rate.look(1_000, stream(10, 1))
    assert rate.per_s is None
    rate.look(2_000, stream(60, 1))
    assert rate.per_s == pytest.approx(50.0)


def test_blocks_of_one_size_are_counted_in_rows_and_are_no_estimate() -> None:
    rate = StreamRate()
    for second in range(3):
        rate.look(1_000 * second, stream(10 * second, 256, 256))
    assert rate.per_s == pytest.approx(2_560.0)
    assert not rate.mixed


def test_blocks_of_differing_size_are_an_estimate_near_the_truth() -> None:
    rate = StreamRate()
    for second in range(20):
        rate.look(1_000 * second, stream(10 * second, 1, 99) if second % 2 else stream(10 * second, 99, 1))
    assert rate.mixed
    assert rate.per_s == pytest.approx(500.0, rel=0.05)


def test_a_change_shows_within_the_smoothed_time() -> None:
    rate = StreamRate()
    added = 0
    for second in range(20):
        added += 100 if second < 10 else 0
        rate.look(1_000 * second, stream(added, 1))
    assert rate.per_s == 0.0


def test_a_stream_made_anew_with_more_entries_is_no_burst() -> None:
    rate = StreamRate()
    rate.look(1_000, StreamLook(10, 10, b"1-1", b"1-10", (1,)))
    rate.look(2_000, StreamLook(1_000, 1_000, b"2-1", b"2-1000", (1,)))
    assert rate.per_s is None
    rate.look(3_000, StreamLook(1_010, 500, b"2-511", b"3-10", (1,)))  # trimmed: the same stream
    assert rate.per_s == pytest.approx(10.0)


def test_a_stream_that_was_made_anew_has_no_rate_once() -> None:
    rate = StreamRate()
    found = []
    for second, added in enumerate((100, 200, 5, 15)):
        rate.look(1_000 * second, stream(added, 1))
        found.append(rate.per_s)
    assert found == [None, pytest.approx(100.0), None, pytest.approx(10.0)]


def test_a_pause_between_looks_is_not_averaged_over() -> None:
    rate = StreamRate()
    rate.look(0, stream(0, 1))
    rate.look(1_000, stream(10, 1))
    rate.look(1_000 + PAUSED_MS + 1, stream(1_000, 1))
    assert rate.per_s is None


def test_a_clock_that_stands_still_loses_nothing() -> None:
    rate = StreamRate()
    rate.look(0, stream(0, 1))
    rate.look(1_000, stream(10, 1))
    rate.look(1_000, stream(15, 1))
    rate.look(2_000, stream(20, 1))
    assert rate.per_s == pytest.approx(10.0)


def test_a_total_is_known_once_all_of_its_parts_are() -> None:
    one, other = StreamRate(), StreamRate()
    for ms, added in ((0, 0), (1_000, 7)):
        one.look(ms, stream(added, 1))
    assert total_per_s([one, other]) is None
    assert total_per_s([one]) == pytest.approx(7.0)
    assert total_per_s([]) is None

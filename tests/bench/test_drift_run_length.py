"""Run lengths and delays against the textbook's, and what is counted when runs are cut off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from bench.drift.changes import Change, Shift
from bench.drift.populations import GaussianPopulation
from bench.drift.run_length import (
    CAP_RECORDS,
    CHUNK_RECORDS,
    WARM_UP_RECORDS,
    Watcher,
    delays,
    in_control_run_length,
    join_delays,
    join_run_lengths,
    plainly_above,
)
from core.model import Floats

#: One feature, standard normal.
NORMAL = GaussianPopulation(1, 0.0)
#: The allowance of the textbook's chart for a shift of 1 sd.
K = 0.5


class Cusum:
    """One two-sided CUSUM of N(0, 1) records, as C - min C of the sums of z - k and -z - k."""

    name = "CUSUM"

    def __init__(self, h: float) -> None:
        self._h = h
        self._sums = np.zeros(2)

    def restart(self) -> None:
        self._sums = np.zeros(2)

    def feed(self, x: Floats) -> int | None:
        steps = np.concatenate([x - K, -x - K], axis=1)
        sums = self._sums + np.cumsum(steps, axis=0)
        above = sums - np.minimum(np.minimum.accumulate(sums, axis=0), 0.0)
        alarms = (above > self._h).any(axis=1)
        if alarms.any():
            return int(alarms.argmax())
        self._sums = above[-1]
        return None


@dataclass
class Periodic:
    """Alarms at every record whose number since the start is a multiple of the period."""

    period: int
    name: str = "periodic"
    seen: int = 0

    def restart(self) -> None:
        self.seen = 0

    def feed(self, x: Floats) -> int | None:
        left = self.period - self.seen
        if left <= len(x):
            return left - 1
        self.seen += len(x)
        return None


def shift(size: float) -> Change:
    return Change("shift", "shift", Shift(np.array([size])))


@pytest.mark.parametrize(("h", "run_length", "delay"), [(4.0, 168.0, 8.4), (5.0, 465.0, 10.4)])
def test_a_textbook_cusum_has_the_textbook_run_length_and_delay(h: float, run_length: float, delay: float) -> None:
    watcher: Watcher = Cusum(h)
    source = NORMAL.source(np.random.default_rng(1))
    found = in_control_run_length(watcher, source, alarms=2_000, max_records=10**7)
    assert found.alarms == 2_000
    assert abs(found.mean - run_length) < 4.0 * found.standard_error
    assert found.standard_error == pytest.approx(found.mean / np.sqrt(2_000))
    watcher.restart()
    # from the fresh start that the textbook means: the change comes with the first record
    starts = [in_control_run_length(watcher, Shifted(number), 1, 10**5).mean for number in range(600)]
    assert abs(np.mean(starts) - delay) < 4.0 * np.std(starts) / np.sqrt(len(starts))


class Shifted:
    """N(1, 1) from the first record on."""

    def __init__(self, seed: int) -> None:
        self._source = NORMAL.source(np.random.default_rng(seed))

    def take(self, count: int) -> Floats:
        return self._source.take(count) + 1.0


def test_after_a_warm_up_a_cusum_is_no_slower_than_from_a_fresh_start() -> None:
    found = delays(Cusum(5.0), NORMAL, shift(1.0), runs=400, seed=(2,))
    assert found.undetected_share == 0.0
    assert 8.5 < found.mean < 10.4 + 4.0 * found.standard_error
    assert found.false_alarms + len(found.records) == 400
    # 200 to 1,000 records at a run length of 465: most runs alarm before the change, and are dropped
    assert found.false_alarms > 200


def test_a_run_ends_at_its_alarm_and_the_next_begins_with_the_record_after_it() -> None:
    source = NORMAL.source(np.random.default_rng(0))
    found = in_control_run_length(Periodic(777), source, alarms=1_000, max_records=50_000)
    assert set(found.lengths.tolist()) == {777}
    assert (found.alarms, found.records) == (50_000 // 777, 50_000)


def test_a_run_that_was_cut_off_counts_with_its_records() -> None:
    source = NORMAL.source(np.random.default_rng(0))
    found = in_control_run_length(Periodic(600), source, alarms=10, max_records=1_000)
    assert (found.lengths.tolist(), found.records, found.mean) == ([600], 1_000, 1_000.0)


def test_without_an_alarm_the_mean_is_infinite_and_at_least_what_was_watched() -> None:
    source = NORMAL.source(np.random.default_rng(0))
    found = in_control_run_length(Periodic(10**9), source, alarms=10, max_records=12_345)
    assert (found.alarms, found.mean, found.at_least) == (0, float("inf"), 12_345.0)


def test_it_stops_with_the_alarm_that_was_asked_for() -> None:
    source = NORMAL.source(np.random.default_rng(0))
    found = in_control_run_length(Periodic(10), source, alarms=3, max_records=10**6)
    assert (found.lengths.tolist(), found.records) == ([10, 10, 10], 30)


def test_a_delay_counts_the_changed_records_and_the_alarm_among_them() -> None:
    found = delays(Periodic(5_000), NORMAL, shift(1.0), runs=50, seed=(3,))
    low, high = WARM_UP_RECORDS
    assert found.records.min() >= 5_000 - high
    assert found.records.max() <= 5_000 - low
    assert found.detected.all()
    assert found.median == np.median(found.records)


def test_a_run_that_never_alarms_counts_as_the_cap_and_is_said() -> None:
    found = delays(Periodic(10**9), NORMAL, shift(1.0), runs=3, seed=(4,))
    assert (found.mean, found.undetected_share, found.false_alarms) == (CAP_RECORDS, 1.0, 0)


def test_runs_that_alarm_before_the_change_are_dropped_and_counted() -> None:
    found = delays(Periodic(1), NORMAL, shift(1.0), runs=3, seed=(4,))
    assert (len(found.records), found.false_alarms) == (0, 3)
    assert np.isnan(found.mean)


def test_equal_seeds_give_equal_delays_and_others_do_not() -> None:
    first, again, other = (delays(Cusum(8.0), NORMAL, shift(0.5), 20, seed).records for seed in ((5,), (5,), (6,)))
    np.testing.assert_array_equal(first, again)
    assert first.tolist() != other.tolist()


def test_every_watcher_meets_the_same_records() -> None:
    class Recording(Periodic):
        def feed(self, x: Floats) -> int | None:
            rows.append(x[:50].copy())
            return super().feed(x)

    met = []
    for period in (300, 10**9):
        rows: list[Floats] = []
        delays(Recording(period), NORMAL, shift(1.0), runs=1, seed=(0,), cap_records=500)
        met.append(rows)
    assert len(met[0]) < len(met[1])
    for quick, slow in zip(met[0], met[1], strict=False):
        np.testing.assert_array_equal(quick, slow)


def test_joined_parts_are_one_measurement() -> None:
    source = NORMAL.source(np.random.default_rng(0))
    lengths = [in_control_run_length(Periodic(period), source, 2, 10**5) for period in (10, 30)]
    joined = join_run_lengths(lengths)
    assert (joined.lengths.tolist(), joined.records, joined.mean) == ([10, 10, 30, 30], 80, 20.0)
    parts = [delays(Periodic(period), NORMAL, shift(1.0), 2, (0,)) for period in (1, 10**9)]
    both = join_delays(parts)
    assert (both.false_alarms, both.undetected_share, len(both.records)) == (2, 1.0, 2)


def test_few_alarms_are_plainly_above_a_budget_by_the_poisson_distribution() -> None:
    # P(at most 1 of 10 expected) = 11 exp(-10) = .0005, P(at most 2) = 61 exp(-10) = .0028
    assert plainly_above(1_000.0, 1, 10_000)
    assert not plainly_above(1_000.0, 2, 10_000)
    # P(at most 7 of 20 expected) = .0008, P(at most 8) = .0021
    assert plainly_above(1_000.0, 7, 20_000)
    assert not plainly_above(1_000.0, 8, 20_000)


@pytest.mark.parametrize(("period", "records"), [(1_000, 400_000), (10**9, 10_000)], ids=["at it", "above it"])
def test_a_run_ends_early_only_where_it_is_plainly_above_the_budget(period: int, records: int) -> None:
    source = NORMAL.source(np.random.default_rng(0))
    found = in_control_run_length(Periodic(period), source, 10**6, 400_000, budget=1_000.0)
    assert records <= found.records < records + CHUNK_RECORDS

"""What every detector keeps to."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model import Floats
from monitor.detectors.base import DetectorState
from monitor.detectors.panel import DETECTORS
from monitor.drift_engine import DriftEngine, Limits
from monitor.pane import PaneSums
from tests.monitor.detectors.alone import (
    CASES,
    MIN_RECORDS,
    SLIDE,
    Alone,
    Case,
    draw,
    model_file,
    play,
    probability,
)

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
#: Places inside two panes of a stream, and runs of single records.
CUTS = st.lists(st.integers(1, 2 * SLIDE), max_size=12) | st.builds(
    lambda first, length: list(range(first, first + length)), st.integers(1, 2 * SLIDE), st.integers(1, 60)
)
HUGE = 1e12


def quiet(n: int, seed: int = 1) -> Floats:
    return draw(np.random.default_rng(seed), n)


def changing(case: Case, before: int, after: int, seed: int = 1) -> Floats:
    x = quiet(before + after, seed)
    return np.concatenate([x[:before], case.changed(x[before:])])


def test_the_suite_is_run_over_every_detector() -> None:
    assert tuple(case.name for case in CASES) == DETECTORS


@each_case
@given(cuts=CUTS)
def test_pieces_of_any_size_give_equal_bits(case: Case, cuts: list[int]) -> None:
    x = changing(case, 180, 2 * SLIDE + 100 - 180)
    whole, split = Alone(case.name), Alone(case.name)
    assert play(split, x, case, cuts) == play(whole, x, case)


@each_case
@pytest.mark.parametrize("panes", [1, 3])
def test_a_state_goes_on_where_it_was_taken(case: Case, panes: int) -> None:
    x = changing(case, 3 * SLIDE + 100, 3 * SLIDE - 100)
    for closed in range(1, 6):
        whole, first = Alone(case.name, panes=panes), Alone(case.name, panes=panes)
        play(first, x[: closed * SLIDE], case)
        stored = msgspec.msgpack.encode(first.state())
        second = Alone(case.name, panes=panes)
        second.restore(msgspec.msgpack.decode(stored, type=tuple[DetectorState, list[PaneSums], int]))
        expected = play(whole, x, case)[closed:-1]
        assert play(second, x[closed * SLIDE :], case)[:-1] == expected


@each_case
def test_nothing_is_left_after_an_alarm(case: Case) -> None:
    alone = Alone(case.name)
    x = changing(case, SLIDE, 20 * SLIDE)
    while not alone.alarms:
        begin = alone.seen
        assert begin < len(x), "it never alarmed"
        alone.take(x[begin : begin + SLIDE], stop=True)
        if not alone.alarms:
            alone.close(int(case.skipped_share * SLIDE))
    assert alone.detector.state() == Alone(case.name).detector.state()


@each_case
def test_nothing_is_judged_before_enough_records_came(case: Case) -> None:
    """Records that could not be used came too: without them a stream of nothing else would never be judged."""
    alone = Alone(case.name, budget=100.0, panes=4)
    pane = 20
    usable = round(pane * (1.0 - case.skipped_share))
    for number in range(1, 40):
        alone.take(case.changed(case.changed(quiet(usable, number))))
        reading = alone.close(pane - usable)
        came = number * pane
        if came < MIN_RECORDS:
            assert not reading.alarm
            assert not alone.alarms
    assert alone.alarms
    assert alone.alarms[0][0] >= MIN_RECORDS * usable / pane


@each_case
@pytest.mark.parametrize(
    "kind", ["huge", "tiny", "both_signs", "one_value", "training_mean", "ties", "one_record", "no_record"]
)
def test_statistics_are_finite_whatever_the_records_are(case: Case, kind: str) -> None:
    x = quiet(2 * SLIDE)
    x = {
        "huge": np.full_like(x, 1e300),
        "tiny": np.full_like(x, 5e-324),
        "both_signs": np.where(x > 0, 1.7e308, -1.7e308),
        "one_value": np.full_like(x, 0.25),
        "training_mean": np.zeros_like(x) + np.array([0.0, 0.0, 0.0, 4.0]),
        "ties": np.round(x),
        "one_record": x[:1],
        "no_record": x[:0],
    }[kind]
    alone = Alone(case.name)
    for begin in range(0, max(1, len(x)), SLIDE):
        alone.take(x[begin : begin + SLIDE])
        reading = alone.close(3)
        assert math.isfinite(reading.statistic)
        assert 0.0 < reading.threshold < math.inf
        assert reading.statistic >= 0.0
    assert all(math.isfinite(alarm.statistic) for _, alarm in alone.alarms)


@each_case
def test_it_says_the_same_alone_and_among_the_others(case: Case) -> None:
    file = model_file()
    engine = DriftEngine(file.profile, file.drift, Limits(budget=HUGE, slide=SLIDE))
    alone = Alone(case.name, budget=HUGE)
    for seed in range(4):
        x = quiet(SLIDE, seed)
        alone.take(x)
        engine.take(x, probability(x), stop=True)
        assert alone.close(7, 3) in engine.close_pane(7, 3).readings


@each_case
def test_it_finds_the_change_that_it_is_for(case: Case) -> None:
    alone = Alone(case.name)
    before = 4 * SLIDE
    play(alone, quiet(before), Case(case.name, np.copy))
    assert not alone.alarms
    play(alone, case.changed(quiet(12 * SLIDE, 2)), case)
    assert alone.alarms
    records, alarm = alone.alarms[0]
    assert alarm.detector == case.name
    assert 1 <= alarm.back <= records


@each_case
def test_it_is_silent_on_its_own_reference_at_a_large_budget(case: Case) -> None:
    generator = np.random.default_rng(3)
    alone = Alone(case.name, budget=HUGE)
    x = draw(np.random.default_rng(7), 500)
    for _ in range(60):
        alone.take(x[generator.integers(0, len(x), SLIDE)])
        assert not alone.close().alarm
    assert not alone.alarms


@each_case
def test_reading_and_alarm_say_the_same(case: Case) -> None:
    alone = Alone(case.name)
    x = changing(case, 2 * SLIDE, 10 * SLIDE)
    said = 0
    for begin in range(0, len(x), SLIDE):
        alone.take(x[begin : begin + SLIDE])
        reading = alone.close(int(case.skipped_share * SLIDE))
        found = alone.alarms[said:]
        said = len(alone.alarms)
        assert reading.detector == case.name
        assert reading.alarm == bool(found) == (reading.statistic >= reading.threshold)
        assert not (reading.alarm and reading.calm)
        if found:
            [(_, alarm)] = found
            assert (alarm.statistic, alarm.threshold) == (reading.statistic, reading.threshold)
    assert said


@pytest.mark.parametrize("name", [name for name in DETECTORS if name not in {"mean_abs_z", "distribution"}])
def test_a_state_of_another_shape_is_refused(name: str) -> None:
    """Two judge the panes alone, and carry nothing."""
    alone = Alone(name)
    state = alone.detector.state()
    impossible = DetectorState(state.values + b"\0", np.full(len(state.counts) // 8, -1).tobytes())
    for wrong in (DetectorState(state.values + b"\0", state.counts[:-1]), impossible):
        with pytest.raises(ValueError, match=r"."):
            alone.detector.restore(wrong)

"""Alarms as they come out of the stream: they end a window, and know their records."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from core.drift_window import Alarm, DriftWindow, Reading, RetrainEvent
from core.entry import Entry
from core.fields import decode_fields, encode_fields
from core.merged_reader import PlacedEntry
from monitor.model_timeline import JudgingModel
from monitor.state import Position
from monitor.window_engine import ClosedWindow
from tests.monitor.feeding import DRIFT, FILE, SETTINGS, FixedTimeline, block, garbage, windows
from tests.monitor.scenario import START_MS


def _positions_of(placed: Sequence[PlacedEntry]) -> list[str]:
    """Ids of all records of blocks without ids."""
    return [
        f"{item.partition}-{item.id}-{row}"
        for item in placed
        for row in range(int(item.entry.fields[item.entry.fields.index(b"_n") + 1]))
    ]


def _the_alarm(window: ClosedWindow) -> Alarm:
    assert window.drift.alarm is not None
    return window.drift.alarm


#: Six quiet panes of twenty, then a drift from the middle of one on.
WIDE = msgspec.structs.replace(SETTINGS, window_records=20, window_limit_s=60.0)
CHANGE = 6 * 20 + 8
CHANGED = [block(0, CHANGE), block(1, 192, mean=DRIFT)]


def test_a_window_ends_with_the_record_at_which_a_detector_alarmed_and_asks_in_the_same_step() -> None:
    closed = windows(CHANGED, WIDE)
    ids = _positions_of(CHANGED)
    assert [one.drift.n for one in closed[:6]] == [20] * 6
    window = closed[6]
    alarm = _the_alarm(window)
    at = ids.index(alarm.record)
    assert CHANGE <= at < CHANGE + 10
    assert (window.drift.state, window.drift.n, window.drift.last) == ("drift", at + 1 - 120, alarm.record)
    assert window.state.positions[0] == Position(START_MS + 1, 0, at + 1 - CHANGE, 1)
    assert closed[7].drift.first == ids[at + 1]
    assert window.retrain is not None
    assert window.drift.episode == 7
    assert alarm.detector in window.drift.alarmed
    assert [one.retrain for one in closed if one.retrain is not None] == [window.retrain]


def test_the_first_suspected_record_is_located_and_event_and_window_say_the_same() -> None:
    closed = windows(CHANGED, WIDE)
    ids = _positions_of(CHANGED)
    alarm, event = _the_alarm(closed[6]), closed[6].retrain
    first, at = ids.index(alarm.first), ids.index(alarm.record)
    assert abs(first - CHANGE) <= 3
    assert alarm.records == at - first + 1
    assert alarm.first == f"{alarm.since_partition}-{alarm.since}-{alarm.since_row}"
    assert alarm.entry == f"{START_MS + 1}-0"
    assert set(alarm.blame) == set(alarm.shift) == {"a", "b", "constant"}
    assert alarm.effect == abs(alarm.shift[alarm.blame[0]]) > 2
    assert alarm.statistic >= alarm.threshold
    assert alarm.sentence
    assert event == RetrainEvent(
        reason="drift",
        model="run0",
        window=7,
        episode=7,
        since=alarm.since,
        since_partition=alarm.since_partition,
        since_row=alarm.since_row,
        first=alarm.first,
        records=alarm.records,
        detector=alarm.detector,
        statistic=alarm.statistic,
        score=alarm.statistic,
        threshold=alarm.threshold,
        effect=alarm.effect,
        blame=alarm.blame,
        z=alarm.shift,
        sentence=alarm.sentence,
    )  # fmt: skip  (as they are declared)
    (reading,) = (one for one in closed[6].drift.readings if one.detector == alarm.detector)
    assert reading == Reading(alarm.detector, alarm.statistic, alarm.threshold, alarm=True, calm=False)
    read_back = decode_fields(Entry(b"1-0", encode_fields(closed[6].drift)), DriftWindow)
    assert read_back == closed[6].drift


def test_in_an_open_episode_no_pane_is_cut_short_and_its_alarms_are_located_too() -> None:
    closed = windows(CHANGED, WIDE)[7:]
    ids = _positions_of(CHANGED)
    assert [one.drift.n for one in closed[:-1]] == [20] * (len(closed) - 1)
    assert all(one.retrain is None and one.drift.episode == 7 for one in closed)
    alarms = [(_the_alarm(one), one.drift) for one in closed if one.drift.alarm is not None]
    assert len(alarms) >= len(closed) // 2
    for alarm, window in alarms:
        assert ids.index(window.first) <= ids.index(alarm.record) <= ids.index(window.last)
        assert ids.index(alarm.record) - ids.index(alarm.first) + 1 == alarm.records
    assert any(alarm.record != window.last for alarm, window in alarms)


def test_within_the_cooldown_no_pane_is_cut_short_and_nothing_is_asked() -> None:
    own = msgspec.structs.replace(WIDE, retrain_cooldown_s=3_600.0, recovery_windows=1)
    timeline = FixedTimeline([(0, JudgingModel("run0", FILE)), (START_MS + 1, JudgingModel("run1", FILE))])
    placed = [*CHANGED, block(2, 400, mean=DRIFT), block(3_700_000, 100, mean=DRIFT)]
    closed = windows(placed, own, timeline)
    asked = [one.drift.window for one in closed if one.retrain is not None]
    within = closed[asked[0] : asked[1] - 1]
    assert {one.drift.model for one in within} >= {"run1"}
    assert any(one.drift.alarm is not None and one.drift.episode is None for one in within)
    assert closed[asked[1] - 1].drift.last_entry == f"{START_MS + 3_700_000}-0"
    assert [one.drift.n for one in within if one.drift.model == "run1"][:-1] == [20] * 19


def test_too_few_records_give_no_verdict_and_no_alarm() -> None:
    closed = windows([block(2_000 * index, 4, mean=50.0) for index in range(6)])
    states = [one.drift.state for one in closed]
    assert states[0] == "insufficient"
    assert all(one.retrain is None and one.drift.episode is None for one in closed[:1])
    # the detectors count records over windows that are too small for a verdict of their own
    assert all(state == "insufficient" or one.drift.alarm for state, one in zip(states, closed, strict=True))
    assert "drift" in states


def test_windows_of_quiet_records_are_ok_and_a_drift_that_ends_is_an_episode_that_ends() -> None:
    own = msgspec.structs.replace(WIDE, recovery_windows=2)
    closed = windows([block(0, 100), block(1, 40, mean=DRIFT), block(2, 400)], own)
    states = [one.drift.state for one in closed]
    assert states[:5] == ["ok"] * 5
    assert "drift" in states[5:7]
    assert "recovering" in states
    assert states[-1] == "ok"
    assert closed[-1].drift.episode is None
    assert closed[-1].drift.alarmed == []
    assert sum(one.retrain is not None for one in closed) == 1


def test_garbage_is_an_alarm_and_an_episode_and_asks_for_no_retraining() -> None:
    placed = [block(0, 200)]
    for index in range(200):
        placed += [garbage(1 + 2 * index), block(2 + 2 * index, 2)]
    closed = windows(placed, WIDE)
    (opened, *_) = (one.drift for one in closed if one.drift.episode is not None)
    assert opened.alarmed == ["unusable"]
    assert opened.alarm is not None
    assert opened.alarm.detector == "unusable"
    assert all(one.retrain is None for one in closed)

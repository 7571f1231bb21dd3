"""What windows say of labels, and how an alarm of theirs ends one; entries are fed by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from core.calibration import Calibration
from core.concept_reference import fit_concept_reference
from core.entry import Entry, EntryId
from core.label_entry import block_fields
from core.label_figures import LabelFigures
from core.merged_reader import LABELS, PlacedEntry
from core.model import Floats, sigmoid
from core.model_file import ModelFile
from core.record_encoder import encode_block
from core.sample_block import is_sampled
from core.settings import Settings
from monitor import label_state, label_watch
from monitor.detectors import concept
from monitor.detectors.panel import DETECTORS
from monitor.model_timeline import JudgingModel
from monitor.state import WHOLE, Position
from monitor.window_engine import ClosedWindow
from tests.monitor.feeding import FixedTimeline, windows, written
from tests.monitor.scenario import START_MS, make_model


def with_own_outcomes(file: ModelFile) -> ModelFile:
    """A model whose held-out rows had the outcomes that it says."""
    x = np.random.default_rng(9).normal(size=(2_000, file.model.schema.width))
    return replace(file, concept=fit_concept_reference(file.model.score(x).logit, outcomes(file, x, seed=10)))


def outcomes(file: ModelFile, x: Floats, seed: int) -> Floats:
    """(n,) outcomes of rows as the model says."""
    probability = sigmoid(file.model.score(x).logit)
    return (np.random.default_rng(seed).random(len(x)) < probability).astype(np.float64)


FILE = with_own_outcomes(make_model(("a", "b"), 1))
OTHER = with_own_outcomes(make_model(("a", "b"), 2))
TIMELINE = FixedTimeline([(0, JudgingModel("run0", FILE))])
SETTINGS = Settings(
    window_records=10,
    window_limit_s=1.0,
    window_min_records=5,
    retrain_cooldown_s=0.0,
    false_alarm_records=1_000_000,
    label_false_alarm_records=1_000,
)
NAN = float("nan")


def rows(
    ms: int, ids: Sequence[bytes], labels: Sequence[float] | None = None, mean: float = 0.0, file: ModelFile = FILE
) -> PlacedEntry:
    """A block of records."""
    x = np.random.default_rng(ms).normal(mean, 1.0, (len(ids), file.model.schema.width))
    y = None if labels is None else np.array(labels)
    entry_id = EntryId(START_MS + ms, 0)
    entry = Entry(str(entry_id).encode(), encode_block(x, file.model.schema, list(ids), labels=y))
    return PlacedEntry(0, entry_id, entry)


def told(ms: int, *labels: tuple[bytes, float]) -> PlacedEntry:
    """A block of labels."""
    entry_id = EntryId(START_MS + ms, 0)
    return PlacedEntry(LABELS, entry_id, Entry(str(entry_id).encode(), block_fields(list(labels))))


def names(prefix: str, count: int) -> list[bytes]:
    return [f"{prefix}{number}".encode() for number in range(count)]


def fed(
    placed: Sequence[PlacedEntry],
    own: Settings = SETTINGS,
    timeline: FixedTimeline = TIMELINE,
    cuts: Sequence[int] = (),
) -> list[ClosedWindow]:
    """All windows of some entries, whatever order they are given in; read by pieces they are the same."""
    merged = sorted(placed, key=lambda item: (item.id, item.partition))
    closed = windows(merged, own, timeline)
    for pieces in (cuts, [1] * len(merged)):
        assert written(windows(merged, own, timeline, pieces)) == written(closed)
    return closed


def figures(closed: Sequence[ClosedWindow]) -> list[LabelFigures]:
    found = [one.drift.labels for one in closed]
    return [one for one in found if one is not None]


def assert_counts(one: LabelFigures, **expected: int) -> None:
    """What is not given is 0."""
    counted = ("tested", "early", "stale", "repeated", "left_out", "unmatched", "waiting")
    assert {name: getattr(one, name) for name in counted} == dict.fromkeys(counted, 0) | expected


def test_without_labels_nothing_is_said_of_them() -> None:
    (one,) = fed([rows(0, names("a", 10))])
    assert one.drift.labels is None
    assert one.drift.readings[-1].detector == concept.NAME
    assert (one.drift.readings[-1].statistic, one.drift.readings[-1].calm) == (0.0, True)


def test_a_label_that_came_with_its_record_came_at_once() -> None:
    (one,) = figures(fed([rows(0, names("a", 10), [1, 0, NAN, NAN, 1, NAN, NAN, NAN, NAN, NAN])]))
    assert_counts(one, tested=3)
    assert (one.coverage, one.delay_s) == (0.3, 0.0)


def test_late_labels_are_counted_in_the_window_in_which_they_come_with_their_delay() -> None:
    placed = [rows(0, names("a", 10)), rows(100, names("b", 5)), told(500, (b"a0", 1.0), (b"a9", 0.0))]
    placed += [told(550, (b"b1", 1.0)), rows(600, names("c", 5))]
    first, second = fed(placed)
    assert first.drift.labels is None
    assert second.drift.labels is not None
    assert_counts(second.drift.labels, tested=3)
    assert second.drift.labels.delay_s == pytest.approx((0.5 + 0.5 + 0.45) / 3)
    assert second.drift.labels.coverage == 3 / 20


def test_labels_between_two_windows_count_for_the_next() -> None:
    placed = [rows(0, names("a", 10)), told(50, (b"a0", 1.0)), told(60, (b"a1", 1.0)), rows(5_000, names("b", 10))]
    first, second = fed(placed)
    assert first.drift.labels is None
    assert first.state.positions.get(LABELS) is None
    assert second.drift.labels is not None
    assert_counts(second.drift.labels, tested=2)
    assert second.state.positions[LABELS] == Position(START_MS + 60, 0, WHOLE, 2)


def test_a_label_beyond_the_time_limit_closes_the_window_before_it_counts() -> None:
    first, second = fed([rows(0, names("a", 4)), told(1_000, (b"a0", 1.0)), rows(1_001, names("b", 4))])
    assert (first.drift.n, second.drift.n) == (4, 4)
    assert first.drift.labels is None
    assert second.drift.labels is not None


def test_an_early_label_waits_for_its_record() -> None:
    placed = [rows(0, names("a", 10)), told(10, (b"b3", 1.0), (b"c0", 0.0)), rows(20, names("b", 10))]
    _, second = fed([*placed, rows(30, names("c", 4))])[:2]
    assert second.drift.labels is not None
    assert_counts(second.drift.labels, tested=1, early=1, waiting=1)
    assert second.drift.labels.delay_s == 0.0
    third = fed([*placed, rows(30, names("c", 4))])[2]
    assert third.drift.labels is not None
    assert_counts(third.drift.labels, tested=1, early=1)


def test_a_label_told_twice_counts_once() -> None:
    placed = [rows(0, names("a", 5), [1, NAN, NAN, NAN, NAN])]
    placed += [told(1, (b"a0", 1.0), (b"a1", 0.0), (b"a1", 0.0)), told(2, (b"a1", 1.0))]
    placed += [told(3, (b"b0", 1.0), (b"b0", 0.0)), rows(4, names("b", 5))]
    (one,) = figures(fed(placed))
    assert_counts(one, tested=3, early=1, repeated=4)


def test_a_records_own_label_is_not_replaced_by_an_early_one() -> None:
    (one,) = figures(fed([told(0, (b"a0", 1.0)), rows(1, names("a", 10), [0.0, *[NAN] * 9])]))
    assert_counts(one, tested=1, repeated=1)


def test_a_label_of_a_repeated_id_joins_the_newest_record() -> None:
    placed = [rows(0, [b"x", *names("a", 4)]), rows(400, [b"x", *names("b", 4)]), told(500, (b"x", 1.0))]
    (one,) = figures(fed([*placed, rows(600, names("c", 2))]))
    assert_counts(one, tested=1)
    assert one.delay_s == pytest.approx(0.1)


def test_labels_of_records_that_were_left_out_are_counted() -> None:
    own = msgspec.structs.replace(SETTINGS, sample_share=0.5)
    ids = names("a", 9)
    kept = [record_id for record_id in ids if is_sampled(record_id, 0.5)]
    assert 0 < len(kept) < 9
    placed = [rows(0, ids, [1.0] + [NAN] * 8), told(1, *((record_id, 1.0) for record_id in ids))]
    (one,) = figures(fed([*placed, rows(2, [b"later"])], own))
    own_kept = ids[0] in kept
    assert_counts(one, tested=len(kept), repeated=int(own_kept), left_out=9 - len(kept))
    assert one.coverage == len(kept) / (len(kept) + is_sampled(b"later", 0.5))


def test_of_too_many_labels_that_wait_the_oldest_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.label_join.MAX_WAITING", 3)
    placed = [rows(0, names("a", 2)), told(1, *((record_id, 1.0) for record_id in names("u", 5)))]
    (one,) = fed([*placed, rows(2, [b"u0", b"u1", b"u2"])])
    assert one.drift.labels is not None
    assert_counts(one.drift.labels, tested=1, early=1, unmatched=2, waiting=2)
    assert [waiting.id for waiting in one.state.labels.waiting] == [b"u3", b"u4"]
    assert label_state.MAX_WAITING == 1_000


def test_rows_and_labels_beyond_the_horizon_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_watch, "HORIZON_MS", 10_000)
    placed = [rows(0, names("a", 10)), told(5, (b"unknown", 1.0)), rows(10, names("b", 10))]
    placed += [rows(15_000, names("c", 10)), told(15_001, (b"b0", 1.0)), rows(15_002, names("d", 10))]
    closed = fed(placed)
    third, fourth = closed[2].drift.labels, closed[3].drift.labels
    assert third is not None
    assert_counts(third, unmatched=1)
    assert closed[2].state.labels.oldest_ms == START_MS + 15_000
    assert fourth is not None
    assert_counts(fourth, waiting=1)


def test_labels_of_rows_that_an_earlier_model_judged_are_not_tested() -> None:
    timeline = FixedTimeline([(0, JudgingModel("run0", FILE)), (START_MS + 50, JudgingModel("run1", OTHER))])
    placed = [rows(0, names("a", 10)), told(1, (b"early", 1.0)), rows(100, [b"early", *names("b", 4)])]
    placed += [told(101, (b"a0", 1.0), (b"b0", 1.0)), rows(102, names("c", 5))]
    first, second = fed(placed, timeline=timeline)
    assert (first.drift.model, second.drift.model) == ("run0", "run1")
    assert second.drift.labels is not None
    assert_counts(second.drift.labels, tested=2, early=1, stale=1)
    assert second.drift.labels.coverage == 3 / 20
    assert second.drift.labels.reference_log_loss == OTHER.concept.log_loss
    assert second.state.labels.test is not None
    assert second.state.labels.test.sums.labels == 2


def test_a_label_between_windows_behind_a_promotion_is_not_for_the_model_before() -> None:
    timeline = FixedTimeline([(0, JudgingModel("run0", FILE)), (START_MS + 50, JudgingModel("run1", OTHER))])
    placed = [rows(0, names("a", 10)), told(40, (b"a0", 1.0)), told(60, (b"a1", 1.0)), rows(70, names("b", 10))]
    _, second = fed(placed, timeline=timeline)
    assert second.drift.labels is not None
    assert_counts(second.drift.labels, tested=1, stale=1)
    assert second.state.labels.test is not None
    assert second.state.labels.test.sums.labels == 0


def against(file: ModelFile, item: PlacedEntry, ids: Sequence[bytes]) -> list[tuple[bytes, float]]:
    """Labels against what the model holds likelier for each row."""
    x = np.frombuffer(item.entry.fields[item.entry.fields.index(b"_x") + 1], "<f8").reshape(len(ids), -1)
    return list(zip(ids, (file.model.score(x).logit < 0).astype(float).tolist(), strict=True))


def peace_then_contradiction() -> tuple[list[PlacedEntry], list[tuple[bytes, float]]]:
    """100 records with labels as the model says; 60 whose labels, all in one entry, say the contrary."""
    placed: list[PlacedEntry] = []
    for number in range(10):
        ids = names(f"p{number}-", 10)
        x = np.random.default_rng(10 * number).normal(0.0, 1.0, (10, 2))
        placed.append(rows(10 * number, ids, outcomes(FILE, x, seed=number).tolist()))
    wrong: list[tuple[bytes, float]] = []
    for number in range(6):
        ids = names(f"c{number}-", 10)
        placed.append(rows(1_000 + 10 * number, ids))
        wrong += against(FILE, placed[-1], ids)
    return placed, wrong


def test_an_alarm_ends_the_window_at_its_label_and_asks() -> None:
    placed, wrong = peace_then_contradiction()
    placed += [rows(2_000, names("d", 4)), told(2_001, *wrong), rows(2_002, names("e", 10))]
    closed = fed(placed)
    window = next(one for one in closed if one.drift.alarm is not None)
    alarm, event, labels = window.drift.alarm, window.retrain, window.drift.labels
    assert alarm is not None
    assert labels is not None
    assert (window.drift.state, window.drift.n, alarm.detector) == ("drift", 4, concept.NAME)
    position = window.state.positions[LABELS]
    assert (position.ms, position.row) == (START_MS + 2_001, labels.tested)
    assert 3 < labels.tested < 40
    assert alarm.record == wrong[labels.tested - 1][0].decode()
    assert alarm.entry == f"{START_MS + 1_000 + 10 * ((labels.tested - 1) // 10)}-0"
    before = [told_id for number in range(10) for told_id in names(f"p{number}-", 10)]
    order = [record_id.decode() for record_id in (*before, *(told_id for told_id, _ in wrong))]
    assert alarm.first == order[100 + labels.tested - alarm.records]
    number, row = alarm.first.removeprefix("p").removeprefix("c").split("-")
    assert alarm.since == f"{START_MS + 10 * int(number) + 1_000 * alarm.first.startswith('c')}-0"
    assert alarm.since_row == int(row)
    assert 90 < order.index(alarm.first) < 105
    assert (alarm.blame, alarm.effect) == ([], 0.0)
    assert "log-loss" in alarm.sentence
    assert event is not None
    assert (event.reason, event.detector, event.since) == ("label_drift", concept.NAME, alarm.since)
    assert (event.first, event.records, event.sentence) == (alarm.first, alarm.records, alarm.sentence)
    assert window.drift.readings[-1].alarm
    assert window.drift.episode == window.drift.window
    assert window.drift.alarmed == [concept.NAME]
    later = next(one for one in closed if one.drift.window == window.drift.window + 1)
    assert later.drift.labels is not None
    assert later.drift.labels.tested == len(wrong) - labels.tested
    assert later.retrain is None  # one episode, one event


def test_of_a_calibrated_model_the_alarm_says_that_its_log_loss_is_the_one_before() -> None:
    placed, wrong = peace_then_contradiction()
    placed += [rows(2_000, names("d", 4)), told(2_001, *wrong), rows(2_002, names("e", 10))]
    model = replace(FILE.model, calibration=Calibration("platt", np.array([0.5, -1.0])))
    timeline = FixedTimeline([(0, JudgingModel("run0", replace(FILE, model=model)))])
    plain, calibrated = (
        next(one for one in fed(placed, timeline=each) if one.drift.alarm is not None)
        for each in (TIMELINE, timeline)
    )
    assert plain.drift.alarm is not None
    assert calibrated.drift.alarm is not None
    assert "the log-loss before calibration of the last" in calibrated.drift.alarm.sentence
    assert calibrated.drift.alarm.sentence.replace(" before calibration", "") == plain.drift.alarm.sentence
    assert calibrated.drift.labels == plain.drift.labels


def test_an_alarm_between_two_windows_has_a_window_of_its_own() -> None:
    placed, wrong = peace_then_contradiction()
    closed = fed([*placed, told(2_001, *wrong), rows(2_002, names("e", 10))])
    window = next(one for one in closed if one.drift.alarm is not None)
    assert (window.drift.n, window.drift.first, window.samples) == (0, "", None)
    assert window.drift.state == "drift"
    assert window.retrain is not None
    assert closed[window.drift.window].drift.n == 10


def test_within_the_cooldown_an_alarm_cuts_no_window() -> None:
    own = msgspec.structs.replace(SETTINGS, retrain_cooldown_s=100.0)
    placed, wrong = peace_then_contradiction()
    placed += [told(2_001, *wrong), rows(2_002, names("e", 10))]
    for number in range(6):
        ids = names(f"f{number}-", 10)
        placed.append(rows(2_100 + 10 * number, ids))
        placed.append(told(2_101 + 10 * number, *against(FILE, placed[-1], ids)))
    closed = fed([*placed, rows(2_200, names("g", 10))], own)
    alarms = [one for one in closed if one.drift.alarm is not None]
    assert len(alarms) > 1
    assert [one.drift.n for one in alarms[1:]] == [10] * (len(alarms) - 1)
    assert len([one for one in closed if one.retrain is not None]) == 1


@pytest.mark.parametrize("budget", [1_000, 3_000])
def test_an_alarm_of_the_records_before_that_of_the_labels_ends_the_window(budget: int) -> None:
    """Both are in one entry: the labels behind the record count for the window after."""
    own = msgspec.structs.replace(SETTINGS, false_alarm_records=budget, window_records=60)
    placed = [rows(10 * number, names(f"p{number}-", 20)) for number in range(3)]
    ids = names("c", 60)
    item = rows(100, ids, mean=4.0)
    wrong = dict(against(FILE, item, ids))
    labelled = rows(100, ids, [wrong[record_id] for record_id in ids], mean=4.0)
    closed = fed([*placed, labelled, rows(200, names("d", 60))], own)
    alarms = [one for one in closed if one.drift.alarm is not None]
    first = alarms[0].drift
    assert first.alarm is not None
    assert first.alarm.detector in DETECTORS
    assert first.labels is not None
    assert first.labels.tested == first.n
    assert alarms[0].state.positions[0].row == first.n
    assert any(one.drift.readings[-1].alarm for one in closed)


def streamed(shift: float, reverse: bool) -> list[ClosedWindow]:
    """2,000 records as in training, then 1,000 with other features or other labels, each told after 50 ms."""
    own = msgspec.structs.replace(
        SETTINGS, window_records=200, window_min_records=50, label_false_alarm_records=10_000, window_limit_s=60.0
    )
    placed: list[PlacedEntry] = []
    numbers = np.random.default_rng(4)
    for number in range(60):
        changed = number >= 40
        x = numbers.normal(shift if changed else 0.0, 1.0, (50, 2))
        y = outcomes(FILE, x, seed=1_000 + number)
        y = 1.0 - y if changed and reverse else y
        ids = names(f"r{number}-", 50)
        entry_id = EntryId(START_MS + 20 * number, 0)
        fields = encode_block(x, FILE.model.schema, ids)
        placed.append(PlacedEntry(0, entry_id, Entry(str(entry_id).encode(), fields)))
        placed.append(told(20 * number + 50, *zip(ids, y.tolist(), strict=True)))
    return windows(sorted(placed, key=lambda item: (item.id, item.partition)), own, TIMELINE)


def alarmed(closed: Sequence[ClosedWindow]) -> Counter[str]:
    return Counter(reading.detector for one in closed for reading in one.drift.readings if reading.alarm)


def test_a_change_of_the_labels_alone_is_seen_by_their_detector_alone() -> None:
    closed = streamed(0.0, reverse=True)
    assert set(alarmed(closed)) == {concept.NAME}
    event = next(one.retrain for one in closed if one.retrain is not None)
    assert event.reason == "label_drift"
    assert event.since is not None
    assert abs(int(event.since.split("-")[0]) - (START_MS + 20 * 40)) <= 20


def test_a_change_of_the_features_alone_is_not_seen_by_the_detector_of_the_labels() -> None:
    found = alarmed(streamed(1.0, reverse=False))
    assert found
    assert concept.NAME not in found


def test_without_any_change_nothing_alarms() -> None:
    closed = streamed(0.0, reverse=False)
    assert not alarmed(closed)
    last = figures(closed)[-1]
    assert last.log_loss is not None
    assert last.log_loss == pytest.approx(last.reference_log_loss, abs=0.1)
    assert last.delay_s == pytest.approx(0.05)
    assert last.coverage > 0.9

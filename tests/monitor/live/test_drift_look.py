"""Windows, their history, and what is said of them."""

from __future__ import annotations

import time

import pytest

from core.connection import Connection
from core.model_file import ModelFile
from monitor.live.drift_look import LEAST_SPAN_MS
from monitor.live.window_history import POINTS
from monitor.live.window_reader import FIRST_WINDOWS
from tests.both_servers import both_servers
from tests.monitor.live.written import ANOTHER, RUN, Written, drifting

pytestmark = both_servers


def now_ms() -> int:
    return int(time.time() * 1000)  # no later than the server's


def test_before_the_first_window_that_is_said(written: Written) -> None:
    drift = written.look().drift
    assert (drift.window, drift.words) == (None, "No window has closed yet.")
    assert (drift.history.ts_ms, drift.heat.features, drift.marks) == ([], [], [])


def test_a_calm_window_names_its_largest_shift_as_chance(written: Written, model_file: ModelFile) -> None:
    written.promote(model_file)
    written.add_window(1, z={"a": 0.01, "b": -0.08})
    drift = written.look().drift
    assert drift.words == "No feature stands out: the largest shift, b -0.08 SD, is within what chance does."
    assert drift.window is not None
    assert (drift.window.window, drift.window.z, drift.window.features) == (1, {"b": -0.08, "a": 0.01}, 2)
    assert [(reading.detector, reading.threshold) for reading in drift.readings] == [
        ("mean_abs_z", 0.4),
        ("cusum", 1e300),
    ]
    assert all(reading.words for reading in drift.readings)


def test_a_shift_beyond_chance_is_named_without_being_called_a_drift(written: Written) -> None:
    written.add_window(1, z={"a": 1.4, "b": -1.3, "c": 0.0, "d": 1.2, "e": 1.1, "f": 1.0})
    assert written.look().drift.words == (
        "a (+1.4 SD), d (+1.2 SD), e (+1.1 SD) and 1 more are higher than in training; b (-1.3 SD) is lower than "
        "in training; no detector took that for a drift."
    )


def test_an_episode_repeats_the_sentence_of_its_alarm_until_it_is_over(written: Written) -> None:
    sentence = "a is 1.4 SD higher for the last 20 records."
    written.add_window(6)
    written.add_window(7, z={"a": 1.4, "b": 0.2}, **drifting(7, 7, sentence=sentence))
    drift = written.look().drift
    assert drift.words == f"{sentence} Farthest from training in window 7: a (+1.4 SD) and b (+0.2 SD)."
    (mark,) = drift.marks
    assert (mark.kind, mark.text, mark.window) == ("alarm", sentence, 7)
    written.add_window(8, **drifting(8, 7, "recovering"))
    words = written.look().drift.words
    assert words.startswith(sentence)
    assert "the episode of window 7 is over after 3 calm windows in a row" in words
    written.add_window(9)
    assert "No feature stands out" in written.look().drift.words


@pytest.mark.parametrize(
    ("detector", "said"), [("unusable", "not about a feature"), ("concept", "The labels say so")]
)
def test_no_feature_is_blamed_for_what_is_not_its_fault(written: Written, detector: str, said: str) -> None:
    written.add_window(3, **(drifting(3, 3, sentence="Something happened.") | {"alarmed": [detector]}))
    words = written.look().drift.words
    assert words.startswith("Something happened.")
    assert said in words
    assert "SD" not in words


def test_a_window_without_a_verdict_says_so_beside_the_last_verdict(written: Written) -> None:
    written.add_window(1, z={"a": 0.01})
    written.add_window(2, state="insufficient", n=12, skipped=3)
    drift = written.look().drift
    assert drift.words == (
        "Window 2 closed with 12 records that could be used; fewer than 50 give no verdict. The verdict of window "
        "1 before it: No feature stands out: the largest shift, a +0.01 SD, is within what chance does. 3 of 15 "
        "records could not be used."
    )
    assert drift.window is not None
    assert drift.window.window == 1
    assert drift.history.window == [1]


def test_history_and_heat_map_are_in_step(written: Written) -> None:
    start = now_ms() - 200_000
    for number in range(40):
        z = {"a": 0.01 * number, "b": -0.5, "c": 0.001}
        written.add_window(number, f"{start + 5_000 * number}-0", z=z, score=0.01 * number)
    drift = written.look().drift
    assert (drift.history.from_ms, sum(drift.history.windows)) == (start - 5_000, 40)
    assert drift.history.span_s == (drift.history.to_ms - drift.history.from_ms) / 1000
    assert drift.heat.features == ["b", "a", "c"]
    assert drift.heat.features_total == 3
    assert [len(row) for row in drift.heat.z] == [len(drift.history.ts_ms)] * 3
    shifts = dict(zip(drift.history.window, drift.heat.z[1], strict=True))
    assert {number: value for number, value in shifts.items() if value != pytest.approx(0.01 * number)} == {}


def test_a_young_history_begins_with_its_first_window(written: Written) -> None:
    end = now_ms()
    for number in range(5):
        written.add_window(number, f"{end - 50_000 + 10_000 * number}-0")
    assert written.look().drift.history.from_ms == end - 60_000  # where that window may have begun


def test_an_older_history_fills_its_span(written: Written) -> None:
    end = now_ms()
    for number in range(50):
        written.add_window(number, f"{end - 400_000 + 8_000 * number}-0")
    history = written.look().drift.history
    assert history.to_ms - history.from_ms == 300_000


def test_the_first_window_does_not_stand_on_a_point_of_time(written: Written) -> None:
    written.add_window(1)
    history = written.look().drift.history
    assert history.to_ms - history.from_ms == LEAST_SPAN_MS
    assert history.from_ms < history.ts_ms[0]


def test_what_comes_later_is_read_alone(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(50):
        written.add_window(number)
    written.look()
    seen = commands(written.connection, monkeypatch)
    written.look()
    nothing_new = len(seen)
    written.add_window(50)
    assert sum(written.look().drift.history.windows) == 51
    assert not any("XRANGE" in command or "500" in command for command in seen[:nothing_new])


def test_more_windows_than_are_read_are_sampled_over_the_whole_span(written: Written) -> None:
    end = now_ms()
    total = 2 * FIRST_WINDOWS
    for start in range(0, total, 500):
        written.connection.pipeline(
            [
                ("XADD", written.keys.drift, f"{end - 280_000 + 70 * number}-0", *fields(number))
                for number in range(start, start + 500)
            ]
        )
    drift = written.look().drift
    assert 280 <= drift.history.span_s <= 300
    assert POINTS * 0.9 <= len(drift.history.ts_ms) <= POINTS + 1
    later = written.look().drift
    assert later.history.windows[5:] == drift.history.windows[-len(later.history.windows) :][5:]


def test_a_drift_stream_that_is_made_anew_is_begun_anew(written: Written) -> None:
    for number in range(5):
        written.add_window(number)
    assert sum(written.look().drift.history.windows) == 5
    written.connection.call("DEL", written.keys.drift)
    written.add_window(1, "5-1")
    drift = written.look().drift
    assert (drift.window is not None and drift.window.window) == 1
    assert written.look().drift.history.window in ([], [1])  # it closed in 1970


def test_a_drift_stream_that_is_made_anew_with_later_windows_is_begun_anew(written: Written) -> None:
    for number in range(5):
        written.add_window(number, score=0.3)
    written.look()
    written.await_next_ms()
    written.connection.call("DEL", written.keys.drift)
    written.add_window(1, score=0.2)
    assert written.look().drift.history.score == [0.2]


def test_after_a_promotion_words_say_that_the_window_is_of_the_model_before(
    written: Written, model_file: ModelFile
) -> None:
    written.promote(model_file)
    written.add_window(7, z={"a": 1.4}, **drifting(7, 7, sentence="a moved."))
    assert written.look().drift.words.startswith("a moved.")
    written.promote(model_file, ANOTHER, "The candidate is better.")
    drift = written.look().drift
    assert drift.words.startswith(
        f"Run {ANOTHER} is in production and has no closed window yet; this is of window 7, by run {RUN}. a moved."
    )
    assert drift.window is not None
    assert drift.window.model == RUN
    written.add_window(8, state="insufficient", n=12, model=ANOTHER)
    assert f"The verdict of window 7 before it, by run {RUN}: " in written.look().drift.words
    written.add_window(9, model=ANOTHER)
    assert written.look().drift.words.startswith("No feature stands out")


def test_a_mark_of_a_roll_back_says_so(written: Written, model_file: ModelFile) -> None:
    for run_id, reason in ((RUN, "first"), (ANOTHER, "It is better."), (RUN, "rollback")):
        written.promote(model_file, run_id, reason)
    assert [mark.text for mark in written.look().drift.marks] == [
        f"Run {RUN} is the first in production.",
        f"Run {ANOTHER} into production: It is better.",
        f"A person put run {RUN} back into production.",
    ]


def test_what_was_not_judged_is_no_refusal(written: Written) -> None:
    for outcome in ("too_few_labels", "failed", "superseded"):
        told = ("run_id", "r", "outcome", outcome, "reason", "drift", "sentence", "Not now.", "event", "1-1")
        written.add(written.keys.decisions, *told, "ts", now_ms())
    assert written.look().drift.marks == []


def test_marks_tell_of_everything_that_happened_to_production(written: Written, model_file: ModelFile) -> None:
    written.promote(model_file, reason="The candidate is <b>better</b>.")
    written.add(written.keys.retrain, "reason", "drift", "window", "7", "sentence", "a moved.")
    refused = ("run_id", "r2", "outcome", "refused", "reason", "drift", "sentence", "Not better.", "event", "1-1")
    ts = now_ms()
    for _ in range(2):  # told twice, as after a kill
        written.add(written.keys.decisions, "_v", "1", *refused, "ts", ts)
    marks = written.look().drift.marks
    assert sorted((mark.kind, mark.text, mark.window) for mark in marks) == [
        ("promotion", "Run 0123456789ab into production: The candidate is <b>better</b>.", None),
        ("refusal", "Production stays: Not better.", None),
        ("retrain", "Retraining asked for (drift): a moved.", 7),
    ]


def fields(number: int) -> list[str]:
    """The few fields of a window that a history needs."""
    return ["window", str(number), "state", "ok", "score", "0.1", "threshold", "0.4"]


def commands(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is sent from now on."""
    seen: list[str] = []
    call, pipeline = connection.call, connection.pipeline

    def noted_call(*arguments: object) -> object:
        seen.append(" ".join(map(str, arguments)))
        return call(*arguments)  # type: ignore[arg-type]  # passed on

    def noted_pipeline(sent: list[tuple[object, ...]]) -> object:
        seen.extend(" ".join(map(str, each)) for each in sent)
        return pipeline(sent)  # type: ignore[arg-type]  # passed on

    monkeypatch.setattr(connection, "call", noted_call)
    monkeypatch.setattr(connection, "pipeline", noted_pipeline)
    return seen

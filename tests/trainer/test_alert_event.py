"""The event of an alert: answered like one by hand, or like a drift's where the monitor finds one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from core.drift_window import OF_LABELS, UNMENDED, Alarm, DriftWindow, RetrainEvent
from core.entry import entries_of
from core.fields import decode_fields, encode_fields
from core.registry import Production
from monitor.detectors import concept, unusable
from tests.both_servers import both_servers
from tests.trainer.turning import FIRST_MS, until
from trainer.alert_event import LOOK_AHEAD_WINDOWS, as_of_drift
from trainer.open_request import find_open_request

if TYPE_CHECKING:
    from tests.trainer.conftest import Stage


def current(stage: Stage) -> Production:
    production = stage.registry.production()
    assert production is not None
    return production


def alert_event(stage: Stage, **changes: Any) -> bytes:
    return stage.event(RetrainEvent(reason="alert", model=stage.production, alert="Slow", **changes))


def alarm_window(
    stage: Stage, episode: int | None = 3, detector: str = "mean_shift", number: int = 3, **changes: Any
) -> None:
    """A closed window with an alarm of a drift that began at FIRST_MS."""
    stage.window(episode, number)
    (entry,) = entries_of(stage.connection.call("XREVRANGE", stage.keys.drift, "+", "-", "COUNT", 1))
    alarm = Alarm(
        detector=detector,
        statistic=9.0,
        threshold=3.0,
        effect=4.0,
        shift={"a": 4.0, "b": 0.0},
        blame=["a"],
        record="d99",
        entry=f"{FIRST_MS + 99}-0",
        first="d0",
        since=f"{FIRST_MS}-0",
        records=100,
        window=3,
        model=stage.production,
        sentence="a is 4 SD higher.",
    )
    window = msgspec.structs.replace(decode_fields(entry, DriftWindow), alarm=alarm, **changes)
    stage.connection.call("XDEL", stage.keys.drift, entry.id)
    stage.connection.call("XADD", stage.keys.drift, "*", *encode_fields(window))


def resolved(stage: Stage) -> RetrainEvent:
    """The newest retrain event as the trainer takes it."""
    (entry,) = entries_of(stage.connection.call("XREVRANGE", stage.keys.retrain, "+", "-", "COUNT", 1))
    return as_of_drift(stage.connection, stage.keys, entry.id, decode_fields(entry, RetrainEvent))


def test_the_names_that_are_spelt_here_are_those_of_the_detectors() -> None:
    assert sorted(UNMENDED) == [unusable.NAME]
    assert OF_LABELS == concept.NAME


@both_servers
def test_without_a_drift_it_is_answered_like_one_by_hand(stage: Stage) -> None:
    """With all rows, and judged on production's own holdout, which a drifted model would not stand."""
    first = stage.first_model()
    service = stage.started()
    stage.drifted(labels=300)
    alert_event(stage)
    until(service, lambda: stage.outcomes() == ["refused"])
    (run,) = stage.answers()
    assert (run.params["reason"], run.params["since"], run.params["labelled_rows"]) == ("alert", None, 300)
    assert "significantly worse on the fixed holdout" in run.meta.detail
    assert (stage.production, stage.pending()) == (first, 0)


@both_servers
def test_it_stands_for_the_episode_that_opened_behind_it(stage: Stage) -> None:
    first = stage.first_model()
    service = stage.started()
    stage.drifted(labels=300)
    alert_event(stage)
    alarm_window(stage)
    until(service, lambda: stage.production != first)
    (run,) = stage.answers()
    assert (run.params["reason"], run.params["episode"], run.params["since"]) == ("drift", 3, f"{FIRST_MS}-0")


@both_servers
def test_one_that_was_refused_before_the_episode_opened_is_tried_again_as_a_drift(stage: Stage) -> None:
    first = stage.first_model()
    service = stage.started()
    stage.drifted(labels=300)
    alert_event(stage)
    until(service, lambda: stage.outcomes() == ["refused"])
    alarm_window(stage)
    until(service, lambda: stage.production != first)
    assert stage.outcomes() == ["refused", "promoted"]
    assert stage.pending() == 0


def test_it_stands_for_an_episode_that_opened_hundreds_of_windows_later(stage: Stage) -> None:
    """As while no trainer was there, or where windows close many a second."""
    stage.first_model()
    stage.started()
    alert_event(stage)
    for number in range(3, 3 + 2 * LOOK_AHEAD_WINDOWS):
        stage.window(None, number)
    opened = 3 + 2 * LOOK_AHEAD_WINDOWS
    alarm_window(stage, opened, number=opened)
    for number in range(opened + 1, opened + LOOK_AHEAD_WINDOWS):
        stage.window(opened, number)
    assert (resolved(stage).reason, resolved(stage).since) == ("drift", f"{FIRST_MS}-0")
    assert resolved(stage).episode == opened


def test_labels_that_come_later_lead_to_another_attempt(stage: Stage) -> None:
    first = stage.first_model()
    service = stage.started()
    ids, y = stage.drifted(labels=20)
    alert_event(stage)
    alarm_window(stage)
    until(service, lambda: stage.outcomes() == ["too_few_labels"])
    stage.label(ids[20:300], y[20:300])
    until(service, lambda: stage.production != first)
    assert {run.params["reason"] for run in stage.answers()} == {"drift"}


def test_an_alarm_of_labels_makes_it_a_drift_of_labels(stage: Stage) -> None:
    stage.first_model()
    stage.started()
    alert_event(stage)
    alarm_window(stage, detector=concept.NAME)
    assert (resolved(stage).reason, resolved(stage).alert) == ("label_drift", "Slow")


@pytest.mark.parametrize(
    "window",
    [
        {"detector": unusable.NAME},
        {"episode": None},
        {"model": "another"},
    ],
)
def test_a_window_that_says_nothing_of_it_leaves_it_as_it_is(stage: Stage, window: dict[str, Any]) -> None:
    stage.first_model()
    stage.started()
    alert_event(stage)
    alarm_window(stage, **window)
    stage.window(window.get("episode", 3))
    assert resolved(stage).reason == "alert"


def test_an_episode_from_before_it_leaves_it_as_it_is(stage: Stage) -> None:
    stage.first_model()
    stage.started()
    alarm_window(stage)
    at_ms = stage.connection.now_ms()
    while stage.connection.now_ms() <= at_ms:
        pass
    alert_event(stage)
    stage.window(3)
    assert resolved(stage).reason == "alert"
    assert find_open_request(stage.connection, stage.keys, current(stage)) is None


def test_one_about_another_model_is_superseded(stage: Stage) -> None:
    stage.first_model()
    service = stage.started()
    stage.drifted(labels=300)
    stage.event(RetrainEvent(reason="alert", model="0123456789ab"))
    before = stage.production
    until(service, lambda: stage.outcomes() == ["superseded"])
    assert stage.production == before


def test_an_alert_behind_a_drifts_event_does_not_close_it(stage: Stage) -> None:
    stage.first_model()
    service = stage.started()
    stage.drifted(labels=20)
    event_id = stage.drift_event()
    until(service, lambda: stage.outcomes() == ["too_few_labels"])
    alert_event(stage)
    until(service, lambda: len(stage.outcomes()) == 2)
    found = find_open_request(stage.connection, stage.keys, current(stage))
    assert found is not None
    assert found.entry.id == event_id

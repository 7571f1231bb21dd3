"""Two trainers, or a trainer and a person: each event has one answer, each production one successor."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from core.entry import entries_of, field_map
from core.keys import TRAINERS
from tests.both_servers import both_servers
from tests.trainer.turning import counted, until
from trainer.attempt import FIELD, last_attempt
from trainer.open_request import holder
from trainer.retraining import Retraining, retrain
from trainer.seeding import SEEDED

if TYPE_CHECKING:
    from tests.trainer.conftest import Stage


@both_servers
def test_a_candidate_is_superseded_when_production_changed_meanwhile(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = stage.first_model()
    service = stage.started()
    stage.drifted(labels=300)
    stage.drift_event()

    def overtaken(*arguments: Any, **options: Any) -> Any:
        stage.registry.promote(first, stage.miniflow.model(first), 1, "by hand, meanwhile")
        return retrain(*arguments, **options)

    monkeypatch.setattr("trainer.answer.retrain", overtaken)
    until(service, lambda: stage.outcomes() == ["superseded"])
    assert stage.production == first
    assert stage.pending() == 0
    assert counted(service, "superseded") == 1


@both_servers
def test_a_trainer_whose_event_another_one_refused_meanwhile_promotes_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = stage.first_model()
    slow, other = stage.started(), stage.started(takeover_idle_ms=1)
    stage.drifted(labels=300)
    stage.drift_event()

    def stalled(*arguments: Any, **options: Any) -> Any:
        trained = retrain(*arguments, **options)
        with monkeypatch.context() as patched:
            patched.setattr("trainer.answer.retrain", lambda *_, **__: refusal(trained))
            until(other, lambda: stage.outcomes() == ["refused"])  # it took the event over
        assert stage.pending() == 0
        return trained

    monkeypatch.setattr("trainer.answer.retrain", stalled)
    until(slow, lambda: "superseded" in stage.outcomes())
    assert stage.production == first
    assert set(stage.outcomes()) == {"refused", "superseded"}
    assert len(stage.outcomes()) == 2
    late = next(run for run in stage.answers() if run.meta.outcome == "superseded")
    assert "another trainer answered event" in late.meta.detail
    assert last_attempt(stage.connection, stage.keys).noted.endswith(b" 300 1")


def test_a_late_trainer_leaves_the_next_attempt_to_who_holds_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = stage.first_model()
    slow = stage.started()
    stage.drifted(labels=300)
    event_id = stage.drift_event()

    def stalled(*arguments: Any, **options: Any) -> Any:
        # meanwhile it was refused, became due again and is being tried for the second time
        stage.connection.call("HSET", stage.keys.production, FIELD, event_id + b" 200 1")
        stage.connection.call("XCLAIM", stage.keys.retrain, TRAINERS, "another", 0, event_id)
        return retrain(*arguments, **options)

    monkeypatch.setattr("trainer.answer.retrain", stalled)
    until(slow, lambda: stage.outcomes() == ["superseded"])
    assert stage.production == first
    assert last_attempt(stage.connection, stage.keys).noted == event_id + b" 200 1"
    assert holder(stage.connection, stage.keys, event_id) == b"another"


def refusal(trained: Retraining) -> Retraining:
    """The same answer, were it a refusal."""
    assert trained.decision is not None
    return replace(trained, result="refused", decision=msgspec.structs.replace(trained.decision, promote=False))


def test_an_event_about_a_model_that_has_gone_is_superseded(stage: Stage) -> None:
    first = stage.first_model()
    service = stage.started()
    stage.drifted(labels=300)
    stage.drift_event(model="0123456789ab")
    until(service, lambda: stage.outcomes() == ["superseded"])
    assert (stage.production, stage.pending()) == (first, 0)
    (run,) = stage.answers()
    assert "about run 0123456789ab" in run.meta.detail


@both_servers
def test_of_two_trainers_at_once_one_promotes(stage: Stage) -> None:
    stage.first_model()
    one, two = stage.trainer(takeover_idle_ms=15_000), stage.trainer(takeover_idle_ms=15_000)
    with stage.running(one), stage.running(two):
        seeded = stage.next_promotion()
        ids, y = stage.drifted(labels=20)
        stage.drift_event()
        stage.label(ids[20:300], y[20:300])
        stage.next_promotion(seeded.id)
    assert [each.reason == SEEDED for each in stage.registry.history(10)] == [False, True]
    assert stage.outcomes().count("promoted") == 1
    assert stage.pending() == 0


def test_the_schedule_asks_once_of_two_trainers(stage: Stage) -> None:
    first = stage.first_model()
    one, two = stage.started(retrain_every_s=0.001), stage.started(retrain_every_s=3600.0)
    until(one, lambda: bool(stage.outcomes()))
    two._next_look_s = 0.0
    two.step()
    events = entries_of(stage.connection.call("XRANGE", stage.keys.retrain, "-", "+"))
    fields = field_map(events[0].fields)
    assert (fields[b"reason"], fields[b"model"].decode()) == (b"scheduled", first)
    labels = {"pipeline": stage.settings.pipeline, "reason": "scheduled"}
    name = "streamgauge_retrain_events_total"
    assert one.telemetry.registry.get_sample_value(name, labels) == len(events)
    assert two.telemetry.registry.get_sample_value(name, labels) == 0

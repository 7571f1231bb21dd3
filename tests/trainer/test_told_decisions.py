"""What left production as it was is told on the decisions stream: once, and with the answer's own sentence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from core.connection import ServerError
from core.decision_entry import DecisionEntry, add_decision, decision_fields, read_decisions
from core.drift_window import RetrainEvent
from core.entry import Entry, entries_of, field_map
from core.errors import ServerUnavailable
from core.keys import TRAINERS
from core.miniflow import Run
from core.redis_registry import RedisRegistry
from core.registry import Production
from core.scripts.commit import commit
from tests.both_servers import both_servers
from tests.trainer.noisy_table import noisy_table
from tests.trainer.turning import misleading, until
from trainer.attempt import FIELD
from trainer.commands import fit_table
from trainer.retraining import retrain

if TYPE_CHECKING:
    from tests.trainer.conftest import Stage

#: No entry has a larger id: behind it nothing can be written.
END = b"18446744073709551615-18446744073709551615"
MANUAL = RetrainEvent(reason="manual")


def entries(stage: Stage) -> list[Entry]:
    """All that the stream has, repeats among them."""
    return entries_of(stage.connection.call("XRANGE", stage.keys.decisions, "-", "+"))


def told(stage: Stage) -> list[DecisionEntry]:
    return read_decisions(stage.connection, stage.keys, 100)


def assert_told_of(run: Run, decision: DecisionEntry) -> None:
    """It says what the run says."""
    assert (decision.run_id, decision.outcome, decision.reason) == (run.run_id, run.meta.outcome, run.meta.reason)
    assert decision.sentence == run.meta.detail
    assert decision.event == run.params.get("event_id", "")


@both_servers
def test_a_refusal_is_told_with_the_acknowledgement(stage: Stage) -> None:
    stage.first_model()
    service = stage.started()
    misleading(stage)
    until(service, lambda: stage.outcomes() == ["refused"])
    assert (stage.pending(), stage.unread()) == (0, 0)
    (decision,), (run,) = told(stage), stage.answers()
    assert_told_of(run, decision)
    assert decision.reason == "drift"
    assert 0 <= stage.connection.now_ms(stage.keys.decisions) - decision.ts_ms < 60_000


def test_every_answer_without_a_promotion_is_told(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.first_model()
    service = stage.started()
    stage.event(MANUAL)
    until(service, lambda: stage.outcomes() == ["too_few_labels"])
    stage.drifted(labels=300)
    stage.drift_event(model="0123456789ab")
    until(service, lambda: len(stage.outcomes()) == 2)
    monkeypatch.setattr("trainer.retraining.fit", lambda *_, **__: 1 / 0)
    stage.event(MANUAL)
    until(service, lambda: len(stage.outcomes()) == 3)
    assert [each.outcome for each in reversed(told(stage))] == ["too_few_labels", "superseded", "failed"]
    for run, decision in zip(stage.answers(), reversed(told(stage)), strict=True):
        assert_told_of(run, decision)


def test_a_promotion_is_told_by_the_promotions_alone(stage: Stage) -> None:
    stage.first_model()
    service = stage.started()
    stage.drifted(labels=300)
    stage.drift_event()
    until(service, lambda: stage.outcomes() == ["promoted"])
    assert told(stage) == []


def test_each_attempt_at_one_drift_is_told(stage: Stage) -> None:
    stage.first_model()
    service = stage.started()
    ids, y = stage.drifted(labels=40)
    event_id = stage.drift_event()
    until(service, lambda: stage.outcomes() == ["too_few_labels"])
    stage.label(ids[40:300], y[40:300])
    until(service, lambda: stage.outcomes() == ["too_few_labels", "promoted"])
    (decision,) = told(stage)
    assert decision.event == event_id.decode()


def test_a_kill_before_the_acknowledgement_leaves_the_telling_to_the_heir(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.first_model()
    dying = stage.started()
    event_id = stage.event(MANUAL)

    def die(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("trainer.answer.commit", die)
        with pytest.raises(KeyboardInterrupt):
            until(dying, lambda: False)
    assert (stage.pending(), told(stage)) == (1, [])
    until(stage.started(), lambda: stage.pending() == 0)
    assert len(stage.answers()) == 2
    assert [each.event for each in told(stage)] == [event_id.decode()]
    assert len(entries(stage)) == 1


def test_a_kill_behind_the_acknowledgement_has_told_it(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.first_model()
    dying = stage.started()
    stage.event(MANUAL)

    def commit_and_die(*arguments: Any, **options: Any) -> None:
        commit(*arguments, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("trainer.answer.commit", commit_and_die)
        with pytest.raises(KeyboardInterrupt):
            until(dying, lambda: False)
    heir = stage.started()
    for _ in range(2):
        heir.step()
    assert (len(stage.answers()), stage.pending(), len(entries(stage))) == (1, 0, 1)


def test_a_late_trainer_tells_nothing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.first_model()
    slow = stage.started()
    stage.drifted(labels=300)
    event_id = stage.drift_event()

    def stalled(*arguments: Any, **options: Any) -> Any:
        # meanwhile another has answered
        stage.connection.call("HSET", stage.keys.production, FIELD, event_id + b" 300 1")
        stage.connection.call("XACK", stage.keys.retrain, TRAINERS, event_id)
        return retrain(*arguments, **options)

    monkeypatch.setattr("trainer.answer.retrain", stalled)
    until(slow, lambda: stage.outcomes() == ["superseded"])
    assert told(stage) == []


def test_an_answer_whose_group_was_lost_meanwhile_is_told_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.first_model()
    service = stage.started()
    stage.event(MANUAL)

    def losing(*arguments: Any, **options: Any) -> Any:
        stage.connection.call("XGROUP", "DESTROY", stage.keys.retrain, TRAINERS)
        return retrain(*arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr("trainer.answer.retrain", losing)
        until(service, lambda: stage.outcomes() == ["too_few_labels"])
    until(service, lambda: stage.pending() == stage.unread() == 0)
    (decision,), (run,) = told(stage), stage.answers()
    assert_told_of(run, decision)
    assert len(entries(stage)) == 1


def test_nothing_is_trained_while_nothing_can_be_told(stage: Stage) -> None:
    stage.first_model()
    service = stage.started()
    stage.connection.call("SET", stage.keys.decisions, "in the way")
    stage.drifted(labels=300)
    stage.drift_event()
    for _ in range(2):
        with pytest.raises(ServerError, match=f"{stage.keys.decisions} is not a stream; move it aside"):
            until(service, lambda: False)
    assert stage.answers() == []
    stage.connection.call("DEL", stage.keys.decisions)
    until(service, lambda: stage.outcomes() == ["promoted"])


@both_servers
def test_an_event_that_can_no_longer_be_told_is_answered_once_all_the_same(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.first_model()
    service = stage.started()

    def exhausting(*arguments: Any, **options: Any) -> Any:
        stage.connection.call("XADD", stage.keys.decisions, END, "foreign", "entry")
        return retrain(*arguments, **options)

    monkeypatch.setattr("trainer.answer.retrain", exhausting)
    misleading(stage)
    with pytest.raises(ServerError, match="exhausted"):
        until(service, lambda: False)
    assert (stage.outcomes(), stage.pending(), stage.unread()) == (["refused"], 0, 0)
    service.start()  # as the frame does after an error
    for _ in range(2):
        service._next_look_s = 0.0
        service.step()
    assert (stage.outcomes(), told(stage)) == (["refused"], [])


def test_the_trainer_trims_what_it_tells(stage: Stage) -> None:
    stage.first_model()
    stage.connection.call("XADD", stage.keys.decisions, "1-0", *decision_fields("0" * 12, "refused", "fit", "old"))
    add_decision(stage.connection, stage.keys, decision_fields("1" * 12, "refused", "fit", "new"))
    until(stage.started(), lambda: len(entries(stage)) == 1)
    assert [each.sentence for each in told(stage)] == ["new"]


def test_a_fit_that_is_refused_is_told_and_one_that_is_promoted_is_not(tmp_path: Path, stage: Stage) -> None:
    fit_table(noisy_table(tmp_path, 400, 0.5, 0), "class", "1", stage.settings)
    assert told(stage) == []
    refused = fit_table(noisy_table(tmp_path, 400, 3.0, 1), "class", "1", stage.settings)
    assert not refused.promoted
    (decision,) = told(stage)
    assert_told_of(stage.miniflow.run(refused.run_id), decision)
    assert (decision.outcome, decision.reason, decision.event) == ("refused", "fit", "")
    assert field_map(entries(stage)[0].fields)[b"event"] == b""


def test_a_fit_that_was_overtaken_is_told(tmp_path: Path, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    first = fit_table(noisy_table(tmp_path, 20, 3.0, 0), "class", "1", stage.settings)
    promote = RedisRegistry.promote

    def overtaken(registry: RedisRegistry, *arguments: Any) -> Production:
        promote(registry, first.run_id, stage.miniflow.model(first.run_id), 1, "by hand, meanwhile")
        return promote(registry, *arguments)

    monkeypatch.setattr(RedisRegistry, "promote", overtaken)
    report = fit_table(noisy_table(tmp_path, 1000, 0.5, 1), "class", "1", stage.settings)
    (decision,) = told(stage)
    assert (decision.run_id, decision.outcome) == (report.run_id, "superseded")
    assert "epoch 2, not 1" in decision.sentence


def test_nothing_is_fitted_while_nothing_can_be_told(tmp_path: Path, stage: Stage) -> None:
    stage.connection.call("SET", stage.keys.decisions, "in the way")
    with pytest.raises(ServerUnavailable, match=f"{stage.keys.decisions} is not a stream; move it aside"):
        fit_table(noisy_table(tmp_path, 400, 0.5, 0), "class", "1", stage.settings)
    assert stage.miniflow.runs() == []


def test_a_fit_that_can_no_longer_be_told_has_ended_all_the_same(tmp_path: Path, stage: Stage) -> None:
    fit_table(noisy_table(tmp_path, 400, 0.5, 0), "class", "1", stage.settings)

    def in_the_way(*_: object) -> None:
        stage.connection.call("SET", stage.keys.decisions, "in the way")

    with pytest.raises(ServerUnavailable, match="WRONGTYPE"):
        fit_table(noisy_table(tmp_path, 400, 3.0, 1), "class", "1", stage.settings, on_fitted=in_the_way)
    assert stage.miniflow.runs()[0].meta.outcome == "refused"


def test_without_redis_the_run_alone_tells(tmp_path: Path, stage: Stage) -> None:
    without = msgspec.structs.replace(stage.settings, redis_url=None)
    fit_table(noisy_table(tmp_path, 400, 0.5, 0), "class", "1", without)
    refused = fit_table(noisy_table(tmp_path, 400, 3.0, 1), "class", "1", without)
    assert stage.miniflow.run(refused.run_id).meta.outcome == "refused"
    assert told(stage) == []

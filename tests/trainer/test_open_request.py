"""A request that was answered without a promotion stays open, and is tried again when labels grew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from core.drift_window import RetrainEvent, RetrainReason
from core.redis_registry import RedisRegistry
from tests.both_servers import both_servers
from tests.trainer.turning import counted, misleading, until
from trainer.attempt import FIELD, Attempt, claim_request, last_attempt, note_attempt
from trainer.commands import rollback
from trainer.open_request import due_again
from trainer.promotion.decision import DECISION_ARTIFACT, PromotionDecision
from trainer.promotion.error_spending import level_of
from trainer.retraining import retrain
from trainer.service import Trainer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.trainer.conftest import Stage

FIRST_MS = 1_700_000_000_000


@pytest.mark.parametrize("reason", ["drift", "label_drift"])
def test_too_few_labels_are_an_answer_and_more_of_them_another(stage: Stage, reason: RetrainReason) -> None:
    first = stage.first_model()
    service = stage.started()
    ids, y = stage.drifted(labels=20)
    stage.drift_event(reason=reason)
    until(service, lambda: stage.outcomes() == ["too_few_labels"])
    assert (stage.production, stage.pending()) == (first, 0)
    stage.label(ids[20:99], y[20:99])
    service._next_look_s = 0.0
    service.step()
    assert stage.outcomes() == ["too_few_labels"]
    stage.label(ids[99:300], y[99:300])
    until(service, lambda: stage.production != first)
    assert stage.outcomes() == ["too_few_labels", "promoted"]
    assert len({run.params["event_id"] for run in stage.answers()}) == 1


def test_a_refused_request_is_tried_again_when_labels_grew_by_half(stage: Stage) -> None:
    first = stage.first_model()
    service = stage.started()
    misleading(stage)
    until(service, lambda: stage.outcomes() == ["refused"])
    ids, y = stage.drifted(labels=99, prefix="e", first_ms=FIRST_MS + 1_000)
    service._next_look_s = 0.0
    service.step()
    assert stage.outcomes() == ["refused"]
    stage.label(ids[99:], y[99:])
    until(service, lambda: stage.production != first)
    assert stage.outcomes() == ["refused", "promoted"]


@pytest.mark.parametrize(
    ("labelled", "attempted", "due"),
    [(99, 0, False), (100, 0, True), (100, 99, True), (149, 100, False), (150, 100, True), (0, 0, False)],
)
def test_when_a_request_is_due_again(labelled: int, attempted: int, due: bool) -> None:
    assert due_again(labelled, attempted, 100) is due


def test_a_restart_in_between_does_not_forget_the_request(stage: Stage) -> None:
    first = stage.first_model()
    service = stage.started()
    ids, y = stage.drifted(labels=20)
    stage.drift_event()
    until(service, lambda: stage.outcomes() == ["too_few_labels"])
    stage.trainers.remove(service)
    service.close()
    service.http.close()
    stage.label(ids[20:300], y[20:300])
    restarted = stage.started()
    until(restarted, lambda: stage.production != first)
    assert stage.outcomes() == ["too_few_labels", "promoted"]


def test_a_restart_does_not_repeat_an_attempt_without_new_labels(stage: Stage) -> None:
    stage.first_model()
    service = stage.started()
    misleading(stage)
    until(service, lambda: stage.outcomes() == ["refused"])
    restarted = stage.started()
    restarted.step()
    assert stage.outcomes() == ["refused"]


@pytest.mark.parametrize("episode", [None, 9])
def test_a_request_ends_with_its_episode(stage: Stage, episode: int | None) -> None:
    first = stage.first_model()
    service = stage.started()
    ids, y = stage.drifted(labels=20)
    stage.drift_event()
    until(service, lambda: stage.outcomes() == ["too_few_labels"])
    stage.window(episode, number=4)
    stage.label(ids[20:300], y[20:300])
    service._next_look_s = 0.0
    service.step()
    assert stage.outcomes() == ["too_few_labels"]
    assert stage.production == first


def test_a_rollback_is_not_undone_by_the_event_that_was_promoted(stage: Stage) -> None:
    first = stage.first_model()
    service = stage.started()
    ids, y = stage.drifted(labels=150)
    stage.drift_event()
    until(service, lambda: stage.outcomes() == ["promoted"])
    assert rollback(stage.settings).run_id == first
    stage.label(ids[150:], y[150:])  # the labels grow by more than half
    for _ in range(2):
        service._next_look_s = 0.0
        service.step()
    assert (stage.outcomes(), stage.production) == (["promoted"], first)


def test_a_new_alarm_after_a_rollback_is_answered(stage: Stage) -> None:
    first = stage.first_model()
    service = stage.started()
    stage.drifted(labels=300)
    stage.drift_event()
    until(service, lambda: stage.outcomes() == ["promoted"])
    assert rollback(stage.settings).run_id == first
    until(service, lambda: service._production is not None and service._production.run_id == first)
    ids, y = stage.drifted(labels=0, prefix="e", first_ms=FIRST_MS + 1_000)
    stage.drift_event(since_ms=FIRST_MS + 1_000, episode=9)
    until(service, lambda: stage.outcomes() == ["promoted", "too_few_labels"])
    stage.label(ids[:300], y[:300])  # and stays open, as any other
    until(service, lambda: stage.outcomes() == ["promoted", "too_few_labels", "promoted"])
    assert stage.production != first


@both_servers
def test_two_trainers_leave_a_rollback_as_it_is(stage: Stage) -> None:
    first = stage.first_model()
    one, two = stage.started(), stage.started()
    ids, y = stage.drifted(labels=150)
    stage.drift_event()
    until(one, lambda: stage.outcomes() == ["promoted"])
    rollback(stage.settings)
    stage.label(ids[150:], y[150:])
    for service in (one, two, stage.started()):  # the last was not there before
        service._next_look_s = 0.0
        service.step()
    assert (stage.outcomes(), stage.production, stage.pending()) == (["promoted"], first, 0)


def open_again(stage: Stage) -> tuple[Trainer, Trainer]:
    """Two trainers, and a request that one of them answered and that became due again."""
    stage.first_model()
    one, two = stage.started(takeover_idle_ms=15_000), stage.started(takeover_idle_ms=15_000)
    ids, y = stage.drifted(labels=20)
    stage.drift_event()
    until(one, lambda: stage.outcomes() == ["too_few_labels"])
    stage.label(ids[20:300], y[20:300])
    return one, two


@both_servers
def test_a_request_that_is_due_again_is_answered_by_one_of_two_trainers(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = open_again(stage)

    def meanwhile(*arguments: Any, **options: Any) -> Any:
        monkeypatch.undo()
        two._next_look_s = 0.0
        two.step()  # while the first is at it
        return retrain(*arguments, **options)

    monkeypatch.setattr("trainer.answer.retrain", meanwhile)
    until(one, lambda: len(stage.outcomes()) > 1)
    two._next_look_s = 0.0
    two.step()
    assert stage.outcomes() == ["too_few_labels", "promoted"]
    assert stage.pending() == 0


def test_a_trainer_that_looked_before_the_other_answered_does_not_answer_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = open_again(stage)
    ids, y = stage.drifted(labels=0, n=200, shift=0.0, prefix="m", first_ms=FIRST_MS + 1_000)
    stage.label(ids[:100], 1 - y[:100])
    stage.label(ids[100:], 1 - y[100:])
    claim = claim_request

    def too_late(*arguments: Any) -> bool:
        monkeypatch.undo()
        until(one, lambda: len(stage.outcomes()) > 1)
        return claim(*arguments)

    monkeypatch.setattr("trainer.service.claim_request", too_late)
    two._next_look_s = 0.0
    two.step()
    assert len(stage.outcomes()) == 2
    assert stage.pending() == 0


def test_a_trainer_that_dies_over_a_request_tried_again_leaves_it_to_the_next(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = open_again(stage)

    def die(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(RedisRegistry, "promote", die)
        with pytest.raises(KeyboardInterrupt):
            until(one, lambda: False)
    assert stage.pending() == 1
    heir = stage.started()
    until(heir, lambda: "promoted" in stage.outcomes())
    assert stage.pending() == 0


def test_an_attempt_is_noted_where_other_machines_see_it(stage: Stage, tmp_path: Path) -> None:
    stage.first_model()
    service = stage.started()
    misleading(stage)
    until(service, lambda: stage.outcomes() == ["refused"])
    elsewhere = stage.started(miniflow=str(tmp_path / "elsewhere"))
    elsewhere.step()
    assert counted(elsewhere, "refused") == 0
    assert stage.pending() == 0


def decisions(stage: Stage) -> list[PromotionDecision]:
    """On the models of all answers, oldest first."""
    return [
        msgspec.json.decode(run.read_artifact(DECISION_ARTIFACT), type=PromotionDecision)
        for run in stage.answers()
        if run.summary().has_model
    ]


def test_each_attempt_spends_its_share_whoever_makes_it(stage: Stage, tmp_path: Path) -> None:
    """A refused candidate, a restart, another machine: attempt 2 and its smaller level are known all the same."""
    first = stage.first_model()
    service = stage.started()
    misleading(stage)
    until(service, lambda: stage.outcomes() == ["refused"])
    stage.trainers.remove(service)
    service.close()
    service.http.close()
    stage.event(RetrainEvent(reason="manual", model=first))  # an answer in between is no attempt at the episode
    heir = stage.started(miniflow=str(tmp_path / "elsewhere"))
    until(heir, lambda: stage.pending() == 0 and stage.unread() == 0)
    ids, y = stage.drifted(labels=0, n=200, prefix="e", first_ms=FIRST_MS + 1_000)
    stage.label(ids, y)
    until(heir, lambda: stage.production != first)
    (refused,) = decisions(stage)
    promoted = msgspec.json.decode(stage.registry.history(1)[0].decision, type=PromotionDecision)
    assert (refused.attempt, refused.level) == (1, level_of(1))
    assert (promoted.attempt, promoted.level) == (2, level_of(2))
    assert (refused.episode, promoted.episode) == (3, 3)


def test_an_answer_without_a_test_spends_nothing(stage: Stage) -> None:
    first = stage.first_model()
    service = stage.started()
    ids, y = stage.drifted(labels=20)
    event_id = stage.drift_event()
    until(service, lambda: stage.outcomes() == ["too_few_labels"])
    attempt = last_attempt(stage.connection, stage.keys)
    assert (attempt.rows(event_id), attempt.tests(event_id)) == (20, 0)
    stage.label(ids[20:300], y[20:300])
    until(service, lambda: stage.production != first)
    (promoted,) = decisions(stage)
    assert promoted.attempt == 1


def test_an_answer_without_a_model_has_its_record_too(stage: Stage) -> None:
    first = stage.first_model()
    service = stage.started()
    stage.drifted(labels=20)
    stage.drift_event()
    until(service, lambda: stage.outcomes() == ["too_few_labels"])
    stage.drift_event(model="0123456789ab")
    until(service, lambda: set(stage.outcomes()) == {"superseded", "too_few_labels"})
    for run in stage.answers():
        found = msgspec.json.decode(run.read_artifact(DECISION_ARTIFACT), type=PromotionDecision)
        assert (found.promote, found.rule, found.level, found.tested) == (False, "no_candidate", None, False)
        assert found.sentence == run.meta.detail
        assert (found.candidate, found.production, found.production_epoch) == (None, first, 1)
        assert (found.reason, found.episode, found.attempt) == ("drift", 3, 1)
        assert found.coverage is not None
        assert (found.coverage.rows, found.coverage.labelled_rows, found.coverage.share) == (400, 20, 0.05)


def test_a_note_of_an_earlier_version_is_read(stage: Stage) -> None:
    stage.first_model()
    stage.started()
    stage.connection.call("HSET", stage.keys.production, FIELD, b"5-0 120")
    attempt = last_attempt(stage.connection, stage.keys)
    assert (attempt.rows(b"5-0"), attempt.tests(b"5-0")) == (120, 0)


def test_noting_an_attempt_does_not_make_up_a_production_that_was_lost(stage: Stage) -> None:
    note_attempt(stage.connection, stage.keys, b"5-0", Attempt(b""), 120, 1)
    assert stage.registry.production() is None
    assert last_attempt(stage.connection, stage.keys).rows(b"5-0") == 0

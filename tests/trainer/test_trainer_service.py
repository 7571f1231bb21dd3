from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest

from core.drift_window import RetrainEvent
from core.entry import field_map
from core.errors import ServerUnavailable, StreamError
from core.redis_registry import RedisRegistry
from core.settings import Settings
from tests.trainer.turning import counted, misleading, until
from trainer.holdout import HOLDOUT_ARTIFACT, read_holdout
from trainer.promotion.decision import DECISION_ARTIFACT, PromotionDecision
from trainer.promotion.error_spending import level_of
from trainer.service import Trainer

if TYPE_CHECKING:
    from tests.trainer.conftest import Stage

FIRST_MS = 1_700_000_000_000


def test_a_running_trainer_answers_a_drift_with_a_promotion(stage: Stage) -> None:
    first = stage.first_model()
    service = stage.trainer()
    with stage.running(service):
        seeded = stage.next_promotion()
        stage.drifted(labels=300)
        event_id = stage.drift_event()
        promoted = field_map(stage.next_promotion(seeded.id).fields)
        assert promoted[b"previous"].decode() == first
        assert stage.pending() == 0  # the same step has acknowledged the event
        assert promoted[b"run_id"].decode() == stage.production
    (run,) = stage.answers()
    assert run.meta.outcome == "promoted"
    assert run.params["event_id"] == event_id.decode()
    assert run.params["since"] == f"{FIRST_MS}-0"
    assert (run.params["labelled_rows"], run.params["rows_seen"]) == (300, 400)
    assert run.params["label_coverage"] == 0.75
    assert (run.params["reason"], run.params["window"], run.params["production"]) == ("drift", 3, first)
    assert stage.files.production() == stage.registry.production()
    assert counted(service, "promoted") == 1
    metrics = run.summary().metrics
    judged = [metrics[f"judged_{side}_log_loss"] for side in ("candidate", "production")]
    assert judged[0] is not None
    assert judged[1] is not None
    assert judged[0] < judged[1]
    old = metrics["old_holdout_candidate_log_loss"]
    assert old is not None
    assert old > 1


def test_a_promotion_and_its_run_carry_one_decision(stage: Stage) -> None:
    first = stage.first_model()
    service = stage.started()
    ids, y = stage.drifted(labels=0)
    stage.label(ids[:300], y[:300])
    stage.drift_event()
    until(service, lambda: stage.outcomes() == ["promoted"])
    (run,) = stage.answers()
    data = run.read_artifact(DECISION_ARTIFACT)
    (promotion,) = stage.registry.history(1)
    assert promotion.decision == data
    decision = msgspec.json.decode(data, type=PromotionDecision)
    assert decision.promote
    assert decision.sentence == promotion.reason == run.meta.detail
    assert (decision.candidate, decision.production, decision.production_epoch) == (run.run_id, first, 1)
    assert (decision.reason, decision.episode) == ("drift", 3)
    assert (decision.rule, decision.attempt, decision.level) == ("judged_rows", 1, level_of(1))
    assert decision.judged is not None
    assert decision.judged.difference.rows == 60
    assert decision.judged.difference.variance_ratio is not None
    assert decision.judged.candidate_intervals is not None
    assert decision.fixed_holdout is not None
    assert not decision.fixed_holdout_judges
    assert decision.coverage is not None
    assert (decision.coverage.rows, decision.coverage.labelled_rows) == (400, 300)
    assert sum(each.rows for each in decision.coverage.by_prediction) == 400


def test_the_promoted_run_brings_its_own_holdout(stage: Stage) -> None:
    stage.first_model()
    service = stage.started()
    ids, _ = stage.drifted(labels=300)
    stage.drift_event()
    until(service, lambda: stage.outcomes() == ["promoted"])
    kept = read_holdout(stage.miniflow.run(stage.production).read_artifact(HOLDOUT_ARTIFACT))
    assert len(ids) == 400
    assert kept.x[:, 0].mean() > 2  # rows of the world behind the drift


def test_only_rows_from_the_change_point_on_are_used(stage: Stage) -> None:
    stage.first_model()
    service = stage.started()
    x, y = stage.draw(200)
    stage.sample(x, [b"old%d" % row for row in range(200)], FIRST_MS - 1_000, y=y.astype(float).tolist())
    stage.drifted(labels=400)
    stage.drift_event()
    until(service, lambda: stage.outcomes() == ["promoted"])
    (run,) = stage.answers()
    assert run.params["labelled_rows"] == 400
    model = stage.registry.model(run.run_id)
    drifted, _ = stage.draw(400, 4.0, seed=1)
    assert np.allclose(model.profile.mean, drifted[:320].mean(axis=0))


def test_a_trainer_that_dies_before_the_promotion_leaves_the_event_to_the_next(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = stage.first_model()
    dying = stage.started()
    stage.drifted(labels=300)
    stage.drift_event()

    def die(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(RedisRegistry, "promote", die)
        with pytest.raises(KeyboardInterrupt):
            until(dying, lambda: False)
    assert stage.production == first
    assert stage.pending() == 1
    assert stage.outcomes() == ["logged"]

    heir = stage.started()
    until(heir, lambda: stage.production != first)
    assert stage.pending() == 0
    assert stage.outcomes() == ["logged", "promoted"]
    abandoned, promoted = (stage.miniflow.model(run.run_id).sha256 for run in stage.answers())
    assert abandoned == promoted
    until(dying, lambda: True)
    dying.step()
    assert stage.outcomes() == ["logged", "promoted"]


def test_a_kill_behind_the_promotion_is_mended(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    first = stage.first_model()
    dying = stage.started()
    stage.drifted(labels=300)
    stage.drift_event()
    promote = RedisRegistry.promote

    def promote_and_die(*arguments: Any, **options: Any) -> None:
        promote(*arguments, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(RedisRegistry, "promote", promote_and_die)
        with pytest.raises(KeyboardInterrupt):
            until(dying, lambda: False)
    assert stage.production != first
    assert (stage.pending(), stage.outcomes()) == (0, ["logged"])
    stage.started()
    assert stage.outcomes() == ["promoted"]
    assert stage.files.production() == stage.registry.production()


def test_a_refused_candidate_leaves_production_as_it_is(stage: Stage) -> None:
    first = stage.first_model()
    service = stage.started()
    misleading(stage)
    until(service, lambda: stage.outcomes() == ["refused"])
    assert stage.production == first
    assert (stage.pending(), stage.unread()) == (0, 0)
    (run,) = stage.answers()
    assert "not better than production" in run.meta.detail
    assert run.summary().has_model
    assert counted(service, "refused") == 1


def test_a_damaged_event_is_set_aside_and_the_next_one_answered(stage: Stage) -> None:
    first = stage.first_model()
    service = stage.started()
    call = stage.connection.call
    damaged = [
        call("XADD", stage.keys.retrain, "*", "reason", "boredom"),
        call("XADD", stage.keys.retrain, "*", "since", "1-0"),
        call("XADD", stage.keys.retrain, "*", "reason", "drift", "since", "yesterday"),
        call("XADD", stage.keys.retrain, "*", "reason", "drift", "z", "{"),
    ]
    stage.drifted(labels=300)
    stage.drift_event()
    until(service, lambda: stage.production != first)
    kept = stage.unmatched()
    assert [each[b"record"] for each in kept] == damaged
    assert {each[b"reason"] for each in kept} == {b"bad_field"}
    assert {each[b"source"] for each in kept} == {b"retrain"}
    assert msgspec.msgpack.decode(kept[0][b"entry"]) == [b"reason", b"boredom"]
    assert stage.pending() == 0


def test_a_failed_training_is_an_answer_and_the_service_lives_on(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = stage.first_model()
    service = stage.started()
    stage.drifted(labels=300)

    def fail(*_: Any, **__: Any) -> None:
        raise np.linalg.LinAlgError("Eigenvalues did not converge")

    with monkeypatch.context() as patched:
        patched.setattr("trainer.answer.retrain", fail)
        stage.drift_event()
        until(service, lambda: stage.outcomes() == ["failed"])
    assert (stage.production, stage.pending()) == (first, 0)
    (run,) = stage.answers()
    assert run.meta.detail == "Training failed: LinAlgError: Eigenvalues did not converge"
    stage.drift_event()
    until(service, lambda: stage.production != first)


def test_a_directory_that_cannot_be_written_is_waited_out(stage: Stage) -> None:
    first = stage.first_model()
    service = stage.started()
    stage.drifted(labels=300)
    runs = stage.miniflow.run(first).directory.parent
    aside = runs.with_name("aside")
    runs.rename(aside)
    runs.write_bytes(b"in the way")
    stage.drift_event()
    with pytest.raises(StreamError, match="cannot write"):
        until(service, lambda: False)
    assert stage.pending() == 1
    runs.unlink()
    aside.rename(runs)
    until(service, lambda: stage.production != first)
    assert stage.pending() == 0


def test_a_manual_request_is_answered_with_all_labelled_rows(stage: Stage) -> None:
    first = stage.first_model()
    service = stage.started()
    stage.drifted(labels=300)
    stage.event(RetrainEvent(reason="manual", model=first))
    until(service, lambda: stage.outcomes() == ["refused"])  # much worse on the fixed holdout
    (run,) = stage.answers()
    assert run.params["since"] is None
    assert "significantly worse on the fixed holdout" in run.meta.detail


def test_a_manual_request_goes_back_as_far_as_production_did(stage: Stage) -> None:
    first = stage.first_model()
    service = stage.started()
    stage.drifted(labels=300)
    stage.drift_event()
    until(service, lambda: stage.production != first)
    x, y = stage.draw(100)
    stage.sample(x, [b"old%d" % row for row in range(100)], FIRST_MS - 1_000, y=y.astype(float).tolist())
    stage.event(RetrainEvent(reason="manual"))
    until(service, lambda: len(stage.outcomes()) == 2)
    manual = stage.answers()[1]
    assert (manual.params["since"], manual.params["labelled_rows"]) == (f"{FIRST_MS}-0", 300)


def test_unusable_labels_are_set_aside_by_the_service(stage: Stage) -> None:
    stage.first_model()
    service = stage.started()
    stage.plain_label("id", "p", "y", "maybe")
    until(service, lambda: len(stage.unmatched()) == 1)
    assert b"'maybe'" in stage.unmatched()[0][b"detail"]


def test_a_stopped_trainer_leaves_no_consumer(stage: Stage) -> None:
    stage.first_model()
    service = stage.trainer()
    with stage.running(service):
        stage.next_promotion()
    for stream in (stage.keys.retrain, stage.keys.labels):
        assert stage.connection.call("XINFO", "CONSUMERS", stream, "trainers") == []


def test_old_model_files_are_pruned(stage: Stage) -> None:
    first = stage.first_model()
    service = stage.started()
    stage.connection.call("HSET", stage.keys.models, "ffffffffffff", b"x", "ffffffffffff:sha256", b"y")
    stage.drifted(labels=300)
    stage.drift_event()
    until(service, lambda: stage.production != first)
    assert not stage.connection.call("HEXISTS", stage.keys.models, "ffffffffffff")


def test_without_redis_there_is_no_trainer() -> None:
    with pytest.raises(ServerUnavailable, match="redis_url"):
        Trainer(Settings())


def test_production_is_asked_for_once_a_second_not_in_every_step(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.first_model()
    service = stage.started()
    asked = []
    production = RedisRegistry.production

    def counting(registry: RedisRegistry) -> Any:
        asked.append(registry)
        return production(registry)

    monkeypatch.setattr(RedisRegistry, "production", counting)
    service._next_look_s = float("inf")
    service.step()
    assert asked == []
    service._next_look_s = 0.0
    service.step()
    assert len(asked) == 1

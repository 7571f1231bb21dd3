from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest

from core.drift_window import RetrainEvent
from core.entry import entries_of, field_map
from core.errors import ServerUnavailable, StreamError
from core.redis_registry import RedisRegistry
from core.settings import Settings
from trainer.attempt import claim_request, last_attempt, note_attempt
from trainer.holdout import HOLDOUT_ARTIFACT, read_holdout
from trainer.open_request import due_again
from trainer.retraining import retrain
from trainer.seeding import SEEDED
from trainer.service import Trainer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.trainer.conftest import Stage

FIRST_MS = 1_700_000_000_000


def until(service: Trainer, reached: Callable[[], bool], steps: int = 40) -> None:
    """Turn a trainer; each step waits on the stream for half a second at most."""
    for _ in range(steps):
        if reached():
            return
        service._next_look_s = 0.0
        service.step()
    assert reached()


def misleading(stage: Stage) -> None:
    """A drift event with 200 labels; those that train say the opposite of those that judge."""
    ids, y = stage.drifted(labels=0, n=200, shift=0.0)
    stage.label(ids[:160], 1 - y[:160])
    stage.label(ids[160:], y[160:])
    stage.drift_event()


def counted(service: Trainer, outcome: str) -> float | None:
    pipeline = service.settings.pipeline
    name = "streamgauge_training_runs_total"
    return service.telemetry.registry.get_sample_value(name, {"pipeline": pipeline, "outcome": outcome})


def test_production_is_seeded_from_miniflow(stage: Stage) -> None:
    run_id = stage.first_model()
    service = stage.started()
    assert stage.production == run_id
    assert stage.registry.model(run_id).sha256 == stage.miniflow.model(run_id).sha256
    assert stage.registry.history(1)[0].reason == SEEDED
    assert stage.files.production() == stage.registry.production()
    labels = {"pipeline": service.settings.pipeline, "run_id": run_id}
    assert service.telemetry.registry.get_sample_value("streamgauge_production_info", labels) == 1
    assert service.not_ready() is None


def test_two_trainers_seed_once(stage: Stage) -> None:
    stage.first_model()
    stage.started()
    stage.started()
    assert len(stage.registry.history(10)) == 1


def test_a_pipeline_without_a_model_waits_for_one(stage: Stage) -> None:
    service = stage.started()
    service.step()
    assert stage.registry.production() is None
    run_id = stage.first_model()
    until(service, lambda: stage.registry.production() is not None)
    assert stage.production == run_id


def test_redis_decides_and_the_file_follows(stage: Stage) -> None:
    run_id = stage.first_model()
    stage.registry.promote(run_id, stage.miniflow.model(run_id), 0, "by hand")
    stage.registry.promote(run_id, stage.miniflow.model(run_id), 1, "by hand")
    stage.started()
    assert stage.files.production() == stage.registry.production()
    stage.registry.promote(run_id, stage.miniflow.model(run_id), 2, "by hand")
    stage.trainers[0].step()
    assert stage.files.production() == stage.registry.production()


def test_model_bytes_that_redis_lost_are_put_back(stage: Stage) -> None:
    run_id = stage.first_model()
    stage.started()
    stage.connection.call("DEL", stage.keys.models)
    stage.started()
    assert stage.registry.model(run_id).sha256 == stage.miniflow.model(run_id).sha256


def test_a_damaged_run_cannot_seed_and_is_said(stage: Stage) -> None:
    run_id = stage.first_model()
    stage.miniflow.run(run_id).directory.joinpath("artifacts/model/model.npz").write_bytes(b"PK")
    service = stage.trainer()
    with pytest.raises(Exception, match="MiniFlow cannot give one"):
        service.start()


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


def test_too_few_labels_are_an_answer_and_more_of_them_another(stage: Stage) -> None:
    first = stage.first_model()
    service = stage.started()
    ids, y = stage.drifted(labels=20)
    stage.drift_event()
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


def test_an_event_about_a_model_that_has_gone_is_superseded(stage: Stage) -> None:
    first = stage.first_model()
    service = stage.started()
    stage.drifted(labels=300)
    stage.drift_event(model="0123456789ab")
    until(service, lambda: stage.outcomes() == ["superseded"])
    assert (stage.production, stage.pending()) == (first, 0)
    (run,) = stage.answers()
    assert "about run 0123456789ab" in run.meta.detail


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
    assert two.telemetry.registry.get_sample_value(name, labels) is None


def test_a_flush_is_survived(stage: Stage) -> None:
    first = stage.first_model()
    service = stage.trainer()
    with stage.running(service):
        stage.next_promotion()
        stage.connection.call("FLUSHALL")
        again = stage.next_promotion()
        assert field_map(again.fields)[b"reason"].decode() == SEEDED
        assert stage.production == first
        stage.drifted(labels=300)
        stage.drift_event()
        stage.next_promotion(again.id)
    assert stage.outcomes() == ["promoted"]


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


def test_an_event_without_any_run_on_this_disk_is_still_answered(stage: Stage) -> None:
    first = stage.first_model()
    service = stage.started()
    shutil.rmtree(stage.miniflow.run(first).directory)
    stage.drifted(labels=300)
    stage.drift_event()
    until(service, lambda: stage.production != first)
    assert "old_holdout_rows" not in stage.answers()[0].summary().metrics


def open_again(stage: Stage) -> tuple[Trainer, Trainer]:
    """Two trainers, and a request that one of them answered and that became due again."""
    stage.first_model()
    one, two = stage.started(takeover_idle_ms=15_000), stage.started(takeover_idle_ms=15_000)
    ids, y = stage.drifted(labels=20)
    stage.drift_event()
    until(one, lambda: stage.outcomes() == ["too_few_labels"])
    stage.label(ids[20:300], y[20:300])
    return one, two


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
    assert counted(elsewhere, "refused") is None
    assert stage.pending() == 0


def test_noting_an_attempt_does_not_make_up_a_production_that_was_lost(stage: Stage) -> None:
    note_attempt(stage.connection, stage.keys, b"5-0", 120)
    assert stage.registry.production() is None
    assert last_attempt(stage.connection, stage.keys).rows(b"5-0") == 0


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

"""Seeding: Redis decides where it has a production model, MiniFlow where it has none."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from core.entry import field_map
from tests.both_servers import both_servers
from tests.trainer.turning import until
from trainer.seeding import SEEDED

if TYPE_CHECKING:
    from tests.trainer.conftest import Stage

FIRST_MS = 1_700_000_000_000


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


@both_servers
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


@both_servers
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


def test_an_event_without_any_run_on_this_disk_is_still_answered(stage: Stage) -> None:
    first = stage.first_model()
    service = stage.started()
    shutil.rmtree(stage.miniflow.run(first).directory)
    stage.drifted(labels=300)
    stage.drift_event()
    until(service, lambda: stage.production != first)
    assert "old_holdout_rows" not in stage.answers()[0].summary().metrics

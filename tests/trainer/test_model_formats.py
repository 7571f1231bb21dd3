"""Production of another format than the one written now: an older one is compared with, a newer one never replaced
unasked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from core.drift_window import RetrainEvent
from core.errors import RegistryError, UnknownModelFormat
from core.file_registry import FileRegistry
from core.miniflow import MODEL_ARTIFACT, MiniFlow
from core.model_file import ModelFile
from core.npz import encode_npz
from core.settings import Settings
from tests.model_formats import format_3, format_3_bytes, like_format_3, newer, newer_bytes, write_csv
from tests.trainer.turning import until
from trainer.commands import fit_table, list_runs, promote_run, rollback
from trainer.holdout import HOLDOUT_ARTIFACT

if TYPE_CHECKING:
    from tests.trainer.conftest import Stage

FIRST_MS = 1_700_000_000_000


@pytest.fixture
def alone(tmp_path: Path) -> Settings:
    """No Redis at all."""
    return Settings(pipeline="raisin", miniflow=str(tmp_path / "miniflow"))


def put_into_production(settings: Settings, file: ModelFile) -> str:
    """A run with a model, in production in MiniFlow; its id."""
    run = MiniFlow(settings.miniflow_path, settings.pipeline).start_run("fit")
    rows = like_format_3(200, seed=6)
    run.write_artifact(HOLDOUT_ARTIFACT, encode_npz({"x": rows.x, "y": rows.y}))
    run.write_artifact(MODEL_ARTIFACT, file.encoded)
    run.finish("promoted")
    FileRegistry(settings.miniflow_path, settings.pipeline).promote(run.run_id, file, 0, "first")
    return run.run_id


def make_newer(settings: Settings, run_id: str) -> None:
    """A run's model becomes one that a later version wrote."""
    run = MiniFlow(settings.miniflow_path, settings.pipeline).run(run_id)
    run.write_artifact(MODEL_ARTIFACT, newer_bytes(run.read_artifact(MODEL_ARTIFACT)))


def csv(tmp_path: Path, *, shuffled: bool = False) -> Path:
    table = like_format_3(400, seed=3)
    y = np.random.default_rng(4).permutation(table.y) if shuffled else table.y
    return write_csv(tmp_path / f"shuffled-{shuffled}.csv", table.x, y)


def test_a_fit_is_compared_with_production_of_format_3(tmp_path: Path, alone: Settings) -> None:
    production = put_into_production(alone, format_3())
    shuffled = fit_table(csv(tmp_path, shuffled=True), "class", "Besni", alone)
    assert (shuffled.against, shuffled.promoted) == (production, False)
    assert shuffled.fixed_holdout is not None
    successor = fit_table(csv(tmp_path), "class", "Besni", alone)
    assert successor.against == production
    promote_run(successor.run_id, alone)
    assert rollback(alone).run_id == production
    assert FileRegistry(alone.miniflow_path, "raisin").model(production).encoded == format_3_bytes()


def test_nothing_is_promoted_over_a_newer_format_unasked(tmp_path: Path, alone: Settings) -> None:
    production = put_into_production(alone, format_3())
    make_newer(alone, production)
    before = FileRegistry(alone.miniflow_path, "raisin").production()
    said = rf"production is run {production}.*upgrade streamgauge, or say --new-schema to replace it"
    with pytest.raises(UnknownModelFormat, match=said):
        fit_table(csv(tmp_path), "class", "Besni", alone)
    assert [run.run_id for run in list_runs(alone).runs] == [production]
    other = MiniFlow(alone.miniflow_path, "raisin").start_run("fit")
    other.write_artifact(MODEL_ARTIFACT, format_3_bytes())
    with pytest.raises(UnknownModelFormat, match=said):
        promote_run(other.run_id, alone)
    with pytest.raises(UnknownModelFormat, match="upgrade streamgauge"):
        promote_run(production, alone)
    assert FileRegistry(alone.miniflow_path, "raisin").production() == before


def test_a_newer_format_is_replaced_with_consent_and_its_run_stays_what_came_before(
    tmp_path: Path, alone: Settings
) -> None:
    production = put_into_production(alone, format_3())
    make_newer(alone, production)
    report = fit_table(csv(tmp_path), "class", "Besni", alone, new_schema=True)
    assert report.promoted
    assert "no whole model of a known format" in report.verdict
    assert (report.against, report.production and report.production.previous) == (None, production)
    with pytest.raises(UnknownModelFormat, match="upgrade streamgauge"):
        rollback(alone)


def test_a_person_goes_back_from_a_newer_format_without_being_asked_for_consent(
    tmp_path: Path, alone: Settings
) -> None:
    first = put_into_production(alone, format_3())
    second = fit_table(csv(tmp_path), "class", "Besni", alone)
    promote_run(second.run_id, alone)
    make_newer(alone, second.run_id)
    assert rollback(alone).run_id == first


def test_a_newer_copy_is_neither_restored_nor_overwritten(stage: Stage) -> None:
    run_id = put_into_production(stage.settings, format_3())
    stage.registry.promote(run_id, newer(format_3()), 0, "by a later version")
    held = stage.connection.call("HGET", stage.keys.models, run_id)
    promote_run(run_id, stage.settings)  # one that is there already
    assert stage.connection.call("HGET", stage.keys.models, run_id) == held
    service = stage.trainer()
    with pytest.raises(UnknownModelFormat):
        service.start()
    assert stage.connection.call("HGET", stage.keys.models, run_id) == held


def test_a_newer_run_cannot_seed_and_says_what_helps(stage: Stage) -> None:
    run_id = put_into_production(stage.settings, format_3())
    make_newer(stage.settings, run_id)
    with pytest.raises(RegistryError, match=r"MiniFlow cannot give one.*upgrade streamgauge"):
        stage.trainer().start()
    assert stage.registry.production() is None


def drift(stage: Stage) -> None:
    """1,000 labelled rows of another world, and the event that asks for a model of it."""
    table = like_format_3(1_000, seed=8)
    ids = [b"d%d" % number for number in range(1_000)]
    stage.sample(table.x + np.array([60.0, 0.0, 0.0]), ids, FIRST_MS, schema=table.schema)
    stage.label(ids, table.y)
    stage.event(RetrainEvent(reason="drift", model=stage.production, episode=3, since=f"{FIRST_MS}-0"))


def test_a_trainer_retrains_production_of_format_3(stage: Stage) -> None:
    first = put_into_production(stage.settings, format_3())
    service = stage.started()
    assert stage.registry.model(first).encoded == format_3_bytes()  # seeded as it is
    drift(stage)
    until(service, lambda: stage.outcomes() == ["promoted"])
    production = stage.registry.production()
    assert production is not None
    assert production.previous == first
    assert rollback(stage.settings).run_id == first


def test_a_trainer_leaves_events_about_a_newer_production_to_who_can_read_it(stage: Stage) -> None:
    first = put_into_production(stage.settings, format_3())
    service = stage.started()
    stage.registry.promote("aaaaaaaaaaaa", newer(format_3()), 1, "by a later version")
    drift(stage)
    service._next_look_s = 0.0
    for _ in range(3):
        with pytest.raises(UnknownModelFormat, match="upgrade streamgauge"):
            service.step()
    assert "upgrade streamgauge" in str(service.not_ready())
    assert (stage.production, stage.pending(), stage.unread()) == ("aaaaaaaaaaaa", 0, 1)
    assert [run.run_id for run in stage.miniflow.runs()] == [first]
    stage.registry.promote(first, format_3(), 2, "rollback")
    until(service, lambda: bool(stage.answers()))
    assert service.not_ready() is None


def test_without_redis_the_sentence_of_a_newer_production_comes_before_any_training(
    tmp_path: Path, alone: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_newer(alone, put_into_production(alone, format_3()))
    monkeypatch.setattr("trainer.commands.fit", lambda *_, **__: pytest.fail("it was trained in vain"))
    with pytest.raises(UnknownModelFormat):
        fit_table(csv(tmp_path), "class", "Besni", msgspec.structs.replace(alone, seed=1))

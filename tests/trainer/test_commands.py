from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest

from core.drift_window import RetrainEvent
from core.entry import entries_of
from core.errors import (
    DataError,
    ModelFileError,
    NoProductionModel,
    RegistryError,
    SchemaError,
    ServerUnavailable,
    UnknownRun,
)
from core.fields import decode_fields
from core.file_registry import FileRegistry
from core.miniflow import MODEL_ARTIFACT, MiniFlow
from core.redis_registry import RedisRegistry
from core.registry import Production
from core.settings import Settings
from tests.both_servers import both_servers
from trainer.commands import fit_table, list_runs, promote_run, request_retrain, rollback
from trainer.solvers.base import Solver
from trainer.solvers.gradient_descent import GradientDescent
from trainer.solvers.newton import Newton

if TYPE_CHECKING:
    from tests.trainer.conftest import Stage

NOBODY = "redis://127.0.0.1:1/0"


@pytest.fixture
def alone(tmp_path: Path) -> Settings:
    """No Redis at all."""
    return Settings(pipeline="raisin", miniflow=str(tmp_path / "miniflow"))


def csv(tmp_path: Path, n: int = 200, noise: float = 1.0, features: str = "a,b", seed: int = 0) -> Path:
    """A table whose class hangs on its first feature, the more so the less noise there is."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, features.count(",") + 1))
    classes = np.where(x[:, 0] + noise * generator.normal(size=n) > 0, "yes", "no")
    path = tmp_path / f"{features.replace(',', '')}-{n}-{noise}-{seed}.csv"
    lines = [
        ",".join([*(repr(float(value)) for value in row), name]) for row, name in zip(x, classes, strict=True)
    ]
    path.write_text("\n".join([f"{features},class", *lines]) + "\n")
    return path


def files_of(settings: Settings) -> FileRegistry:
    return FileRegistry(settings.miniflow_path, settings.pipeline)


def test_the_first_model_is_promoted_without_redis(tmp_path: Path, alone: Settings) -> None:
    report = fit_table(csv(tmp_path), "class", None, alone)
    assert report.promoted
    assert report.converged
    assert (report.against, report.judged, report.fixed_holdout) == (None, None, None)
    assert report.rows == report.train.rows + report.validation.rows == 200
    assert "'yes' is class 1" in report.class_note
    assert files_of(alone).production() == report.production
    run = MiniFlow(alone.miniflow_path, "raisin").run(report.run_id)
    assert (run.meta.outcome, run.meta.detail) == ("promoted", report.verdict)
    assert run.params["label"] == "class"


def test_the_same_table_again_is_no_better(tmp_path: Path, alone: Settings) -> None:
    first = fit_table(csv(tmp_path), "class", None, alone)
    second = fit_table(csv(tmp_path), "class", None, alone)
    assert not second.promoted
    assert "not better" in second.verdict
    assert second.against == first.run_id
    assert second.production == first.production
    miniflow = MiniFlow(alone.miniflow_path, "raisin")
    assert miniflow.run(second.run_id).meta.outcome == "refused"
    assert miniflow.model(first.run_id).sha256 == miniflow.model(second.run_id).sha256


def test_a_better_model_replaces_production(tmp_path: Path, alone: Settings) -> None:
    first = fit_table(csv(tmp_path, n=20, noise=3.0), "class", None, alone)
    second = fit_table(csv(tmp_path, n=1000, noise=0.5), "class", None, alone)
    assert second.promoted, second.verdict
    assert second.judged is not None
    assert second.judged.candidate.log_loss < second.judged.production.log_loss
    assert second.production is not None
    assert (second.production.run_id, second.production.previous) == (second.run_id, first.run_id)


def test_what_is_worse_on_the_fixed_holdout_is_refused(tmp_path: Path, alone: Settings) -> None:
    fit_table(csv(tmp_path, n=1000, noise=0.5), "class", None, alone)
    other_world = csv(tmp_path, n=1000, noise=0.5, seed=1)
    swapped = other_world.read_text().replace("yes", "x").replace("no", "yes").replace("x", "no")
    other_world.write_text(swapped)
    report = fit_table(other_world, "class", "yes", alone)
    assert not report.promoted
    assert "significantly worse on the fixed holdout" in report.verdict


def test_another_schema_is_promoted_only_when_asked(tmp_path: Path, alone: Settings) -> None:
    first = fit_table(csv(tmp_path), "class", None, alone)
    other = csv(tmp_path, features="a,c")
    with pytest.raises(SchemaError, match=r"without b and with c.*--new-schema"):
        fit_table(other, "class", None, alone)
    with pytest.raises(SchemaError, match=r"another order.*--new-schema"):
        fit_table(csv(tmp_path, features="b,a"), "class", None, alone)
    with pytest.raises(SchemaError, match=r"'no' is class 1 of .*'yes' of production.*--new-schema"):
        fit_table(csv(tmp_path), "class", "no", alone)
    renamed = csv(tmp_path)
    renamed.write_text(renamed.read_text().replace("no", "never"))
    with pytest.raises(SchemaError, match=r"other classes.*--new-schema"):
        fit_table(renamed, "class", "yes", alone)
    assert [each.run_id for each in list_runs(alone).runs] == [first.run_id]
    report = fit_table(other, "class", None, alone, new_schema=True)
    assert report.promoted
    assert "another schema" in report.verdict
    with pytest.raises(SchemaError, match="--new-schema"):
        promote_run(first.run_id, alone)
    assert promote_run(first.run_id, alone, new_schema=True).run_id == first.run_id


def test_the_settings_choose_the_solver(tmp_path: Path, alone: Settings) -> None:
    settings = msgspec.structs.replace(alone, solver="gradient_descent", inverse_l2=0.5)
    run_id = fit_table(csv(tmp_path), "class", None, settings).run_id
    miniflow = MiniFlow(alone.miniflow_path, "raisin")
    assert miniflow.run(run_id).params["solver"] == "gradient-descent"
    assert miniflow.run(run_id).params["solver_c"] == 0.5
    run_id = fit_table(csv(tmp_path), "class", None, alone, GradientDescent(max_steps=3)).run_id
    assert miniflow.run(run_id).params["solver_max_steps"] == 3


def test_a_table_that_cannot_be_used_is_a_sentence(tmp_path: Path, alone: Settings) -> None:
    with pytest.raises(DataError, match="no file"):
        fit_table(tmp_path / "missing.csv", "class", None, alone)
    with pytest.raises(DataError, match="no column"):
        fit_table(csv(tmp_path), "Class", None, alone)


def test_runs_are_listed_with_what_is_in_production(tmp_path: Path, alone: Settings) -> None:
    assert list_runs(alone).runs == []
    assert list_runs(alone).production is None
    first = fit_table(csv(tmp_path), "class", None, alone)
    second = fit_table(csv(tmp_path), "class", None, alone)
    listing = list_runs(alone)
    assert {each.run_id for each in listing.runs} == {first.run_id, second.run_id}
    assert listing.production == first.production


def test_a_rollback_leads_back_and_forth(tmp_path: Path, alone: Settings) -> None:
    first = fit_table(csv(tmp_path), "class", None, alone)
    second = fit_table(csv(tmp_path), "class", None, alone)
    promoted = promote_run(second.run_id, alone)
    assert (promoted.run_id, promoted.previous, promoted.epoch) == (second.run_id, first.run_id, 2)
    assert promote_run(second.run_id, alone) == promoted
    assert rollback(alone).run_id == first.run_id
    assert rollback(alone).run_id == second.run_id


def test_what_cannot_be_rolled_back_is_a_sentence(tmp_path: Path, alone: Settings) -> None:
    with pytest.raises(NoProductionModel, match="run `streamgauge fit` first"):
        rollback(alone)
    fit_table(csv(tmp_path), "class", None, alone)
    with pytest.raises(NoProductionModel, match="none to go back to"):
        rollback(alone)


@pytest.mark.parametrize("run_id", ["0123456789ab", "nonsense", "../../../etc"])
def test_an_unknown_run_is_a_sentence(tmp_path: Path, alone: Settings, run_id: str) -> None:
    fit_table(csv(tmp_path), "class", None, alone)
    with pytest.raises(UnknownRun, match="streamgauge runs"):
        promote_run(run_id, alone)


def test_a_model_file_cut_short_is_a_sentence(tmp_path: Path, alone: Settings) -> None:
    first = fit_table(csv(tmp_path), "class", None, alone)
    second = fit_table(csv(tmp_path), "class", None, alone)
    miniflow = MiniFlow(alone.miniflow_path, "raisin")
    path = miniflow.run(second.run_id).directory / "artifacts/model/model.npz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ModelFileError, match="SHA-256"):
        promote_run(second.run_id, alone)
    assert files_of(alone).production() == first.production


def test_a_damaged_production_model_does_not_stop_the_next(tmp_path: Path, alone: Settings) -> None:
    first = fit_table(csv(tmp_path), "class", None, alone)
    miniflow = MiniFlow(alone.miniflow_path, "raisin")
    (miniflow.run(first.run_id).directory / "artifacts/model/model.npz").write_bytes(b"PK")
    report = fit_table(csv(tmp_path), "class", None, alone)
    assert report.promoted
    assert "no whole model" in report.verdict


def test_a_damaged_registry_file_is_a_sentence(tmp_path: Path, alone: Settings) -> None:
    fit_table(csv(tmp_path), "class", None, alone)
    files_of(alone).path.write_bytes(b"{")
    with pytest.raises(RegistryError, match="delete it"):
        list_runs(alone)


def test_with_redis_the_model_is_published_and_the_file_follows(tmp_path: Path, stage: Stage) -> None:
    report = fit_table(csv(tmp_path), "class", None, stage.settings)
    assert report.promoted
    assert stage.registry.production() == report.production == stage.files.production()
    assert stage.registry.model(report.run_id).sha256 == stage.miniflow.model(report.run_id).sha256
    second = fit_table(csv(tmp_path), "class", None, stage.settings)
    promote_run(second.run_id, stage.settings)
    assert rollback(stage.settings) == stage.registry.production() == stage.files.production()
    assert [each.reason for each in stage.registry.history(2)] == ["rollback", "manual"]


def test_an_empty_redis_takes_what_was_fitted_without_it(tmp_path: Path, stage: Stage) -> None:
    without = msgspec.structs.replace(stage.settings, redis_url=None)
    first = fit_table(csv(tmp_path), "class", None, without)
    second = fit_table(csv(tmp_path), "class", None, stage.settings)
    assert not second.promoted
    assert stage.production == first.run_id
    assert stage.files.production() == stage.registry.production() == second.production


@both_servers
def test_a_promotion_in_between_wins(tmp_path: Path, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    first = fit_table(csv(tmp_path, n=20, noise=3.0), "class", None, stage.settings)
    promote = RedisRegistry.promote

    def overtaken(registry: RedisRegistry, *arguments: Any) -> Production:
        promote(registry, first.run_id, stage.miniflow.model(first.run_id), 1, "by hand, meanwhile")
        return promote(registry, *arguments)

    monkeypatch.setattr(RedisRegistry, "promote", overtaken)
    report = fit_table(csv(tmp_path, n=1000, noise=0.5), "class", None, stage.settings)
    assert not report.promoted
    assert "epoch 2, not 1" in report.verdict
    assert stage.miniflow.run(report.run_id).meta.outcome == "superseded"
    assert stage.production == first.run_id


def test_a_retraining_is_asked_for_by_hand(tmp_path: Path, stage: Stage) -> None:
    with pytest.raises(NoProductionModel):
        request_retrain(stage.settings)
    report = fit_table(csv(tmp_path), "class", None, stage.settings)
    event_id = request_retrain(stage.settings)
    (entry,) = entries_of(stage.connection.call("XRANGE", stage.keys.retrain, "-", "+"))
    assert entry.id.decode() == event_id
    assert decode_fields(entry, RetrainEvent) == RetrainEvent(reason="manual", model=report.run_id)


def test_without_a_server_each_command_says_so(tmp_path: Path, alone: Settings) -> None:
    settings = msgspec.structs.replace(alone, redis_url=NOBODY)
    with pytest.raises(ServerUnavailable, match="no Redis answers"):
        fit_table(csv(tmp_path), "class", None, settings)
    for command in (list_runs, rollback, request_retrain):
        with pytest.raises(ServerUnavailable, match="no Redis answers"):
            command(settings)
    with pytest.raises(ServerUnavailable, match="set redis_url"):
        request_retrain(alone)


def test_a_server_that_refuses_is_a_sentence(tmp_path: Path, stage: Stage) -> None:
    stage.connection.call("SET", stage.keys.promotions, "in the way")
    with pytest.raises(ServerUnavailable, match="move it aside"):
        fit_table(csv(tmp_path), "class", None, stage.settings)


def spoilt(stage: Stage, run_id: str, *, redis: bool = False, file: bool = False) -> None:
    """Damage a run's model in one store or both."""
    if redis:
        stage.connection.call("HSET", stage.keys.models, run_id, b"garbage")
    if file:
        (stage.miniflow.run(run_id).directory / "artifacts" / MODEL_ARTIFACT).write_bytes(b"garbage")


@pytest.mark.parametrize(("redis", "file"), [(True, False), (False, True)])
def test_promoting_production_again_restores_its_model_from_the_other_store(
    tmp_path: Path, stage: Stage, redis: bool, file: bool
) -> None:
    report = fit_table(csv(tmp_path), "class", None, stage.settings)
    sha256 = stage.miniflow.model(report.run_id).sha256
    spoilt(stage, report.run_id, redis=redis, file=file)
    assert promote_run(report.run_id, stage.settings) == report.production
    assert stage.registry.model(report.run_id).sha256 == sha256
    assert stage.miniflow.model(report.run_id).sha256 == sha256
    assert stage.registry.production() == report.production


def test_promoting_production_again_without_any_whole_copy_says_what_helps(tmp_path: Path, stage: Stage) -> None:
    report = fit_table(csv(tmp_path), "class", None, stage.settings)
    spoilt(stage, report.run_id, redis=True, file=True)
    with pytest.raises(ModelFileError, match=r"no whole copy.*streamgauge fit.*streamgauge rollback"):
        promote_run(report.run_id, stage.settings)


def test_promoting_a_damaged_production_without_redis_says_what_helps(tmp_path: Path, alone: Settings) -> None:
    report = fit_table(csv(tmp_path), "class", None, alone)
    run = MiniFlow(alone.miniflow_path, "raisin").run(report.run_id)
    (run.directory / "artifacts" / MODEL_ARTIFACT).write_bytes(b"garbage")
    with pytest.raises(ModelFileError, match="no whole copy"):
        promote_run(report.run_id, alone)


def test_a_rollback_takes_whichever_copy_is_whole(tmp_path: Path, stage: Stage) -> None:
    first = fit_table(csv(tmp_path), "class", None, stage.settings)
    second = fit_table(csv(tmp_path), "class", None, stage.settings)
    promote_run(second.run_id, stage.settings)
    spoilt(stage, first.run_id, file=True)
    assert rollback(stage.settings).run_id == first.run_id


def test_a_fit_that_arrived_warns_of_nothing(tmp_path: Path, alone: Settings) -> None:
    assert fit_table(csv(tmp_path), "class", None, alone).warnings == ()


@pytest.mark.parametrize(
    ("noise", "solver", "words"),
    [
        (0.0, Newton(c=float("inf")), "can be separated.*set inverse_l2 to a finite value"),
        (1.0, Newton(max_steps=1), "newton stopped after 1 step without.*raise max_steps"),
        (1.0, GradientDescent(max_steps=3), "gradient-descent stopped after 3 steps.*set solver to newton"),
    ],
)
def test_a_fit_that_did_not_arrive_warns_with_its_remedy(
    tmp_path: Path, alone: Settings, noise: float, solver: Solver, words: str
) -> None:
    (warning,) = fit_table(csv(tmp_path, noise=noise), "class", None, alone, solver).warnings
    assert re.search(words, warning)


def test_a_table_in_which_no_feature_varies_is_refused(tmp_path: Path, alone: Settings) -> None:
    path = tmp_path / "constant.csv"
    path.write_text("a,b,class\n" + "1,2,yes\n1,2,no\n" * 20)
    with pytest.raises(DataError, match="nothing to learn or to watch"):
        fit_table(path, "class", None, alone)
    assert list_runs(alone).runs == []

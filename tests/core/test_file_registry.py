from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import numpy as np
import pytest

from core.errors import RegistryError, Superseded, UnknownRun
from core.file_registry import FileRegistry
from core.miniflow import MODEL_ARTIFACT, MiniFlow
from core.model import LogisticModel
from core.model_file import ModelFile
from core.profile import profile_rows
from core.registry import Production, Registry
from core.schema import Schema
from tests.drift_references import quick_model_file


def a_model(intercept: float = 0.0) -> ModelFile:
    x = np.arange(8.0).reshape(4, 2) ** 2
    profile = profile_rows(x, ("a", "b"), seed=0)
    model = LogisticModel(Schema(("a", "b")), np.ones(2), intercept, profile.mean, profile.standard_deviation)
    return quick_model_file(model, x)


MODEL = a_model()


@pytest.fixture
def registry(tmp_path: Path) -> FileRegistry:
    return FileRegistry(tmp_path, "raisin")


def logged_run(registry: FileRegistry, model: ModelFile = MODEL) -> str:
    run = MiniFlow(registry.root, registry.experiment).start_run("manual")
    run.write_artifact(MODEL_ARTIFACT, model.encoded)
    return run.run_id


def test_it_is_a_registry(registry: FileRegistry) -> None:
    as_protocol: Registry = registry
    assert as_protocol.production() is None


def test_the_file_has_the_designs_form(registry: FileRegistry) -> None:
    first, second = logged_run(registry), logged_run(registry)
    registry.promote(first, MODEL, 0, "first")
    made = registry.promote(second, MODEL, 1, "better")
    assert msgspec.json.decode((registry.root / "registry.json").read_bytes()) == {
        "raisin": {
            "production": second,
            "previous": first,
            "epoch": 2,
            "updated_ts_ms": made.updated_ts_ms,
        }
    }
    assert registry.production() == made == Production(second, first, 2, made.updated_ts_ms)


def test_a_promotion_on_an_old_look_changes_nothing(registry: FileRegistry) -> None:
    first, second = logged_run(registry), logged_run(registry)
    made = registry.promote(first, MODEL, 0, "first")
    with pytest.raises(Superseded, match="epoch 1, not 0"):
        registry.promote(second, MODEL, 0, "late")
    assert registry.production() == made


def test_of_many_promotions_at_once_one_wins(registry: FileRegistry) -> None:
    runs = [logged_run(registry) for _ in range(8)]

    def attempt(run_id: str) -> bool:
        try:
            registry.promote(run_id, MODEL, 0, "race")
        except Superseded:
            return False
        return True

    with ThreadPoolExecutor(len(runs)) as pool:
        won = list(pool.map(attempt, runs))
    production = registry.production()
    assert won.count(True) == 1
    assert production is not None
    assert production.run_id == runs[won.index(True)]
    assert production.epoch == 1


def test_a_run_promoted_over_itself_keeps_the_way_back(registry: FileRegistry) -> None:
    first, second = logged_run(registry), logged_run(registry)
    registry.promote(first, MODEL, 0, "first")
    registry.promote(second, MODEL, 1, "better")
    again = registry.promote(second, MODEL, 2, "again")
    assert (again.previous, again.epoch) == (first, 3)


def test_experiments_share_the_file(registry: FileRegistry) -> None:
    other = FileRegistry(registry.root, "other")
    ours, theirs = logged_run(registry), logged_run(other)
    registry.promote(ours, MODEL, 0, "ours")
    other.promote(theirs, MODEL, 0, "theirs")
    found = registry.production()
    assert found is not None
    assert found.run_id == ours


def test_only_a_runs_own_model_is_promoted(registry: FileRegistry) -> None:
    with pytest.raises(UnknownRun):
        registry.promote("0123456789ab", MODEL, 0, "no such run")
    with pytest.raises(RegistryError, match="another model"):
        registry.promote(logged_run(registry), a_model(1.0), 0, "mixed up")
    assert registry.production() is None


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"[]",
        b'{"raisin": 3}',
        b"\xff\xfe",
        b'{"raisin": {"epoch": "x"}}',
        b'{"raisin": {"production": "../x", "previous": null, "epoch": 1, "updated_ts_ms": 1}}',
    ],
)
def test_a_damaged_file_is_one_sentence(registry: FileRegistry, damage: bytes) -> None:
    run_id = logged_run(registry)
    registry.path.write_bytes(damage)
    with pytest.raises(RegistryError, match="delete it and promote a run again"):
        registry.production()
    with pytest.raises(RegistryError, match="delete it and promote a run again"):
        registry.promote(run_id, MODEL, 0, "try")
    assert registry.path.read_bytes() == damage


def test_a_mirror_follows_whatever_stood_there(registry: FileRegistry) -> None:
    other = FileRegistry(registry.root, "other")
    other.mirror(Production("0123456789ab", None, 4, 10))
    registry.promote(logged_run(registry), MODEL, 0, "first")
    followed = Production("0123456789ac", "0123456789ab", 7, 20)
    registry.mirror(followed)
    assert registry.production() == followed
    assert other.production() == Production("0123456789ab", None, 4, 10)


def test_a_mirror_mends_a_damaged_file(registry: FileRegistry) -> None:
    registry.path.write_bytes(b"{")
    registry.mirror(Production("0123456789ab", None, 1, 10))
    assert registry.production() == Production("0123456789ab", None, 1, 10)


def test_a_mirror_refuses_what_is_no_run_id(registry: FileRegistry) -> None:
    with pytest.raises(UnknownRun):
        registry.mirror(Production("../../x", None, 1, 10))
    assert registry.production() is None


def test_every_promotion_leaves_its_reason(registry: FileRegistry) -> None:
    run_id = logged_run(registry)
    registry.promote(run_id, MODEL, 0, "first")
    registry.promote(run_id, MODEL, 1, "again")
    lines = (registry.root / "promotions.jsonl").read_bytes().splitlines()
    assert [msgspec.json.decode(line)["reason"] for line in lines] == ["first", "again"]


def test_the_models_of_runs_are_found(registry: FileRegistry) -> None:
    run_id = logged_run(registry)
    assert registry.model(run_id).sha256 == MODEL.sha256

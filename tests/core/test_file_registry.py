from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import numpy as np
import pytest

from core.errors import RegistryError, Superseded, UnknownRun, UsageError
from core.file_lock import locked
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
LOCK = "registry.lock"


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


def test_the_history_carries_the_decision(registry: FileRegistry) -> None:
    registry.promote(logged_run(registry), MODEL, 0, "by hand")
    registry.promote(logged_run(registry), MODEL, 1, "better", b'{"promote":true}')
    lines = (registry.root / "promotions.jsonl").read_bytes().splitlines()
    assert [msgspec.json.decode(line)["decision"] for line in lines] == [None, {"promote": True}]


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


def test_the_history_is_of_what_happened(registry: FileRegistry) -> None:
    assert registry.history(3) == []
    first, second = logged_run(registry), logged_run(registry)
    registry.promote(first, MODEL, 0, "first")
    FileRegistry(registry.root, "other").mirror(Production("0123456789ab", None, 1, 10))
    notes = registry.root / "promotions.jsonl"
    with notes.open("ab") as file:  # a kill between note and pointer, and one in the middle of a note
        file.write(notes.read_bytes().replace(b'"epoch":1', b'"epoch":2').replace(b"first", b"never") + b'{"exp')
    registry.promote(second, MODEL, 1, "second")
    assert [(note.epoch, note.run_id, note.reason) for note in registry.history(5)] == [
        (2, second, "second"),
        (1, first, "first"),
    ]
    assert [note.reason for note in registry.history(1)] == ["second"]
    with notes.open("ab") as file:
        file.write(notes.read_bytes().splitlines(keepends=True)[-1].replace(b'"epoch":2', b'"epoch":3'))
    assert [note.epoch for note in registry.history(5)] == [2, 1]


def test_a_copy_reads_under_the_lock_so_that_the_last_to_write_has_read_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, copies = FileRegistry(tmp_path / "authority", "raisin"), FileRegistry(tmp_path / "copies", "raisin")
    made = authority.promote(logged_run(authority), MODEL, 0, "first")
    read, waits = FileRegistry.production, []

    def production(registry: FileRegistry) -> Production | None:
        if registry == authority:
            with (
                pytest.raises(UsageError, match="another process has held"),
                locked(copies.root / LOCK, wait_s=0.0),
            ):
                pytest.fail("another could copy between the reading and the writing")
            waits.append(registry)
        return read(registry)

    monkeypatch.setattr(FileRegistry, "production", production)
    copies.follow(authority)
    assert waits == [authority]
    assert copies.production() == made


def test_nothing_is_copied_of_an_empty_registry(registry: FileRegistry, tmp_path: Path) -> None:
    registry.mirror(Production("0123456789ab", None, 4, 10))
    registry.follow(FileRegistry(tmp_path / "empty", "raisin"))
    assert registry.production() == Production("0123456789ab", None, 4, 10)


def test_a_pointer_that_stands_keeps_its_note(registry: FileRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk refuses to flush the directory, when the new file is in its place already."""
    run_id = logged_run(registry)

    def refuse(_directory: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("core.atomic_file._flush_directory", refuse)
    with pytest.raises(UsageError, match="Input/output error"):
        registry.promote(run_id, MODEL, 0, "first")
    assert [note.run_id for note in registry.history(1)] == [run_id]

"""What a disk that takes no more leaves behind: files may grow to so many bytes, as the kernel enforces it."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from core.errors import UsageError
from core.file_registry import FileRegistry
from core.miniflow import MODEL_ARTIFACT, MiniFlow
from core.registry import Production
from tests.core.test_file_registry import MODEL, logged_run

ADVICE = "free the disk"


@contextmanager
def files_end_at(size_bytes: int) -> Iterator[None]:
    """No file of this process grows beyond ``size_bytes``: a longer write is cut there, the next one fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def registry(tmp_path: Path) -> FileRegistry:
    return FileRegistry(tmp_path, "raisin")


def visible_and_hidden(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_a_promotion_that_cannot_be_noted_is_not_made(registry: FileRegistry) -> None:
    first, second = logged_run(registry), logged_run(registry)
    made = registry.promote(first, MODEL, 0, "first")
    notes = (registry.root / "promotions.jsonl").read_bytes()
    with files_end_at(len(notes) + 20), pytest.raises(UsageError, match=ADVICE):
        registry.promote(second, MODEL, 1, "second")
    assert registry.production() == made
    assert (registry.root / "promotions.jsonl").read_bytes() == notes
    assert registry.promote(second, MODEL, 1, "again").epoch == 2


def test_a_promotion_that_cannot_be_written_is_not_noted(registry: FileRegistry) -> None:
    for number in range(9):  # a registry that is longer than the note
        FileRegistry(registry.root, f"other-{number}").mirror(Production("0123456789ab", None, 1, 10))
    size_bytes, run_id = registry.path.stat().st_size, logged_run(registry)
    before = visible_and_hidden(registry.root) | {"promotions.jsonl"}
    with files_end_at(size_bytes), pytest.raises(UsageError, match=ADVICE):
        registry.promote(run_id, MODEL, 0, "first")
    assert registry.production() is None
    assert (registry.root / "promotions.jsonl").read_bytes() == b""
    assert visible_and_hidden(registry.root) == before
    assert registry.promote(run_id, MODEL, 0, "again").epoch == 1


def test_a_line_cut_by_a_full_disk_costs_only_itself(tmp_path: Path) -> None:
    run = MiniFlow(tmp_path, "raisin").start_run("manual")
    run.log_metrics(1, {"loss": 0.5})
    path = run.directory / "metrics.jsonl"
    size_bytes = path.stat().st_size
    with files_end_at(size_bytes + 10), pytest.raises(UsageError, match=ADVICE):
        run.log_metrics(2, {"loss": 0.4})
    assert path.stat().st_size == size_bytes + 10
    run.log_metrics(3, {"loss": 0.3})
    assert [(line.step, line.metrics) for line in run.metrics()] == [(1, {"loss": 0.5}), (3, {"loss": 0.3})]


def test_what_stood_there_stands_when_its_successor_does_not_fit(tmp_path: Path) -> None:
    miniflow = MiniFlow(tmp_path, "raisin")
    run = miniflow.start_run("manual")
    run.log_params({"seed": 1})
    run.write_artifact("card.json", b"{}")
    before, meta = visible_and_hidden(run.directory), run.meta
    with files_end_at(16):
        with pytest.raises(UsageError, match=ADVICE):
            run.log_params({"seed": 2, "note": "x" * 100})
        with pytest.raises(UsageError, match=ADVICE):
            run.write_artifact(MODEL_ARTIFACT, MODEL.encoded)
        with pytest.raises(UsageError, match=ADVICE):
            run.finish("promoted")
        with pytest.raises(UsageError, match=ADVICE):
            miniflow.start_run("another")
    assert run.params == {"seed": 1}
    assert run.meta == meta
    assert visible_and_hidden(run.directory) == before
    assert visible_and_hidden(run.directory / "artifacts" / "model") == set()
    assert [summary.run_id for summary in miniflow.runs()] == [run.run_id]
    assert msgspec.json.decode((run.directory / "meta.json").read_bytes(), type=dict)["outcome"] is None

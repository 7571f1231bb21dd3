"""Trainers and commands on one MiniFlow directory at once, some of them killed in the middle."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from core.file_registry import FileRegistry, Promotion
from core.miniflow import RUN_ID, MiniFlow, Run, RunMeta

#: Promotions of a worker before the first are killed, and of the others after that.
BEFORE, AFTER = 4, 6


class Worker:
    """One process of tests/core/registry_worker.py."""

    def __init__(self, root: Path, shared_run: str, name: str) -> None:
        self.name = name
        self.promotions: list[tuple[int, str]] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.core.registry_worker", str(root), shared_run, name],
            cwd=Path(__file__).resolve().parents[2],
            stdout=subprocess.PIPE,
            text=True,
        )

    def promote(self, times: int) -> None:
        """Wait until it has promoted so many times more; what it printed until then is read."""
        assert self._process.stdout is not None
        for _ in range(times):
            epoch, run_id = self._process.stdout.readline().split()
            self.promotions.append((int(epoch), run_id))

    def kill(self) -> None:
        """``kill -9`` wherever it is, once; then read what it had still printed."""
        if self._process.returncode is not None:
            return
        self._process.kill()
        rest, _ = self._process.communicate(timeout=60)
        self.promotions += [
            (int(epoch), run_id) for epoch, run_id in (line.split() for line in rest.splitlines() if line)
        ]


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, list[Worker]]:
    """Root, the run that all write, and the workers: four; two are killed, a fifth joins, then all are killed."""
    root = tmp_path_factory.mktemp("attacked")
    shared_run = MiniFlow(root, "attacked").start_run("shared").run_id
    workers = [Worker(root, shared_run, f"worker-{number}") for number in range(4)]
    try:
        for worker in workers:
            worker.promote(BEFORE)
        for worker in workers[:2]:
            worker.kill()
        workers.append(Worker(root, shared_run, "worker-4"))
        for worker in workers[2:]:
            worker.promote(AFTER)
    finally:
        for worker in workers:
            worker.kill()
    return root, shared_run, workers


def expect_whole_artifacts(run: Run) -> None:
    """Every artifact that the meta data names is there, with the bytes that it says."""
    for name, sha256 in run.meta.artifacts.items():
        assert hashlib.sha256(run.read_artifact(name)).hexdigest() == sha256, name


def test_production_is_a_whole_model_of_the_last_epoch_noted(attacked: tuple[Path, str, list[Worker]]) -> None:
    root, _, _ = attacked
    registry = FileRegistry(root, "attacked")
    production = registry.production()
    assert production is not None
    assert registry.model(production.run_id).model.schema.features == ("a", "b")
    lines = (root / "promotions.jsonl").read_bytes().split(b"\n")
    notes = {note.epoch: note for note in (decoded(line) for line in lines) if note is not None}
    assert notes[production.epoch].run_id == production.run_id
    # a kill between note and pointer leaves one note too many
    assert set(notes) - {production.epoch + 1} == set(range(1, production.epoch + 1))


def decoded(line: bytes) -> Promotion | None:
    """A whole line; half a one, left by a kill, is none."""
    try:
        return msgspec.json.decode(line, type=Promotion)
    except msgspec.DecodeError:
        return None


def test_no_epoch_was_given_twice(attacked: tuple[Path, str, list[Worker]]) -> None:
    root, _, workers = attacked
    made = [promotion for worker in workers for promotion in worker.promotions]
    assert len(made) >= 4 * BEFORE + 3 * AFTER - BEFORE
    assert set(Counter(epoch for epoch, _ in made).values()) == {1}
    lines = (root / "promotions.jsonl").read_bytes().split(b"\n")
    noted = {(note.epoch, note.run_id) for note in map(decoded, lines) if note is not None}
    assert set(made) <= noted


def test_every_run_is_whole_or_passed_over(attacked: tuple[Path, str, list[Worker]]) -> None:
    root, _, _ = attacked
    miniflow = MiniFlow(root, "attacked")
    listed = miniflow.runs()
    directories = list((root / "experiments" / "attacked" / "runs").iterdir())
    assert all(RUN_ID.fullmatch(path.name) for path in directories)
    without_meta = [path for path in directories if not (path / "meta.json").exists()]
    assert len(listed) + len(without_meta) == len(directories)
    assert len(without_meta) <= 5  # of each worker the run that it was at
    for summary in listed:
        run = miniflow.run(summary.run_id)
        expect_whole_artifacts(run)
        assert isinstance(run.meta, RunMeta)
        if summary.meta.outcome is not None:
            assert summary.has_model
            assert miniflow.model(run.run_id).sha256 == run.meta.artifacts["model/model.npz"]
            assert [line.step for line in run.metrics()] == list(range(1, 30))


def test_of_one_run_that_all_write_nothing_is_lost(attacked: tuple[Path, str, list[Worker]]) -> None:
    root, shared_run, workers = attacked
    run = MiniFlow(root, "attacked").run(shared_run)
    expect_whole_artifacts(run)
    for worker in workers:
        turns = [
            int(name.split("/")[1].removesuffix(".txt")) for name in run.meta.artifacts if worker.name in name
        ]
        assert sorted(turns) == list(range(len(turns)))
        assert len(turns) >= len(worker.promotions)
        assert sum(name.startswith(f"{worker.name}.") for name in run.params) in {len(turns), len(turns) - 1}

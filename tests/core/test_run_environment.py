from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from core.miniflow import MiniFlow
from core.run_environment import RunEnvironment, code_digest, current_environment, git_state

GIT = shutil.which("git") or "git"


def git(checkout: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=nobody", "-c", "user.email=nobody@localhost"]
    done = subprocess.run([GIT, *identity, *arguments], cwd=checkout, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with one commit."""
    for name in ("core/model.py", "trainer/fit.py", "scorer/worker.py"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("one\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "one")
    return tmp_path


def test_a_run_says_what_it_was_made_with(tmp_path: Path) -> None:
    environment = MiniFlow(tmp_path, "raisin").start_run("manual").meta.environment
    assert environment == current_environment()
    assert isinstance(environment, RunEnvironment)
    assert (environment.python, environment.numpy) == (platform.python_version(), np.__version__)
    assert environment.code_sha256 == code_digest(Path(__file__).resolve().parents[2])
    assert environment.blas


def test_the_commit_is_that_of_the_checkout(checkout: Path) -> None:
    assert git_state(checkout) == (git(checkout, "rev-parse", "HEAD"), False)


def test_a_change_that_is_not_committed_is_said(checkout: Path) -> None:
    (checkout / "core" / "model.py").write_text("two\n")
    assert git_state(checkout) == (git(checkout, "rev-parse", "HEAD"), True)


def test_a_git_hooks_environment_does_not_lead_astray(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = git(checkout, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", str(tmp_path_factory.mktemp("elsewhere")))
    assert git_state(checkout) == (commit, False)


def test_code_inside_of_another_projects_checkout_has_no_commit(checkout: Path) -> None:
    installed = checkout / "site-packages"
    installed.mkdir()
    assert git_state(installed) == (None, None)


def test_a_checkout_without_a_commit_has_none(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    assert git_state(tmp_path) == (None, None)


def test_without_git_there_is_no_commit(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(checkout))
    assert git_state(checkout) == (None, None)


def test_a_damaged_checkout_has_no_commit(checkout: Path) -> None:
    (checkout / ".git" / "HEAD").write_text("nonsense")
    assert git_state(checkout) == (None, None)


@pytest.mark.parametrize(
    ("name", "counts"), [("core/model.py", True), ("trainer/new.lua", True), ("scorer/worker.py", False)]
)
def test_the_code_digest_is_of_what_trains(checkout: Path, name: str, counts: bool) -> None:
    before = code_digest(checkout)
    (checkout / name).write_text("two\n")
    assert (code_digest(checkout) != before) is counts


def test_a_renamed_file_is_other_code(checkout: Path) -> None:
    before = code_digest(checkout)
    (checkout / "core" / "model.py").rename(checkout / "core" / "models.py")
    assert code_digest(checkout) != before

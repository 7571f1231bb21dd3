from __future__ import annotations

import fcntl
import subprocess
import sys
from fcntl import LOCK_EX, LOCK_NB
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO

import pytest

from core.errors import UsageError
from core.file_lock import locked

HOLD = """
import sys
from pathlib import Path
from core.file_lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lock_that_is_held_for_long_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "registry.lock"
    said = r"another process has held .*registry.lock for 0 s; end it"
    with locked(path), pytest.raises(UsageError, match=said), locked(path, wait_s=0.0):
        pytest.fail("both hold the lock")


def test_a_kill_releases_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "registry.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        cwd=Path(__file__).resolve().parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match="another process has held"), locked(path, wait_s=0.0):
            pytest.fail("both hold the lock")
        holder.kill()
        with locked(path):
            assert path.exists()


def test_a_lock_file_that_was_removed_does_not_let_two_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "registry.lock"
    descriptors: list[int] = []

    def flock(file: BinaryIO, operation: int) -> None:
        if not descriptors:
            path.unlink()  # by somebody who tidies up, between the opening and the locking
        descriptors.append(file.fileno())
        fcntl.flock(file, operation)

    monkeypatch.setattr("core.file_lock.fcntl", SimpleNamespace(flock=flock, LOCK_EX=LOCK_EX, LOCK_NB=LOCK_NB))
    with locked(path):
        assert len(descriptors) == 2
        with pytest.raises(UsageError, match="another process has held"), locked(path, wait_s=0.0):
            pytest.fail("both hold the lock")


def test_a_lock_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="choose another directory"), locked(tmp_path / "missing" / "lock"):
        pytest.fail("there is no such directory")

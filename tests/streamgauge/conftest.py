"""The command as a user runs it: a process of its own, in a folder of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


def command_environment() -> dict[str, str]:
    """This environment without settings of ours, and a terminal of fixed width."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STREAMGAUGE_")}
    return {**kept, "COLUMNS": "100", "TERM": "dumb", "NO_COLOR": "1"}


def run_in(folder: Path) -> Run:
    """Runs ``streamgauge ...`` in ``folder`` and returns what it said."""

    def run_command(*arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "streamgauge", *map(str, arguments)],
            cwd=folder,
            env=command_environment(),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    return run_command


def write_small_csv(folder: Path) -> Path:
    """Forty rows of two features that tell the classes apart, most of the time."""
    rows = [
        f"{index % 7}.5,{(index * 5) % 11},{'yes' if (index % 7) + (index % 3) > 4 else 'no'}"
        for index in range(40)
    ]
    path = folder / "small.csv"
    path.write_text("size,weight,good\n" + "\n".join(rows) + "\n")
    return path


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run ``streamgauge ...`` in ``tmp_path`` and return what it said."""
    return run_in(tmp_path)


@pytest.fixture
def small_csv(tmp_path: Path) -> Path:
    """The file of :func:`write_small_csv` in ``tmp_path``."""
    return write_small_csv(tmp_path)


@pytest.fixture(scope="session")
def fitted_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder in which the small file is fitted as it is, and the run."""
    folder = tmp_path_factory.mktemp("fitted")
    fitted = run_in(folder)("fit", write_small_csv(folder), "--label", "good", "--json")
    assert fitted.returncode == 0, fitted.stderr
    return folder, json.loads(fitted.stdout)["run_id"]


@pytest.fixture
def fitted_small(fitted_once: tuple[Path, str], tmp_path: Path) -> str:
    """The run of a fit of the small file that is in production in ``tmp_path``: a copy, made once for all."""
    folder, run_id = fitted_once
    shutil.copytree(folder / "miniflow", tmp_path / "miniflow")
    write_small_csv(tmp_path)
    return run_id

"""The command as a user runs it: a process of its own, in a folder of its own."""

from __future__ import annotations

import os
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


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run ``streamgauge ...`` in ``tmp_path`` and return what it said."""

    def run_command(*arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "streamgauge", *map(str, arguments)],
            cwd=tmp_path,
            env=command_environment(),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    return run_command


@pytest.fixture
def small_csv(tmp_path: Path) -> Path:
    """Forty rows of two features that tell the classes apart, most of the time."""
    rows = [
        f"{index % 7}.5,{(index * 5) % 11},{'yes' if (index % 7) + (index % 3) > 4 else 'no'}"
        for index in range(40)
    ]
    path = tmp_path / "small.csv"
    path.write_text("size,weight,good\n" + "\n".join(rows) + "\n")
    return path

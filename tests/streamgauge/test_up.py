"""``streamgauge up`` runs everything; the other commands find it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def up(run: Run, raisin_csv: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A model from the command line, then everything running; waits for the line that says so."""
    fitted = run("fit", raisin_csv, "--label", "Class", "--positive", "Besni")
    assert fitted.returncode == 0, fitted.stderr
    with subprocess.Popen(
        [sys.executable, "-m", "streamgauge", "up", "--scorers", "2", "--http-port", "0"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            assert "streamgauge is up" in process.stdout.readline()
            for _ in range(4):  # the services' addresses
                process.stdout.readline()
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            process.wait(40)


def test_a_newcomer_pushes_reads_looks_and_stops(
    up: subprocess.Popen[str], run: Run, raisin_csv: Path, tmp_path: Path
) -> None:
    pushed = run("produce", raisin_csv, "--label", "Class", "--json")
    assert pushed.returncode == 0, pushed.stderr
    assert json.loads(pushed.stdout)["sent"] == 900
    in_blocks = run("produce", raisin_csv, "--block", "100", "--json")
    assert in_blocks.returncode == 0, in_blocks.stderr

    read = run("predictions", "--count", "900", "--json")
    predictions = [json.loads(line) for line in read.stdout.splitlines()]
    assert len({prediction["id"] for prediction in predictions}) == 900
    assert {len(prediction["contrib"]) for prediction in predictions} == {7}
    assert all("Area" in prediction["contrib"] for prediction in predictions)

    status = json.loads(run("status", "--json").stdout)
    assert status["pipeline"] == "default"
    assert status["production"]
    assert status["lengths"][0]["records"] == 909

    again = run("up", "--http-port", "0")
    assert again.returncode == 2
    assert "runs here already" in again.stderr

    up.send_signal(signal.SIGINT)
    assert up.wait(40) == 0
    assert not (tmp_path / ".streamgauge" / "running.json").exists()
    assert run("status").returncode == 2

"""``streamgauge up`` runs everything; the other commands find it."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.connection import Connection
from core.keys import PipelineKeys
from tests.streamgauge.conftest import run_in

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def fitted(raisin_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model from the command line; nothing is running."""
    folder = tmp_path_factory.mktemp("fitted")
    answer = run_in(folder)("fit", raisin_csv, "--label", "Class", "--positive", "Besni")
    assert answer.returncode == 0, answer.stderr
    return folder


@pytest.fixture
def up(fitted: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """That model in a folder of the test's own, and everything running; waits for the line that says so."""
    shutil.copytree(fitted / "miniflow", tmp_path / "miniflow")
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
            try:
                process.wait(40)
            finally:
                process.kill()  # else one that does not listen would be waited for without end


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
    assert status["threshold"] == 0.5
    assert "threshold 0.5" in run("status").stdout
    assert status["lengths"][0]["records"] == 909

    up.send_signal(signal.SIGINT)
    assert up.wait(40) == 0
    assert not (tmp_path / ".streamgauge" / "running.json").exists()
    assert run("status").returncode == 2


def service_pids(folder: Path) -> list[int]:
    """Processes whose working directory is a folder: what was started from it."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                if (process / "cwd").readlink().is_relative_to(folder):
                    found.append(int(process.name))
            except OSError:
                continue
    return found


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc, which this system has not")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_service_outlives_up(up: subprocess.Popen[str], tmp_path: Path, number: signal.Signals) -> None:
    handles = [os.pidfd_open(pid) for pid in service_pids(tmp_path)]
    assert len(handles) >= 5  # up itself, trainer, monitor, two scorers
    up.send_signal(number)
    try:
        for handle in handles:
            ended, _, _ = select.select([handle], [], [], 30)
            assert ended, "a process outlived streamgauge up"
    finally:
        for handle in handles:
            os.close(handle)
    if number == signal.SIGTERM:
        assert up.wait(40) == 0
        assert not (tmp_path / ".streamgauge" / "running.json").exists()


def test_an_embedded_server_that_dies_is_started_again(
    up: subprocess.Popen[str], run: Run, tmp_path: Path
) -> None:
    running = json.loads((tmp_path / ".streamgauge" / "running.json").read_text())
    with Connection(running["redis_url"]) as connection:
        promotions = PipelineKeys("default").promotions
        assert connection.call("XREAD", "BLOCK", 10_000, "STREAMS", promotions, "0"), "the trainer did not seed"
        information = connection.call("INFO", "server").decode()
    pid = int(re.search(r"process_id:(\d+)", information).group(1))  # type: ignore[union-attr]  # INFO has it
    os.kill(pid, signal.SIGKILL)
    assert up.stdout is not None
    assert "the embedded server had died" in up.stdout.readline()
    status = run("status", "--json")
    assert status.returncode == 0, status.stderr
    assert json.loads(status.stdout)["production"]


def test_a_second_up_in_the_folder_is_refused(up: subprocess.Popen[str], run: Run) -> None:
    again = run("up", "--http-port", "0")
    assert (again.returncode, again.stdout) == (2, "")
    assert "runs here already" in again.stderr
    assert up.poll() is None


def test_up_says_how_to_come_by_a_server_where_the_one_that_is_set_is_gone(run: Run) -> None:
    refused = run("up", "--http-port", "0", "--redis-url", "redis://127.0.0.1:1")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "no Redis answers at redis://127.0.0.1:1" in refused.stderr
    assert "STREAMGAUGE_REDIS_URL" in refused.stderr
    assert "starts a server of its own" in refused.stderr

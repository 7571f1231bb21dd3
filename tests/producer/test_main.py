from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core.connection import Connection
from core.keys import PipelineKeys
from producer.delivery import CALLS_AHEAD

_CHECKOUT = Path(__file__).resolve().parents[2]


def start(directory: Path, *arguments: str, **variables: str) -> subprocess.Popen[bytes]:
    environment = {name: text for name, text in os.environ.items() if not name.startswith("STREAMGAUGE_")}
    return subprocess.Popen(
        [sys.executable, "-m", "producer", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=directory,
        env=environment | {"PYTHONPATH": str(_CHECKOUT)} | variables,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_flushes_and_tells_what_was_sent(
    tmp_path: Path,
    server_url: str,
    pipeline: str,
    keys: PipelineKeys,
    connection: Connection,
    number: signal.Signals,
) -> None:
    arguments = ("-", "--redis-url", server_url, "--pipeline", pipeline, "--json")
    with start(tmp_path, *arguments) as process:
        assert process.stdin is not None
        process.stdin.write(b'{"a": 1}\n{"a": 2}\n')
        process.stdin.flush()
        records = keys.partition(0).records
        assert connection.call("XREAD", "BLOCK", 12_000, "STREAMS", records, "0") is not None
        process.send_signal(number)
        assert process.stdout is not None
        counts = json.loads(process.stdout.read())
        assert process.wait(10) == 0
    assert (counts["sent"], counts["unsent"], counts["stopped"]) == (2, 0, True)
    assert connection.call("XLEN", records) == 2


def test_a_signal_ends_the_wait_for_readers_and_tells_what_is_left(
    tmp_path: Path, server_url: str, pipeline: str
) -> None:
    (tmp_path / "rows.csv").write_text("a\n" + "1\n" * 9_000)
    arguments = ("rows.csv", "--redis-url", server_url, "--pipeline", pipeline, "--json")
    with start(tmp_path, *arguments, STREAMGAUGE_MAX_BACKLOG_ENTRIES="400") as process:
        assert process.stderr is not None
        assert b"backlog is full" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        counts = json.loads(process.stdout.read())
        assert process.wait(10) == 1
    assert (counts["sent"], counts["stopped"]) == (500, True)
    # what was sent ahead of the refusal, and the batch that waited behind it
    assert 500 < counts["read"] == counts["sent"] + counts["unsent"] <= 500 * (CALLS_AHEAD + 2)


def test_a_file_is_pushed_and_summed_up(
    tmp_path: Path, server_url: str, pipeline: str, keys: PipelineKeys, connection: Connection
) -> None:
    (tmp_path / "rows.csv").write_text("a,y\n1,0\n2,1\n")
    process = start(tmp_path, "rows.csv", "--redis-url", server_url, "--pipeline", pipeline, "--label", "y")
    out, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, b"")
    assert out.startswith(b"2 records sent in ")
    assert connection.call("XLEN", keys.partition(0).records) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("none.csv", "--redis-url", "redis://127.0.0.1:1"), b"there is no file none.csv"),
        (("rows.csv", "--redis-url", "redis://127.0.0.1:1"), b"no Redis answers at redis://127.0.0.1:1"),
        (("rows.csv",), b"no Redis to push to"),
        (("rows.csv", "--redis-url", "nonsense"), b"cannot be read"),
        (("rows.csv", "--pipeline", "a b"), b"pipeline 'a b' must be"),
        (("rows.csv", "--format", "xml"), b"xml"),
    ],
)
def test_what_a_person_can_cause_is_a_sentence_and_status_2(
    tmp_path: Path, arguments: tuple[str, ...], words: bytes
) -> None:
    (tmp_path / "rows.csv").write_text("a\n1\n")
    process = start(tmp_path, *arguments)
    out, errors = process.communicate(timeout=30)
    assert (process.returncode, out) == (2, b"")
    assert words in errors
    assert b"Traceback" not in errors
    if b"Usage:" not in errors:
        assert errors.startswith(b"streamgauge: ")
        assert errors.count(b"\n") == 1

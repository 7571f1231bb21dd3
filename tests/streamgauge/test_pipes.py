"""What a script sees: exit statuses, plain text, a pipe that closes early, Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from core.connection import Connection
from core.entry import Entry
from core.keys import PipelineKeys
from core.prediction_encoder import PredictionEncoder
from core.record_decoder import RecordDecoder
from core.record_encoder import encode_block
from core.scoring import score_batch
from streamgauge.__main__ import main
from streamgauge.terminal_text import json_line
from tests.streamgauge.conftest import Run, command_environment
from tests.streamgauge.repair_stage import RUN, Stage

#: What a stream may hold to draw on a terminal: ESC, CSI as one sign, a right-to-left mark, a bell.
HOSTILE = "a\x1b[2J\x9b1m\u202e\x07"
MANY_RECORDS = 3_000


@pytest.fixture
def stage(server_url: str, keys: PipelineKeys) -> Stage:
    """A pipeline with a model and a rejection that is hostile."""
    stage = Stage(Connection(server_url), keys)
    stage.promote()
    stage.rejected("_id", HOSTILE, "Area", HOSTILE)
    add_predictions(stage, 2)
    return stage


def start(folder: Path, *arguments: str, stdout: int = subprocess.PIPE) -> subprocess.Popen[str]:
    """The command with colours allowed, as in a terminal, but a pipe for its output."""
    environment = {**command_environment(), "TERM": "xterm-256color"}
    del environment["NO_COLOR"]
    return subprocess.Popen(
        [sys.executable, "-m", "streamgauge", *arguments],
        cwd=folder,
        env=environment,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    )


def place_of(stage: Stage) -> tuple[str, ...]:
    """The options that name this pipeline."""
    return ("--redis-url", stage.connection.url, "--pipeline", stage.keys.pipeline)


def main_in_this_process(capsys: pytest.CaptureFixture[str]) -> tuple[object, str, str]:
    """Exit status, output and errors of the console script with the arguments of ``sys.argv``."""
    on_terminate = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as ended:
            main()
    finally:
        signal.signal(signal.SIGTERM, on_terminate)
    return ended.value.code, *capsys.readouterr()


def expect_plain(text: str) -> None:
    """Lines of printable text."""
    assert text.replace("\n", "").isprintable(), text


@pytest.mark.parametrize(
    "command",
    [
        ("status",),
        ("status", "--watch", "--count", "1"),
        ("doctor",),
        ("groups",),
        ("partitions",),
        ("redrive", "--list"),
        ("runs",),
        ("retrain",),
        ("predictions",),
    ],
    ids=" ".join,
)
def test_output_that_is_no_terminals_has_no_control_characters(stage: Stage, command: Sequence[str]) -> None:
    for json_too in ((), ("--json",)):
        said = stage.run(*command, *json_too)
        assert (said.status in {0, 1}, said.error) == (True, None), said
        assert said.out
        expect_plain(said.out)
        expect_plain(said.err)


@pytest.mark.parametrize(
    "command",
    [
        ("fit", "small.csv", "--label", "good"),
        ("validate", "small.csv", "--label", "good", "--folds", "3"),
        ("runs",),
        ("compare", "production", "production"),
        ("threshold",),
        ("drift", "small.csv"),
        ("export-mlflow", "mlruns"),
        ("promote", "RUN"),
    ],
    ids=lambda command: command[0],
)
def test_output_about_runs_has_no_control_characters(
    fitted_small: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Sequence[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [fitted_small if word == "RUN" else word for word in command]
    for json_too in ((), ("--json",)):
        said = Stage.run_as_given(*words, *json_too)
        assert (said.status in {0, 1}, said.error) == (True, None), said
        assert said.out
        expect_plain(said.out)
        expect_plain(said.err)
        if json_too:
            assert said.json is not None


def test_a_pipe_gets_no_colours_though_the_terminal_has_them(stage: Stage, tmp_path: Path) -> None:
    with start(tmp_path, "status", *place_of(stage)) as process:
        out, err = process.communicate(timeout=100)
    assert (process.returncode, err) == (0, "")
    expect_plain(out)


def test_json_spells_out_what_json_itself_allows() -> None:
    for text in (HOSTILE, "\x7f\x80", "\U000e0041", "면적", "é"):
        line = json_line({text: text})
        assert line.isprintable()
        assert json.loads(line) == {text: text}


def test_a_reader_that_closes_early_ends_the_command_quietly(stage: Stage, tmp_path: Path) -> None:
    add_predictions(stage, MANY_RECORDS)
    with start(tmp_path, "predictions", *place_of(stage)) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(60) == 141
        assert process.stderr.read() == ""


@pytest.mark.parametrize("command", [("status", "--json"), ("groups",), ("--help",)], ids=" ".join)
def test_a_pipe_that_nobody_reads_is_no_traceback(stage: Stage, tmp_path: Path, command: Sequence[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    place = () if command == ("--help",) else place_of(stage)
    with start(tmp_path, *command, *place, stdout=writing) as process:
        os.close(writing)
        assert process.stderr is not None
        assert process.wait(60) == 141
        assert process.stderr.read() == ""


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with (
        Path("/dev/full").open("wb") as full,
        start(tmp_path, "groups", "--help", stdout=full.fileno()) as process,
    ):
        _, said = process.communicate(timeout=100)
    assert process.returncode == 2
    assert said.startswith("streamgauge: what this writes has no room")
    assert said.count("\n") == 1


def test_output_that_the_caller_closed_is_no_traceback(tmp_path: Path) -> None:
    for close, status in (("--version >&-", 0), ("stauts 2>&-", 2), ("--version <&-", 0)):
        said = subprocess.run(
            ["/bin/sh", "-c", f'exec "$0" -m streamgauge {close}', sys.executable],
            cwd=tmp_path,
            env=command_environment(),
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert (said.returncode, said.stderr) == (status, ""), close


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_ends_a_command_quietly(
    stage: Stage, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    with start(tmp_path, "status", "--watch", *place_of(stage)) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert "UTC" in process.stdout.readline()
        process.send_signal(number)
        assert process.wait(60) == status
        assert process.stderr.read() == ""


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("stauts",), "did you mean 'status'?"),
        (("groups", "retier", "x"), "did you mean 'retire'"),
        (("status", "--jsno"), "--json"),
        (("fit",), "'CSV'"),
        (("runs", "--count", "many"), "'--count'"),
        (("status", "redis://:secret@h/0"), "unexpected"),
    ],
)
def test_a_mistyped_command_is_one_sentence_that_names_the_nearest(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: Sequence[str], word: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["streamgauge", *arguments])
    status, out, err = main_in_this_process(capsys)
    assert (status, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith("streamgauge: ")
    assert word in line
    assert "--help" in line
    assert "secret" not in line


def test_a_sign_that_the_encoding_lacks_is_spelt_out(stage: Stage, tmp_path: Path) -> None:
    stage.rejected("_id", "größe面積", "Area", "1")
    said = subprocess.run(
        [sys.executable, "-m", "streamgauge", "status", *place_of(stage)],
        cwd=tmp_path,
        env={**command_environment(), "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        timeout=100,
        check=True,
    )
    assert said.stdout.isascii()


def test_promote_rollback_and_retrain_answer_in_json(stage: Stage, run: Run, fitted_small: str) -> None:
    promoted = json.loads(run("promote", fitted_small, "--json").stdout)
    assert promoted["run_id"] == fitted_small
    assert promoted["epoch"] >= 1
    stage.promote(run_id="ba9876543210")
    again = json.loads(run("rollback", *place_of(stage), "--json").stdout)
    assert (again["run_id"], again["previous"], again["epoch"]) == (RUN, "ba9876543210", 3)
    event = json.loads(run("retrain", *place_of(stage), "--json").stdout)["event"]
    assert stage.connection.call("XRANGE", stage.keys.retrain, event, event)


def test_secrets_answer_in_json(run: Run, tmp_path: Path) -> None:
    made = json.loads(run("secrets", "made", "--json").stdout)
    assert sorted(made["files"]) == sorted(path.name for path in (tmp_path / "made").iterdir())


def add_predictions(stage: Stage, count: int) -> None:
    """Results as a scorer writes them, in one block, under ids that write from the right."""
    model = stage.registry.model(RUN).model
    names = [f"{row}\u202e" for row in range(count)]  # control characters are refused in an id
    record = Entry(b"5-1", encode_block(np.ones((count, model.schema.width)), model.schema, names))
    batch = RecordDecoder(model.schema, 1 << 24).decode([record])
    encoder = PredictionEncoder(model.schema.features, model.intercept, RUN, 0)
    for _, fields in encoder.encode(score_batch(model, batch)):
        stage.connection.call("XADD", stage.partitions[0].predictions, "*", *fields, "ts", "1")

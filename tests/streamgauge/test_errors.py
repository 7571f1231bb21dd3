"""Whatever a user can cause is one sentence on standard error, and status 2."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from core.connection import Connection
from core.keys import PipelineKeys
from core.pipeline_config import agree
from core.settings import Settings

Run = Callable[..., subprocess.CompletedProcess[str]]

FILES = {
    "empty.csv": "",
    "header.csv": "size,weight,good\n",
    "one_class.csv": "size,good\n1,yes\n2,yes\n3,yes\n",
    "three_classes.csv": "size,good\n1,yes\n2,no\n3,perhaps\n",
    "text.csv": "size,good\n" + "1,yes\n2,no\n" * 9 + "big,no\n",
    "ragged.csv": "size,good\n1,yes\n2,no,7\n",
    "not_json.jsonl": '{"size": 1}\n{"size": \n',
}


def assert_one_sentence(answer: subprocess.CompletedProcess[str], *words: str) -> None:
    assert answer.returncode == 2, (answer.stdout, answer.stderr)
    assert "Traceback" not in answer.stderr
    assert len(answer.stderr.strip().splitlines()) == 1, answer.stderr
    for word in words:
        assert word in answer.stderr


@pytest.fixture(autouse=True)
def files(tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)


@pytest.mark.parametrize(
    ("name", "label", "word"),
    [
        ("missing.csv", "good", "missing.csv"),
        (".", "good", "directory"),
        ("empty.csv", "good", "empty"),
        ("header.csv", "good", "header.csv"),
        ("header.csv", "colour", "'good'"),
        ("one_class.csv", "good", "'yes'"),
        ("three_classes.csv", "good", "3"),
        ("text.csv", "good", "'big'"),
        ("ragged.csv", "good", "3"),
    ],
)
def test_fit_says_what_is_wrong_with_a_file(run: Run, name: str, label: str, word: str) -> None:
    assert_one_sentence(run("fit", name, "--label", label), word)


@pytest.mark.parametrize(
    "command",
    [
        ("status",),
        ("predictions",),
        ("retrain",),
        ("doctor",),
        ("redrive",),
        ("groups",),
        ("groups", "retire", "audit"),
        ("partitions",),
        ("produce", "text.csv"),
        ("labels", "text.csv", "--id", "size", "--label", "good"),
    ],
)
def test_a_command_without_a_server_says_how_to_start_one(run: Run, command: tuple[str, ...]) -> None:
    assert_one_sentence(run(*command), "streamgauge up")


@pytest.mark.parametrize(
    "command", [("status",), ("predictions",), ("retrain",), ("doctor",), ("produce", "text.csv"), ("up",)]
)
def test_a_server_that_does_not_answer_is_named(run: Run, command: tuple[str, ...]) -> None:
    assert_one_sentence(run(*command, "--redis-url", "redis://:secret@127.0.0.1:1/0"), "127.0.0.1:1")


def test_a_password_never_shows_in_a_message(run: Run) -> None:
    answer = run("status", "--redis-url", "redis://:secret@127.0.0.1:1/0")
    assert "secret" not in answer.stdout + answer.stderr


def test_a_url_that_is_none_is_one_sentence(run: Run) -> None:
    assert_one_sentence(run("status", "--redis-url", "nonsense"), "nonsense")


def test_a_pipeline_name_with_a_brace_is_refused(run: Run) -> None:
    assert_one_sentence(run("runs", "--pipeline", "a{b"), "a{b")


def test_an_unknown_key_in_the_settings_file_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "streamgauge.toml").write_text("window_recods = 5\n")
    assert_one_sentence(run("runs"), "window_recods", "window_records")


@pytest.mark.parametrize("file", ["not_json.jsonl", "empty.csv", "ragged.csv", "missing.csv"])
def test_produce_says_what_is_wrong_with_a_file(run: Run, server_url: str, pipeline: str, file: str) -> None:
    assert_one_sentence(run("produce", file, "--redis-url", server_url, "--pipeline", pipeline), file)


def test_produce_in_blocks_without_a_model_says_so(run: Run, server_url: str, pipeline: str) -> None:
    answer = run("produce", "text.csv", "--block", "8", "--redis-url", server_url, "--pipeline", pipeline)
    assert_one_sentence(answer, pipeline)


@pytest.mark.usefixtures("fitted_small")
def test_a_model_file_cut_short_cannot_be_promoted(run: Run, tmp_path: Path) -> None:
    (model,) = tmp_path.glob("miniflow/experiments/default/runs/*/artifacts/model/model.npz")
    run_id = model.parents[2].name
    (tmp_path / "miniflow" / "registry.json").unlink()
    model.write_bytes(model.read_bytes()[:-100])
    assert_one_sentence(run("promote", run_id), "SHA-256")


@pytest.mark.parametrize("run_id", ["nonsense", "../../../etc", "0123456789ab"])
def test_an_unknown_run_cannot_be_promoted(run: Run, run_id: str) -> None:
    assert_one_sentence(run("promote", run_id), run_id)


def test_rollback_without_any_run_says_so(run: Run) -> None:
    assert_one_sentence(run("rollback"), "streamgauge fit")


@pytest.mark.usefixtures("fitted_small")
def test_rollback_without_a_previous_run_says_so(run: Run) -> None:
    assert_one_sentence(run("rollback"), "first")


@pytest.mark.parametrize(
    ("option", "value"), [("--drift", "1"), ("--drift", "0"), ("--drift", "nan"), ("--records", "0")]
)
def test_the_demo_refuses_what_makes_no_story(run: Run, option: str, value: str) -> None:
    assert_one_sentence(run("demo", option, value), option)


def test_the_demo_refuses_a_file_of_other_columns(run: Run, tmp_path: Path) -> None:
    rows = "".join(f"{index},{index % 3},{'Besni' if index % 2 else 'Kecimen'}\n" for index in range(40))
    (tmp_path / "other.csv").write_text("size,weight,Class\n" + rows)
    assert_one_sentence(run("demo", "--data", "other.csv"), "'size'")


def test_looking_at_a_pipeline_that_never_started_changes_nothing(
    run: Run, server_url: str, connection: Connection, pipeline: str
) -> None:
    assert_one_sentence(run("status", "--redis-url", server_url, "--pipeline", pipeline), pipeline)
    assert connection.call("KEYS", f"*{pipeline}*") == []


def test_a_stray_entry_in_rejected_does_not_spoil_the_status(
    run: Run, server_url: str, connection: Connection, pipeline: str
) -> None:
    keys = PipelineKeys(pipeline)
    agree(connection, Settings(pipeline=pipeline))
    connection.call("XADD", keys.partition(0).rejected, "*", "note", "hello")
    answer = run("status", "--redis-url", server_url, "--pipeline", pipeline, "--json")
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["newest_rejections"] == []


def test_settings_of_the_environment_do_not_reach_the_demo(run: Run, tmp_path: Path) -> None:
    (tmp_path / "streamgauge.toml").write_text("partitions = 3\nwindow_records = 7\nwindow_min_records = 7\n")
    answer = run("demo", "--records", "900", "--no-page")
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_a_candidate_that_is_refused_ends_the_demo_with_its_reason(run: Run) -> None:
    answer = run("demo", "--drift", "1.1", "--seed", "5")  # subtle: this candidate is no better
    assert answer.returncode == 2, answer.stdout
    assert "production is unchanged" in answer.stderr

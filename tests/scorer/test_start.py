"""Starting ``python -m scorer``: with a MiniFlow directory alone, and with settings that do not fit."""

from __future__ import annotations

import json
import signal
import socket
from pathlib import Path

import pytest

from core.file_registry import FileRegistry
from core.miniflow import MODEL_ARTIFACT, MiniFlow
from core.model_file import ModelFile
from tests.scorer.conftest import MakeModelFile, StartScorer
from tests.scorer.scorer_process import get

BODY = b'{"Area": 1, "MajorAxisLength": 2, "Eccentricity": 3}'


def _promote(root: Path, model_file: ModelFile, epoch: int) -> str:
    """Log a run with a model and promote it; its id."""
    run = MiniFlow(root, "default").start_run("test")
    run.write_artifact(MODEL_ARTIFACT, model_file.encoded)
    run.finish("promoted")
    FileRegistry(root, "default").promote(run.run_id, model_file, epoch, "test")
    return run.run_id


def test_without_redis_it_serves_from_the_miniflow_directory_and_picks_up_a_later_promotion(
    start_scorer: StartScorer, tmp_path: Path, model_file: ModelFile, make_model_file: MakeModelFile
) -> None:
    scorer = start_scorer("--miniflow", str(tmp_path / "runs"), folder=tmp_path)
    scorer.wait_for("listening")
    assert get(scorer.url + "/readyz")[0] == 503
    assert get(scorer.url + "/predict", BODY)[0] == 503
    assert get(scorer.url + "/healthz")[0] == 200
    first = _promote(tmp_path / "runs", model_file, 0)
    scorer.ready()
    assert json.loads(get(scorer.url + "/predict", BODY)[1])["model"] == first
    second = _promote(tmp_path / "runs", make_model_file(seed=8), 1)
    while scorer.logged("model in use")["model"] != second:
        pass
    answer = json.loads(get(scorer.url + "/predict", BODY)[1])
    assert (answer["model"], answer["bias"]) == (second, 8.3125)
    (tmp_path / "runs" / "registry.json").write_text("{")
    assert "damaged" in scorer.logged("waiting")["error"]
    assert json.loads(get(scorer.url + "/predict", BODY)[1])["model"] == second
    assert scorer.end() == 0
    assert all(json.loads(line)["level"] for line in scorer.log)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--no-such-option", "1"), "--no-such-option"),
        (("--http-port",), "--http-port"),
        (("--http-port", "many"), "'http_port'"),
        (("--http-port", "70000"), "http_port is 70000"),
        (("--http-host", "no.such.host.invalid"), "cannot listen on no.such.host.invalid"),
        (("--redis-url", "localhost:6379"), "redis_url"),
        (("--redis-url", ""), "redis_url"),
        (("--redis-url", "redis://localhost:port/0"), "redis_url"),
        (("--redis-url", "redis://localhost:6379/0?no_such=1"), "redis_url"),
        (("--redis-url", "redis://[::1/0"), "redis_url"),
        (("--pipeline", "{a}"), "pipeline '{a}'"),
        (("--log-level", "loud"), "log_level is 'loud'"),
        (("stray",), "stray"),
    ],
)
def test_options_that_do_not_fit_end_it_with_2_and_one_sentence(
    start_scorer: StartScorer, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    scorer = start_scorer(*options, folder=tmp_path)
    assert scorer.end(signal.SIGCONT) == 2
    (line,) = scorer.log
    assert line.startswith("streamgauge: ")
    assert said in line


def test_an_unknown_setting_in_the_environment_is_named(start_scorer: StartScorer, tmp_path: Path) -> None:
    scorer = start_scorer(folder=tmp_path, environment={"STREAMGAUGE_REDIS_ULR": "redis://localhost"})
    assert scorer.end(signal.SIGCONT) == 2
    assert "'redis_ulr' in the environment; did you mean 'redis_url'?" in scorer.log[0]


def test_a_port_that_is_taken_ends_it_with_2_and_one_sentence(start_scorer: StartScorer, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        scorer = start_scorer("--http-port", str(port), folder=tmp_path)
        assert scorer.end(signal.SIGCONT) == 2
    (line,) = scorer.log
    assert f"cannot listen on 127.0.0.1:{port} (Address already in use)" in line


def test_localhost_is_one_address(start_scorer: StartScorer, tmp_path: Path) -> None:
    scorer = start_scorer("--http-host", "localhost", folder=tmp_path)
    scorer.wait_for("listening")
    assert get(scorer.url + "/healthz")[0] == 200
    assert scorer.end() == 0

"""``streamgauge shadow``: a candidate beside production, from its first record to its promotion."""

from __future__ import annotations

import io
import json
import math
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from redis.exceptions import ConnectionError as LostConnection
from rich.console import Console

from core.connection import Connection
from core.entry import entries_of
from core.errors import SchemaError
from core.keys import MONITORS, SCORERS, PipelineKeys
from core.model import Floats
from core.prediction import PredictionBlock, decode_prediction
from core.redis_registry import RedisRegistry
from core.settings import Settings
from core.shadow_progress import ShadowProgress
from producer.client import Producer
from streamgauge.local_pipeline import LocalPipeline
from streamgauge.service_process import ServiceProcess
from streamgauge.shadow.local_shadow import LocalShadow
from streamgauge.shadow.report import ShadowReport, show_report
from tests.scorer.test_shadow import groups
from tests.streamgauge.conftest import Run, command_environment
from trainer.evaluation import evaluate
from trainer.shadow import ShadowComparison
from trainer.table import Labels

ROWS, WINDOW = 800, 100
#: How long a step may take on a busy machine.
PATIENCE_S = 90.0


def draw(rows: int, seed: int) -> tuple[Floats, Labels]:
    """Rows (n, 2) whose class hangs on the sum of both features."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(rows, 2))
    y = (generator.random(rows) < 1 / (1 + np.exp(-3 * x.sum(axis=1)))).astype(np.uint8)
    return x, y


def write_csv(path: Path, x: Floats, y: Labels) -> Path:
    rows = [f"{a!r},{b!r},{'yes' if label else 'no'}" for (a, b), label in zip(x.tolist(), y, strict=True)]
    path.write_text("a,b,good\n" + "\n".join(rows) + "\n")
    return path


class Shadow:
    """``streamgauge shadow RUN --json``, whose lines can be waited for."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "streamgauge", "shadow", *arguments, "--json"],
            cwd=folder,
            env=command_environment(),
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C reaches the command and its scorer, and not the test
        )
        self._overdue = threading.Timer(PATIENCE_S, self._process.kill)
        self._overdue.start()

    def lines(self) -> Iterator[dict[str, Any]]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            yield json.loads(line)

    def interrupt(self) -> tuple[int, list[dict[str, Any]]]:
        """Ctrl-C; the exit status, and what it said after it."""
        os.killpg(self._process.pid, signal.SIGINT)
        said = list(self.lines())
        status = self._process.wait(PATIENCE_S)
        self.close()
        return status, said

    def close(self) -> None:
        self._overdue.cancel()
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def published(connection: Connection, stream: str, run_id: str) -> tuple[list[bytes], Floats]:
    """Record ids and probabilities of a stream of results, all of one model."""
    ids: list[bytes] = []
    found = []
    for entry in entries_of(connection.call("XRANGE", stream, "-", "+")):
        prediction = decode_prediction(entry)
        assert isinstance(prediction, PredictionBlock)
        assert prediction.model == run_id
        ids += prediction.ids or ()
        found.append(prediction.probability)
    return ids, np.concatenate(found)


@pytest.fixture
def place(server_url: str, pipeline: str, tmp_path: Path) -> tuple[str, ...]:
    """Where the commands look."""
    return ("--redis-url", server_url, "--pipeline", pipeline, "--miniflow", str(tmp_path / "miniflow"))


def fit_both(run: Run, folder: Path, place: tuple[str, ...]) -> tuple[str, str]:
    """A model in production that is far too unsure of itself, and a better one that too few rows judged."""
    (folder / "streamgauge.toml").write_text('inverse_l2 = 0.001\ncalibrate = "none"\n')
    reports = []
    for name, rows in (("many", 400), ("few", 90)):
        x, y = draw(rows, rows)
        done = run("fit", write_csv(folder / f"{name}.csv", x, y), "--label", "good", "--json", *place)
        reports.append(json.loads(done.stdout))
        (folder / "streamgauge.toml").unlink(missing_ok=True)
    assert [report["promoted"] for report in reports] == [True, False]
    return reports[0]["run_id"], reports[1]["run_id"]


def check_figures(
    connection: Connection, stream: str, run_id: str, outcomes: dict[bytes, int], told: dict[str, Any]
) -> None:
    """What was told of a model is what its published results come to, each record once and in order."""
    found, probability = published(connection, stream, run_id)
    assert found == list(outcomes)
    figures = evaluate(np.array(list(outcomes.values()), np.uint8), probability, told["threshold"])
    assert msgspec.to_builtins(figures) == told


def test_a_shadow_is_compared_by_what_was_published_and_promoted_by_the_rule(
    run: Run, server_url: str, keys: PipelineKeys, connection: Connection, tmp_path: Path, place: tuple[str, ...]
) -> None:
    production, candidate = fit_both(run, tmp_path, place)
    options = {"pipeline": keys.pipeline, "miniflow": str(tmp_path / "miniflow"), "window_records": WINDOW}
    x, y = draw(ROWS, 3)
    outcomes = {f"r{number}".encode(): int(label) for number, label in enumerate(y)}
    partition = keys.partition(0)
    with LocalPipeline(server_url, tmp_path, options=options, first_http_port=0, shielded=True).start():
        shadow = Shadow(tmp_path, candidate[:6], *place)
        try:
            lines = shadow.lines()
            assert next(lines)["progress"]["running"]
            with Producer(server_url, keys.pipeline) as producer:
                names = [record_id.decode() for record_id in outcomes]
                producer.send_rows(x, ids=names, labels=y.astype(np.float64))
                producer.flush()
            for line in lines:
                if line["comparison"]["labelled_rows"] == ROWS and line["progress"]["waiting_entries"] == 0:
                    break
            status, last = shadow.interrupt()
        finally:
            shadow.close()
        assert (status, len(last)) == (0, 1)
        assert groups(connection, partition.records) == {SCORERS, MONITORS}

        report = json.loads(run("shadow", candidate, "--compare", "--json", *place).stdout)
        compared = report["comparison"]
        assert compared["labelled_rows"] == compared["rows_seen"] == ROWS
        assert report["progress"]["missed_entries"] == 0
        results = partition.shadow(candidate).predictions
        check_figures(connection, results, candidate, outcomes, compared["candidate_figures"])
        check_figures(connection, partition.predictions, production, outcomes, compared["production_figures"])
        assert "would be promoted, by test 4" in run("shadow", candidate, "--compare", *place).stdout

        assert json.loads(run("shadow", candidate, "--promote", "--json", *place).stdout)["promoted"]
        now = RedisRegistry(connection, keys).production()
        assert now is not None
        assert (now.run_id, now.previous) == (candidate, production)

        ended = json.loads(run("shadow", candidate, "--end", "--json", *place).stdout)
        assert ended == {"run_id": candidate, "shadow": "ended"}
        assert connection.call("EXISTS", results) == connection.call("EXISTS", keys.shadows) == 0
        assert "there is no shadow" in run("shadow", candidate, "--end", *place).stderr


def test_up_refuses_to_make_every_scorer_a_shadow(run: Run, tmp_path: Path) -> None:
    (tmp_path / "streamgauge.toml").write_text('shadow = "0123456789ab"\n')
    refused = run("up")
    assert refused.returncode == 2
    assert "so none would be production's" in refused.stderr
    (tmp_path / "streamgauge.toml").write_text('shadow = "production"\n')
    assert "give the 12 hex digits of a run" in run("up").stderr


def test_what_cannot_be_shadowed_is_said_in_a_sentence(run: Run, tmp_path: Path, place: tuple[str, ...]) -> None:
    x, y = draw(120, 1)
    first = json.loads(run("fit", write_csv(tmp_path / "a.csv", x, y), "--label", "good", "--json", *place).stdout)
    nothing = run("shadow", first["run_id"], *place)
    assert "nothing has started in pipeline" in nothing.stderr
    assert run("partitions", "create", "--partitions", "1", *place[:4]).returncode == 0
    for arguments, sentence in (
        ((first["run_id"],), "is in production itself"),
        (("abcdefabcdef", "--compare"), "is no shadow in pipeline"),
        (("production", "--begin", "--end"), "are one choice"),
    ):
        refused = run("shadow", *arguments, *place)
        assert refused.returncode == 2
        assert sentence in refused.stderr
        assert refused.stderr.count("\n") == 1


class _Alive(ServiceProcess):
    """A scorer that runs."""

    def running(self) -> bool:
        return True


def test_who_follows_a_shadow_waits_for_a_server_that_is_away_and_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamgauge.shadow.local_shadow.LOOK_EVERY_S", 0)
    local = LocalShadow(Settings(redis_url="redis://127.0.0.1:1"), "c" * 12, tmp_path)
    local._process = _Alive("scorer", {}, local.log_path)
    report = some_report()
    away, other = LostConnection("reset by peer"), SchemaError("production is of another schema")
    looks: list[ShadowReport | Exception | None] = [report, away, away, other, report, report, None]
    shown: list[ShadowReport] = []
    said: list[str] = []

    def look() -> ShadowReport | None:
        found = looks.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    local.follow(look, shown.append, said.append)
    assert looks == []
    assert shown == [report, report]
    assert said == ["Redis does not answer (reset by peer); the shadow goes on when it does", str(other)]


def some_report(promoted: bool | None = None, verdict: str = "") -> ShadowReport:
    """Of sixty labelled rows, before the first test; one figure is not a number."""
    x, y = draw(60, 1)
    figures = msgspec.structs.replace(evaluate(y, np.full(60, 0.4), 0.5), log_loss=math.nan)
    comparison = ShadowComparison(
        run_id="c" * 12,
        production="a" * 12,
        production_epoch=1,
        since_ms=0,
        rows_seen=len(x),
        labelled_rows=60,
        counted_rows=60,
        candidate_figures=figures,
        production_figures=figures,
        look=0,
        next_look_rows=100,
        decision=None,
        verdict="There are too few.",
    )
    return ShadowReport(comparison, ShadowProgress(True, 60, 0, 0, 0), promoted, verdict)


def test_a_report_fits_a_terminal_and_says_each_thing_once() -> None:
    out = io.StringIO()
    report = some_report(promoted=False, verdict="There are too few.")
    show_report(Console(file=out, width=80), report)
    said = out.getvalue()
    assert f"shadow {'c' * 12}" in said
    assert f"production {'a' * 12}" in said
    assert "calibration error" in said
    assert "\u2026" not in said
    assert said.count("There are too few.") == 1

"""What the real MLflow reads in a store that was exported into, twice, beside an experiment of its own.

MLflow is in no environment of ours: ``MLFLOW_PYTHON`` names a python that has it; ``make test-mlflow`` makes one.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from streamgauge.mlflow_export.export import ExportReport, export_runs
from tests.streamgauge.mlflow_export.logged_runs import ODD_VALUE, LoggedRuns, logged_runs

_READER = Path(__file__).with_name("mlflow_reader.py")


@dataclass(frozen=True)
class Told:
    """An export, and what MLflow said of the store behind it."""

    logged: LoggedRuns
    first: ExportReport
    after_first: dict[str, Any]
    second: ExportReport
    after_second: dict[str, Any]


@pytest.fixture(scope="module")
def mlflow() -> str:
    python = os.environ.get("MLFLOW_PYTHON")
    if not python:
        message = (
            "no MLflow: set MLFLOW_PYTHON to a python that has mlflow or mlflow-skinny; make test-mlflow does"
        )
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return python


def said_by(python: str, *arguments: str | Path) -> dict[str, Any]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [python, "-P", _READER, *arguments],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


@pytest.fixture(scope="module")
def told(mlflow: str, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """MLflow begins a store; export; a person changes two runs there, a run ends here; export again."""
    directory = tmp_path_factory.mktemp("export")
    logged, store = logged_runs(directory / "miniflow"), directory / "mlruns"
    foreign = said_by(mlflow, "begin", store)
    assert set(foreign) == {"Default", "foreign"}
    first = export_runs(logged.miniflow, logged.registry.production(), store)
    after_first = said_by(mlflow, "change", store, logged.trained.run_id, logged.failed.run_id)
    assert after_first["foreign"] == foreign["foreign"]
    logged.odd.log_metrics(4, {"loss": 0.3})
    logged.odd.finish("refused", "Not better.")
    logged.failed.finish("failed", "Said anew.")
    second = export_runs(logged.miniflow, None, store)
    after_second = said_by(mlflow, "read", store)
    assert after_second["foreign"] == foreign["foreign"]
    return Told(logged, first, after_first, second, after_second)


def test_mlflow_reads_what_was_logged(told: Told) -> None:
    run = told.logged.trained
    meta, read = run.meta, told.after_first["grain"]["runs"][run.run_id]
    assert (read["status"], read["start_time"], read["end_time"]) == (
        "FINISHED",
        meta.started_ts_ms,
        meta.finished_ts_ms,
    )
    assert read["params"] == {name: str(value) for name, value in run.params.items()}
    assert read["metrics"] == run.summary().metrics
    assert read["artifacts"] == {name: run.read_artifact(name).hex() for name in meta.artifacts}
    assert "predictions.csv" in read["artifacts"]
    logged = [(line.step, line.metrics["train_loss"]) for line in run.metrics() if "train_loss" in line.metrics]
    assert [(step, value) for _, step, value in read["history"]["train_loss"]] == logged
    assert meta.data is not None
    ((name, digest, schema, tags),) = read["datasets"]
    assert (name, digest, tags) == ("grain.csv", meta.data.sha256[:16], {"mlflow.data.context": "training"})
    assert [column["name"] for column in json.loads(schema)["mlflow_colspec"]] == ["size", "weight"]


def test_mlflow_reads_where_the_run_came_from(told: Told) -> None:
    meta = told.logged.trained.meta
    tags = told.after_first["grain"]["runs"][meta.run_id]["tags"]
    assert meta.environment is not None
    assert meta.data is not None
    expected = {
        "streamgauge.pipeline": "grain",
        "streamgauge.outcome": "promoted",
        "streamgauge.role": "production",
        "streamgauge.code_sha256": meta.environment.code_sha256,
        "streamgauge.numpy": meta.environment.numpy,
        "streamgauge.train_rows_sha256": meta.data.sha256,
        "streamgauge.csv_sha256": "0" * 64,
    }
    assert {name: tags[name] for name in expected} == expected
    assert tags.get("mlflow.source.git.commit") == meta.environment.commit


def test_mlflow_reads_odd_names_and_values(told: Told) -> None:
    read = told.after_first["grain"]["runs"][told.logged.odd.run_id]
    assert (read["status"], read["end_time"], read["datasets"]) == ("RUNNING", None, [])
    assert sorted(read["params"].values()) == sorted([ODD_VALUE, "None", "0.1", "True", "x"])
    assert read["metrics"]["loss"] == 0.4  # the last line of its step, not the largest
    assert [value for _, _, value in read["history"]["loss"]] == [0.7, "nan", 0.9, 0.4]
    assert read["artifacts"] == {"notes/one.txt": ODD_VALUE.encode().hex()}
    assert told.after_first["grain"]["runs"][told.logged.failed.run_id]["status"] == "FAILED"


def test_an_export_again_follows_what_ended_here(told: Told) -> None:
    assert (told.first.made, told.first.updated, told.first.unchanged) == (3, 0, 0)
    assert (told.second.made, told.second.updated, told.second.deleted_there) == (
        0,
        2,
        (told.logged.failed.run_id,),
    )
    read = told.after_second["grain"]["runs"][told.logged.odd.run_id]
    assert (read["status"], read["metrics"]["loss"]) == ("FINISHED", 0.3)
    assert read["tags"]["mlflow.note.content"] == "Not better."
    assert "streamgauge.role" not in told.after_second["grain"]["runs"][told.logged.trained.run_id]["tags"]


def test_an_export_again_leaves_what_a_person_changed_there(told: Told) -> None:
    runs = told.after_second["grain"]["runs"]
    kept = runs[told.logged.trained.run_id]
    assert kept["name"] == kept["tags"]["mlflow.runName"] == "the good one"
    assert (kept["tags"]["mlflow.note.content"], kept["tags"]["team"]) == ("Mine.", "grain")
    assert runs[told.logged.failed.run_id]["lifecycle_stage"] == "deleted"
    assert runs[told.logged.failed.run_id]["tags"]["streamgauge.detail"] == "Training failed: too bad."

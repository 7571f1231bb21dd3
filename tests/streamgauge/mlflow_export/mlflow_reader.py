"""What MLflow makes of a file store, as JSON; run by the python of MLflow's own environment.

``begin ROOT`` makes a store with an experiment of MLflow's own; ``read ROOT`` tells all that is in it;
``change ROOT RUN OTHER`` does what a person does in the UI: renames, describes and tags a run, deletes another.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

# Newer versions of MLflow ask for this before they open a file store.
os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
warnings.simplefilter("error")  # what MLflow cannot read is a warning to it
warnings.filterwarnings("ignore", category=FutureWarning)  # that its file store is not developed further
warnings.filterwarnings("ignore", category=DeprecationWarning)  # in what MLflow itself imports

from mlflow import MlflowClient  # noqa: E402  (after the warnings are set)
from mlflow.artifacts import download_artifacts  # noqa: E402  (as above)
from mlflow.entities import Run, ViewType  # noqa: E402  (as above)


def read(root: Path) -> dict[str, object]:
    """Every experiment that is not deleted, by name, with its runs by id, deleted ones too."""
    client = client_of(root)
    return {
        found.name: {
            "experiment_id": found.experiment_id,
            "runs": {
                run.info.run_id: shown_run(client, run, root)
                for run in client.search_runs([found.experiment_id], run_view_type=ViewType.ALL)
            },
        }
        for found in client.search_experiments()
    }


def begin(root: Path) -> dict[str, object]:
    """An experiment that is not ours."""
    client = client_of(root)
    run = client.create_run(client.create_experiment("foreign"))
    client.log_metric(run.info.run_id, "loss", 0.5)
    client.set_terminated(run.info.run_id)
    return read(root)


def change(root: Path, run_id: str, deleted_id: str) -> dict[str, object]:
    """As a person in the UI."""
    client = client_of(root)
    client.update_run(run_id, name="the good one")
    client.set_tag(run_id, "mlflow.note.content", "Mine.")
    client.set_tag(run_id, "team", "grain")
    client.delete_run(deleted_id)
    return read(root)


def client_of(root: Path) -> MlflowClient:
    """A client of a file store."""
    return MlflowClient(tracking_uri=root.resolve().as_uri())


def shown_run(client: MlflowClient, run: Run, root: Path) -> dict[str, object]:
    """What MLflow says of a run."""
    info = run.info
    inputs = run.inputs.dataset_inputs if run.inputs else []
    return {
        "name": info.run_name,
        "status": info.status,
        "lifecycle_stage": info.lifecycle_stage,
        "start_time": info.start_time,
        "end_time": info.end_time,
        "params": run.data.params,
        "metrics": {name: text_of_nan(value) for name, value in run.data.metrics.items()},
        "tags": run.data.tags,
        "history": {
            name: [
                [point.timestamp, point.step, text_of_nan(point.value)]
                for point in client.get_metric_history(info.run_id, name)
            ]
            for name in run.data.metrics
        },
        "datasets": [
            [
                used.dataset.name,
                used.dataset.digest,
                used.dataset.schema,
                {tag.key: tag.value for tag in used.tags},
            ]
            for used in inputs
        ],
        "artifacts": {path: artifact(client, info.run_id, path, root) for path in paths(client, info.run_id, "")},
    }


def text_of_nan(value: float) -> float | str:
    """JSON has no word for it."""
    return value if value == value else "nan"  # noqa: PLR0124  (nan alone is not itself)


def paths(client: MlflowClient, run_id: str, folder: str) -> list[str]:
    """Of every artifact below ``folder``."""
    found: list[str] = []
    for each in client.list_artifacts(run_id, folder):
        found += paths(client, run_id, each.path) if each.is_dir else [each.path]
    return found


def artifact(client: MlflowClient, run_id: str, path: str, root: Path) -> str:
    """Its bytes in hexadecimal digits."""
    uri = f"{client.get_run(run_id).info.artifact_uri}/{path}"
    return Path(download_artifacts(artifact_uri=uri, tracking_uri=root.resolve().as_uri())).read_bytes().hex()


if __name__ == "__main__":
    does: dict[str, Callable[..., dict[str, object]]] = {"begin": begin, "read": read, "change": change}
    print(json.dumps(does[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])))

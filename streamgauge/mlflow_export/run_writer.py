"""One run of ours as a run of MLflow's file store."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from core.errors import ModelFileError, UnknownRun
from core.miniflow import MetricLine, MiniFlow, Parameter, Run, RunMeta
from core.schema import Schema
from streamgauge.mlflow_export.store import META, Experiment, put, put_text, read_meta
from streamgauge.mlflow_export.yaml_text import Value, document, quoted, scalar_text

#: ``mlflow.entities.RunStatus`` and ``SourceType``, as the store keeps them.
_RUNNING, _FINISHED, _FAILED = 1, 3, 4
_LOCAL = 4
#: MLflow refuses longer ones.
_MOST_PARAM_SIGNS, _MOST_TAG_SIGNS, _MOST_DATASET_SIGNS = 6000, 5000, 500
#: A file name has at most 255 bytes.
_MOST_NAME_BYTES = 200
_UNSAFE = re.compile(r"[^\w.\- ]")
#: Tags that are ours alone: one that a run has no more is taken away.
_OUR_TAGS = "streamgauge."
#: What MLflow shows as the run's description; a person may rewrite it there.
_NOTE, _DETAIL = "mlflow.note.content", "streamgauge.detail"
#: MLflow keeps 36 signs of a data set's digest.
_DIGEST_SIGNS = 16


@dataclass(frozen=True)
class WrittenRun:
    """What became of one run."""

    made: bool = False  #: it was not in the store
    changed: bool = False  #: a file of it was written
    deleted_there: bool = False  #: somebody deleted it in MLflow, so nothing was written
    missing_artifacts: tuple[str, ...] = ()  #: named in the run's meta data, and not there


def write_run(miniflow: MiniFlow, run: Run, role: str, experiment: Experiment) -> WrittenRun:
    """Bring the store's copy of a run up to date; ``meta.yaml`` comes last, so that no half of a run is shown.

    What people changed in MLflow stays: the run's name, its description, tags of their own, its deletion.

    Raises
    ------
    UnknownRun
        The run is not whole.
    OSError
        A file cannot be written.
    """
    target = experiment.directory / run.run_id
    before = read_meta(target)
    if scalar_text(before.get("lifecycle_stage", "")) == "deleted":
        return WrittenRun(deleted_there=True)
    meta, params = run.meta, run.params
    for folder in ("artifacts", "metrics", "params", "tags"):
        (target / folder).mkdir(parents=True, exist_ok=True)
    changed = [
        *_put_all(
            target / "params", {name: str(value)[:_MOST_PARAM_SIGNS] for name, value in params.items()}, target
        ),
        *_put_all(target / "metrics", metric_files(run.metrics()), target),
        *_put_tags(target, _tags(meta, role), meta.detail),
    ]
    missing = []
    for name in meta.artifacts:
        try:
            changed.append(put(target / "artifacts" / name, run.read_artifact(name), target))
        except UnknownRun:
            missing.append(name)
    if meta.data is not None:
        changed += _put_data(experiment, target, meta, params, _schema(miniflow, run.run_id))
    changed.append(put_text(target / META, _meta_yaml(meta, experiment, target, before), target))
    return WrittenRun(not before, any(changed), missing_artifacts=tuple(missing))


def metric_files(lines: Iterable[MetricLine]) -> dict[str, str]:
    """``timestamp value step`` a line, by metric.

    Of two lines of one step and time MLflow takes the larger value for the last one, here it is the later line. So
    a later line of the same step is given a later time, by a millisecond.
    """
    files: dict[str, list[str]] = {}
    last: dict[tuple[str, int], int] = {}
    for line in lines:
        for name, value in line.metrics.items():
            ts_ms = max(line.ts_ms, last.get((name, line.step), -1) + 1)
            last[name, line.step] = ts_ms
            files.setdefault(name, []).append(f"{ts_ms} {'nan' if value is None else repr(value)} {line.step}\n")
    return {name: "".join(written) for name, written in files.items()}


def entity_name(name: str) -> str:
    """A metric, parameter or tag name that MLflow accepts and that is one file name.

    >>> entity_name("solver_c"), entity_name("a/b")
    ('solver_c', 'a_b-c14cdd')
    """
    plain = _UNSAFE.sub("_", name)
    if plain == name and not name.startswith(".") and 0 < len(name.encode()) <= _MOST_NAME_BYTES:
        return name
    told_apart = f"-{hashlib.sha256(name.encode()).hexdigest()[:6]}"
    cut = plain.lstrip(".").encode()[: _MOST_NAME_BYTES - len(told_apart)].decode(errors="ignore")
    return f"{cut}{told_apart}"


def _put_all(folder: Path, values: Mapping[str, str], scratch: Path) -> list[bool]:
    return [put_text(folder / entity_name(name), text, scratch) for name, text in values.items()]


def _put_tags(target: Path, tags: Mapping[str, str], detail: str) -> list[bool]:
    """Ours as they are now; what a person may have rewritten only where nobody has."""
    folder = target / "tags"
    note = _read(folder / _NOTE)
    ours = note is None or note == _read(folder / _DETAIL)
    written = dict(tags) | ({_NOTE: detail[:_MOST_TAG_SIGNS]} if ours else {})
    if (folder / "mlflow.runName").exists():
        del written["mlflow.runName"]
    changed = _put_all(folder, written, target)
    for path in folder.glob(f"{_OUR_TAGS}*"):
        if path.name not in written:
            path.unlink(missing_ok=True)
            changed.append(True)
    return changed


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        return None


def _tags(meta: RunMeta, role: str) -> dict[str, str]:
    environment, data = meta.environment, meta.data
    found: dict[str, Parameter] = {
        "pipeline": meta.experiment,
        "reason": meta.reason,
        "outcome": meta.outcome or "unfinished",
        "detail": meta.detail,
        "role": role or None,
    }
    if environment is not None:
        found |= msgspec.to_builtins(environment) | {"streamgauge": None, "version": environment.streamgauge}
    if data is not None:
        found |= {"train_rows_sha256": data.sha256, "csv_sha256": data.csv_sha256}
    tags = {
        f"{_OUR_TAGS}{name}": str(value)[:_MOST_TAG_SIGNS] for name, value in found.items() if value is not None
    }
    tags |= {
        "mlflow.runName": _run_name(meta),
        "mlflow.source.name": "streamgauge",
        "mlflow.source.type": "LOCAL",
        "mlflow.user": "streamgauge",
    }
    if environment is not None and environment.commit is not None:
        tags["mlflow.source.git.commit"] = environment.commit
    return tags


def _run_name(meta: RunMeta) -> str:
    return f"{meta.reason[:40]} {meta.run_id}"


def _meta_yaml(meta: RunMeta, experiment: Experiment, target: Path, before: Mapping[str, str]) -> str:
    status = _RUNNING if meta.outcome is None else _FAILED if meta.outcome == "failed" else _FINISHED
    values: dict[str, Value] = {
        "artifact_uri": (target / "artifacts").resolve().as_uri(),
        "end_time": meta.finished_ts_ms,
        "entry_point_name": "",
        "experiment_id": experiment.experiment_id,
        "lifecycle_stage": "active",
        "run_id": meta.run_id,
        "run_name": _run_name(meta),
        "run_uuid": meta.run_id,
        "source_name": "",
        "source_type": _LOCAL,
        "source_version": "",
        "start_time": meta.started_ts_ms,
        "status": status,
        "user_id": "streamgauge",
    }
    text = document(values) + "tags: []\n"
    named = before.get("run_name")
    return (
        text if named is None else text.replace(f"run_name: {quoted(_run_name(meta))}\n", f"run_name: {named}\n")
    )


def _schema(miniflow: MiniFlow, run_id: str) -> Schema | None:
    try:
        return miniflow.model(run_id).model.schema
    except (UnknownRun, ModelFileError):
        return None


def _put_data(
    experiment: Experiment, target: Path, meta: RunMeta, params: Mapping[str, Parameter], schema: Schema | None
) -> list[bool]:
    """The rows that it was trained on as a data set of the experiment, and as an input of the run."""
    if meta.data is None:
        return []
    name, digest = str(params.get("csv") or "stream")[:_MOST_DATASET_SIGNS], meta.data.sha256[:_DIGEST_SIGNS]
    data_id = _md5(name, digest)
    features = () if schema is None else schema.features
    specification = [{"type": "double", "name": each, "required": True} for each in features]
    dataset: dict[str, Value] = {
        "digest": digest,
        "name": name,
        "profile": _json({"num_rows": meta.data.rows}),
        "schema": None if schema is None else _json({"mlflow_colspec": specification}),
        "source": _json({"uri": name, "sha256": meta.data.csv_sha256}),
        "source_type": "local",
    }
    vertex: dict[str, Value] = {
        "destination_id": meta.run_id,
        "destination_type": "RUN",
        "source_id": data_id,
        "source_type": "DATASET",
        "tags": {"mlflow.data.context": "training"},
    }
    return [
        put_text(experiment.directory / "datasets" / data_id / META, document(dataset), experiment.directory),
        put_text(target / "inputs" / _md5(data_id, meta.run_id) / META, document(vertex), target),
    ]


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _md5(first: str, second: str) -> str:
    """MLflow's own way to name these directories."""
    return hashlib.md5((first + second).encode(), usedforsecurity=False).hexdigest()

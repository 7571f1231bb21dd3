"""All runs of a pipeline into a store."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from core.errors import UnknownRun, UsageError
from core.miniflow import MiniFlow, RunSummary
from core.registry import Production
from streamgauge.mlflow_export.run_writer import WrittenRun, write_run
from streamgauge.mlflow_export.store import MlflowStore, explained
from trainer.run_selection import listed_run


class ExportReport(msgspec.Struct, frozen=True):
    """``streamgauge export-mlflow``."""

    directory: str
    experiment: str  #: its name in MLflow
    experiment_id: str
    runs: int  #: of the pipeline
    made: int  #: that were not in the store
    updated: int  #: of which a file was written again
    unchanged: int
    deleted_there: tuple[str, ...]  #: runs that somebody deleted in MLflow; they stay deleted
    damaged: tuple[str, ...]  #: runs that are not whole here, so they were left as they were there
    missing_artifacts: tuple[str, ...]  #: run/name, where the run's meta data names what is not there


def export_runs(
    miniflow: MiniFlow,
    production: Production | None,
    directory: Path,
    experiment: str | None = None,
    follow: Callable[[list[RunSummary]], Iterable[RunSummary]] = iter,
) -> ExportReport:
    """Write every run of ``miniflow`` below ``directory``; what stands there already is brought up to date.

    Parameters
    ----------
    experiment
        Its name in MLflow; None: the pipeline's.
    follow
        Goes through the runs, as to show how far the export is.

    Raises
    ------
    UsageError
        A directory that holds something else or cannot be written, or a name that cannot be used there.
    """
    _check_apart(miniflow.root, directory)
    summaries = miniflow.runs()[::-1]
    began = summaries[0].meta.started_ts_ms if summaries else miniflow.clock()
    target = MlflowStore(directory).experiment(miniflow.experiment if experiment is None else experiment, began)
    written: dict[str, WrittenRun] = {}
    damaged = []
    for summary in follow(summaries):
        try:
            with explained(directory):
                run = miniflow.run(summary.run_id)
                written[summary.run_id] = write_run(miniflow, run, _role(summary, production), target)
        except UnknownRun:
            damaged.append(summary.run_id)
    made = sum(each.made for each in written.values())
    updated = sum(each.changed and not each.made for each in written.values())
    deleted = tuple(run_id for run_id, each in written.items() if each.deleted_there)
    return ExportReport(
        str(directory),
        target.name,
        target.experiment_id,
        len(summaries),
        made,
        updated,
        len(written) - made - updated - len(deleted),
        deleted,
        tuple(damaged),
        tuple(f"{run_id}/{name}" for run_id, each in written.items() for name in each.missing_artifacts),
    )


def _role(summary: RunSummary, production: Production | None) -> str:
    return listed_run(summary, production).role


def _check_apart(root: Path, directory: Path) -> None:
    """An export into the runs themselves would mix two stores."""
    ours, theirs = root.resolve(), directory.resolve()
    if theirs == ours or ours in theirs.parents:
        raise UsageError(f"{directory} is in the MiniFlow directory {root}; name one outside of it")

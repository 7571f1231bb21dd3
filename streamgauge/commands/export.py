"""The command that writes runs for MLflow."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track

from core.miniflow import RunSummary
from streamgauge.mlflow_export.export import ExportReport, export_runs
from streamgauge.options import AsJson, MiniFlowDirectory, Pipeline, RedisUrl, registry_settings
from streamgauge.terminal_text import counted, json_line, plain_console, printable
from trainer.registries import open_registries

#: Of what is amiss, so many are named; ``--json`` has all.
_MOST_NAMED = 10


def export_mlflow(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="An MLflow file store; begun where it is new or empty.")
    ],
    experiment: Annotated[
        str | None, typer.Option(metavar="NAME", help="Experiment in MLflow (default: the pipeline's name).")
    ] = None,
    redis_url: RedisUrl = None,
    pipeline: Pipeline = None,
    miniflow: MiniFlowDirectory = None,
    as_json: AsJson = False,
) -> None:
    """Write all runs into a directory that MLflow's UI opens; again, to bring it up to date.

    Example: streamgauge export-mlflow mlruns
    """
    aside = plain_console(aside=True)

    def follow(summaries: list[RunSummary]) -> Iterable[RunSummary]:
        return track(summaries, "writing runs", console=aside, transient=True, disable=not aside.is_terminal)

    with open_registries(registry_settings(redis_url, pipeline, miniflow)) as books:
        report = export_runs(books.miniflow, books.registry.production(), directory, experiment, follow)
    if as_json:
        typer.echo(json_line(report))
        return
    _tell(report)


def _tell(report: ExportReport) -> None:
    console = plain_console()
    console.print(
        f"{counted(report.runs, 'run')} of experiment {printable(report.experiment)} ({report.experiment_id}) in "
        f"{report.directory}: {report.made:,} new, {report.updated:,} updated, {report.unchanged:,} as they were"
    )
    for names, what in (
        (report.deleted_there, "deleted in MLflow, left so"),
        (report.damaged, "not whole here, left as they were there"),
        (report.missing_artifacts, "artifacts that are named and not there"),
    ):
        if names:
            more = f" and {len(names) - _MOST_NAMED:,} more" if len(names) > _MOST_NAMED else ""
            console.print(f"{what}: {', '.join(map(printable, names[:_MOST_NAMED]))}{more}")
    store = shlex.quote(report.directory)
    console.print(f"open it: MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri {store}")

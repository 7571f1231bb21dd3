"""Commands about models: fit, runs, promote, rollback, retrain."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table as Grid

from core.miniflow import RunSummary
from core.registry import Production
from core.settings import Settings, load_settings
from streamgauge.drift.expectation import brief_expectation
from streamgauge.drift.reference import training_rows
from streamgauge.options import AsJson, CsvFile, MiniFlowDirectory, Pipeline, RedisUrl, server_settings
from streamgauge.workspace import find_running
from trainer import commands
from trainer.fit import FittedModel
from trainer.table import Table

NewSchema = Annotated[
    bool, typer.Option("--new-schema", help="Accept a model with other features than production.")
]


def fit(
    csv: CsvFile,
    label: Annotated[str, typer.Option(help="Column with the class.")],
    positive: Annotated[
        str | None, typer.Option(help="Value that is class 1 (default: the second by alphabet).")
    ] = None,
    solver: Annotated[str | None, typer.Option(help="newton or gradient_descent.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the split and the profile.")] = None,
    new_schema: NewSchema = False,
    unordered: Annotated[
        bool, typer.Option("--unordered", help="The order of the rows means nothing: do not test it for drift.")
    ] = False,
    redis_url: RedisUrl = None,
    pipeline: Pipeline = None,
    miniflow: MiniFlowDirectory = None,
    as_json: AsJson = False,
) -> None:
    """Train on a CSV file, log the run, promote it if it is better. Needs no Redis.

    Example: streamgauge fit raisin.csv --label Class --positive Besni
    """
    settings = _settings(redis_url, pipeline, miniflow, solver=solver, seed=seed)
    said: list[str] = []

    def expect(table: Table, fitted: FittedModel) -> None:
        rows = training_rows(table, settings.seed, ordered=not unordered)
        said.append(brief_expectation(fitted.file, rows.of(fitted.file), settings))

    report = commands.fit_table(
        csv,
        label,
        positive,
        settings,
        new_schema=new_schema,
        ordered=not unordered,
        on_fitted=None if as_json else expect,
    )
    if as_json:
        typer.echo(msgspec.json.encode(report).decode())
        return
    console = Console(highlight=False, soft_wrap=True)
    console.print(report.class_note, markup=False)
    grid = Grid("rows", "log-loss", "accuracy", "AUC", title=f"run {report.run_id}", title_justify="left")
    for name, figures in (("train", report.train), ("validation", report.validation)):
        grid.add_row(
            f"{name} {figures.rows}", f"{figures.log_loss:.4f}", f"{figures.accuracy:.4f}", f"{figures.auc:.4f}"
        )
    console.print(grid)
    for sentence in said:
        console.print(sentence, markup=False)
    for warning in report.warnings:
        console.print(f"warning: {warning}", style="yellow", markup=False)
    console.print(f"{'promoted' if report.promoted else 'not promoted'}: {report.verdict}", markup=False)


def runs(
    redis_url: RedisUrl = None,
    pipeline: Pipeline = None,
    miniflow: MiniFlowDirectory = None,
    as_json: AsJson = False,
) -> None:
    """List the training runs, the newest first.

    Example: streamgauge runs --json
    """
    listing = commands.list_runs(_settings(redis_url, pipeline, miniflow))
    listed = [_shown(run, listing.production) for run in listing.runs]
    if as_json:
        typer.echo(msgspec.json.encode(listed).decode())
        return
    grid = Grid("run", "", "UTC", "reason", "outcome", "log-loss", "accuracy", box=None, pad_edge=False)
    for column in grid.columns:
        column.no_wrap = True
    for run in listed:
        started = datetime.fromtimestamp(run.started_ts_ms / 1000, tz=UTC).strftime("%m-%d %H:%M")
        figures = (_figure(run.metrics.get(name)) for name in ("validation_loss", "validation_accuracy"))
        grid.add_row(run.run_id, run.role, started, run.reason, run.outcome or "unfinished", *figures)
    Console().print(grid if listed else "no runs yet; train one with streamgauge fit")


def promote(
    run: Annotated[str, typer.Argument(help="Run id, as streamgauge runs lists it.")],
    new_schema: NewSchema = False,
    redis_url: RedisUrl = None,
    pipeline: Pipeline = None,
    miniflow: MiniFlowDirectory = None,
) -> None:
    """Put a run into production, whatever its figures.

    Example: streamgauge promote 0123456789ab
    """
    production = commands.promote_run(run, _settings(redis_url, pipeline, miniflow), new_schema=new_schema)
    typer.echo(f"run {production.run_id} is in production, epoch {production.epoch}")


def rollback(redis_url: RedisUrl = None, pipeline: Pipeline = None, miniflow: MiniFlowDirectory = None) -> None:
    """Put the previous run back into production.

    Example: streamgauge rollback
    """
    production = commands.rollback(_settings(redis_url, pipeline, miniflow))
    typer.echo(f"run {production.run_id} is in production again, epoch {production.epoch}")


def retrain(redis_url: RedisUrl = None, pipeline: Pipeline = None) -> None:
    """Ask the trainer for a new model by hand.

    Example: streamgauge retrain
    """
    event = commands.request_retrain(server_settings(redis_url, pipeline))
    typer.echo(f"retrain event {event} is written; streamgauge runs shows what comes of it")


def _settings(redis_url: str | None, pipeline: str | None, miniflow: str | None, **options: object) -> Settings:
    """Settings with the server that ``up`` runs where none is set; without any, the MiniFlow directory alone."""
    settings = load_settings({"redis_url": redis_url, "pipeline": pipeline, "miniflow": miniflow, **options})
    running = find_running()
    if settings.redis_url is None and running is not None and running.pipeline == settings.pipeline:
        return msgspec.structs.replace(settings, redis_url=running.redis_url)
    return settings


class _ShownRun(msgspec.Struct, frozen=True):
    """A run as ``--json`` prints it."""

    run_id: str
    started_ts_ms: int
    reason: str
    outcome: str | None
    detail: str
    role: str  #: production, previous or empty
    metrics: dict[str, float | None]


def _shown(run: RunSummary, production: Production | None) -> _ShownRun:
    role = ""
    if production is not None:
        role = {production.run_id: "production", production.previous: "previous"}.get(run.run_id, "")
    meta = run.meta
    return _ShownRun(
        meta.run_id, meta.started_ts_ms, meta.reason, meta.outcome, meta.detail, role, dict(run.metrics)
    )


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"

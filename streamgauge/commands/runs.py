"""The command that lists training runs."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
import typer
from rich.table import Table as Grid

from core.data_fingerprint import DataFingerprint
from core.errors import SettingsError
from core.miniflow import Parameter
from core.run_environment import RunEnvironment
from streamgauge.options import AsJson, MiniFlowDirectory, Pipeline, RedisUrl, registry_settings
from streamgauge.terminal_text import json_line, plain_console, printable
from trainer.commands import list_runs
from trainer.run_selection import Condition, ListedRun, Selection, check_names, listed_run

#: What is always shown of a run, with the title of its column.
_COLUMNS = {"validation_loss": "log-loss", "validation_accuracy": "accuracy", "threshold": "threshold"}
#: Already in the columns that are no figures.
_SHOWN_ANYWAY = {"started", "run_id", "role", "reason", "outcome"}
_AGO = re.compile(r"(\d{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def runs(
    sort: Annotated[
        str, typer.Option(metavar="NAME", help="Order by a metric (best first), a parameter, or started.")
    ] = "started",
    reverse: Annotated[bool, typer.Option("--reverse", help="The other way round.")] = False,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="CONDITION", help="Only runs such as 'validation_auc>=.9'; may be repeated."),
    ] = None,
    outcome: Annotated[
        str | None, typer.Option(help="Only runs that ended so: promoted, refused, unfinished ...")
    ] = None,
    reason: Annotated[
        str | None, typer.Option(help="Only runs that were started for this: fit, feature_drift, manual ...")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only runs from then on: 90m, 12h, 7d, or 2026-11-20 (UTC).")
    ] = None,
    show: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A metric or parameter as a column more; may be repeated."),
    ] = None,
    count: Annotated[int | None, typer.Option(min=1, help="Only the first so many.")] = None,
    redis_url: RedisUrl = None,
    pipeline: Pipeline = None,
    miniflow: MiniFlowDirectory = None,
    as_json: AsJson = False,
) -> None:
    """List the training runs, the newest first.

    Example: streamgauge runs --sort validation_loss --where solver=newton
    """
    conditions = [Condition.of(text) for text in where or []]
    asked = (("outcome", outcome), ("reason", reason))
    conditions += [Condition(name, "=", value) for name, value in asked if value is not None]
    selection = Selection(conditions, _since_ts_ms(since), sort, reverse, count)
    listing = list_runs(registry_settings(redis_url, pipeline, miniflow))
    known = [listed_run(run, listing.production) for run in listing.runs]
    check_names(known, show or [])
    listed = selection.of(known)
    if as_json:
        typer.echo(json_line([_shown(run) for run in listed]))
        return
    console = plain_console()
    if listed:
        console.print(_grid(listed, sort, show or []))
    elif known:
        console.print(f"none of the {len(known)} runs is so")
    else:
        console.print("no runs yet; train one with streamgauge fit")


class _ShownRun(msgspec.Struct, frozen=True):
    """A run as ``--json`` prints it."""

    run_id: str
    started_ts_ms: int
    finished_ts_ms: int | None
    reason: str
    outcome: str | None
    detail: str
    role: str  #: production, previous or empty
    metrics: dict[str, float | None]
    params: dict[str, Parameter]
    data: DataFingerprint | None
    environment: RunEnvironment | None


def _shown(run: ListedRun) -> _ShownRun:
    meta = run.meta
    return _ShownRun(
        meta.run_id,
        meta.started_ts_ms,
        meta.finished_ts_ms,
        meta.reason,
        meta.outcome,
        meta.detail,
        run.role,
        run.metrics,
        run.params,
        meta.data,
        meta.environment,
    )


def _grid(listed: list[ListedRun], sort: str, show: list[str]) -> Grid:
    extra = [name for name in dict.fromkeys([sort, *show]) if name not in {*_COLUMNS, *_SHOWN_ANYWAY}]
    titles = ["run", "", "UTC", "reason", "outcome", *_COLUMNS.values(), *map(printable, extra)]
    grid = Grid(*titles, box=None, pad_edge=False)
    for column in grid.columns:
        column.no_wrap = True
    for run in listed:
        words = (
            run.run_id,
            run.role,
            utc(run.meta.started_ts_ms),
            run.meta.reason,
            run.meta.outcome or "unfinished",
        )
        figures = (_figure(run, name) for name in (*_COLUMNS, *extra))
        grid.add_row(*map(printable, words), *figures)
    return grid


def _figure(run: ListedRun, name: str) -> str:
    value = run.value(name)
    return utc(value) if name == "finished" and isinstance(value, int) else as_text(name, value)


def utc(ts_ms: int) -> str:
    """A time as tables show it."""
    try:
        return datetime.fromtimestamp(ts_ms / 1000, tz=UTC).strftime("%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):  # a damaged file, which must not hide the other runs
        return "?"


def as_text(name: str, value: Parameter) -> str:
    """A figure or a parameter as tables show it; metrics that count rows are float too."""
    if isinstance(value, float):
        if name.endswith("_rows") and value.is_integer():
            return f"{value:.0f}"
        return f"{value:.4f}" if 1e-3 <= abs(value) < 1e4 or not value else f"{value:.4g}"
    return "" if value is None else printable(str(value), 40)


def _since_ts_ms(text: str | None) -> int:
    """Milliseconds since 1970 of a time ago, or of a date or time in UTC."""
    if text is None:
        return 0
    ago = _AGO.fullmatch(text)
    try:
        if ago is not None:
            then = datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        else:
            then = datetime.fromisoformat(text)
            then = then if then.tzinfo else then.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise SettingsError(
            f"--since is {text[:40]!r}; give a time ago such as 90m, 12h or 7d, or a date such as 2026-11-20"
        ) from error
    return int(then.timestamp() * 1000)

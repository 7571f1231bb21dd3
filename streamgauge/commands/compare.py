"""The command that shows two runs side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer
from rich.table import Table as Grid

from core.miniflow import Parameter
from streamgauge.commands.runs import as_text, utc
from streamgauge.completion import run_names
from streamgauge.options import AsJson, MiniFlowDirectory, Pipeline, RedisUrl, registry_settings
from streamgauge.terminal_text import json_line, plain_console, printable
from trainer.run_comparison import Pair, RunComparison, compare_runs

RunName = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="Run id or its beginning; production; previous.",
        show_default=False,
        autocompletion=run_names,
    ),
]
#: Of a digest, as much as tells it from others at a glance.
_DIGEST_SHOWN = 12
#: With the names and the differences beside them, two such columns take 80 signs.
_VALUE_WIDTH = 19


def compare(
    first: RunName,
    second: RunName,
    all_: Annotated[bool, typer.Option("--all", help="Also what is the same in both.")] = False,
    redis_url: RedisUrl = None,
    pipeline: Pipeline = None,
    miniflow: MiniFlowDirectory = None,
    as_json: AsJson = False,
) -> None:
    """Show two runs side by side: parameters, data, code, metrics, operating point.

    Example: streamgauge compare previous production
    """
    found = compare_runs(registry_settings(redis_url, pipeline, miniflow), first, second)
    if as_json:
        typer.echo(json_line(found))
        return
    console = plain_console()
    console.print(_grid(found, everything=all_))
    left = (
        0 if all_ else sum(pair.same for pairs in (found.parameters, found.environment) for pair in pairs.values())
    )
    if left:
        console.print(f"({left} more are the same in both: --all)")
    console.print(found.verdict)


def _grid(found: RunComparison, *, everything: bool) -> Grid:
    runs = (found.first, found.second)
    grid = Grid("", *(run.run_id for run in runs), "second - first", box=None, pad_edge=False)
    for column in grid.columns[1:3]:
        column.max_width, column.overflow = _VALUE_WIDTH, "fold"
    grid.columns[3].justify = "right"
    grid.add_row("in the registry", *(run.role or "-" for run in runs))
    grid.add_row("started (UTC)", *(utc(run.meta.started_ts_ms) for run in runs))
    grid.add_row("reason", *(printable(run.meta.reason) for run in runs))
    grid.add_row("outcome", *(printable(run.meta.outcome or "unfinished") for run in runs))
    for title, pairs, always in (
        ("Parameters", found.parameters, False),
        ("Data", found.data, True),
        ("Code, machine", found.environment, False),
        ("Metrics", found.metrics, True),
        ("Operating point", found.operating_point, True),
    ):
        _add(grid, title, pairs, everything=everything or always)
    return grid


def _add(grid: Grid, title: str, pairs: Mapping[str, Pair], *, everything: bool) -> None:
    shown = {name: pair for name, pair in pairs.items() if everything or not pair.same}
    grid.add_row()
    grid.add_row(title if shown else f"{title} (same)" if pairs else f"{title} (none)")
    for name, pair in shown.items():
        change = "" if pair.difference is None else "=" if pair.same else f"{pair.difference:+.4g}"
        if pair.difference is None and everything and pair.same and pair.first is not None:
            change = "="
        grid.add_row(f"  {printable(name)}", _cell(name, pair.first), _cell(name, pair.second), change)


def _cell(name: str, value: Parameter) -> str:
    if value is None:
        return "-"
    if name in {"commit", "sha256"} or name.endswith("_sha256"):
        return printable(str(value), _DIGEST_SHOWN).removesuffix("...")
    return as_text(name, value)

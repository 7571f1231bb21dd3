"""The command that scores a candidate beside production, and compares and promotes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from core.connection import Connection
from core.errors import SettingsError
from core.keys import PartitionKeys
from core.settings import Settings
from core.shadow_progress import shadow_progress
from streamgauge.completion import run_ids
from streamgauge.options import AsJson, MiniFlowDirectory, Pipeline, RedisUrl, server_settings
from streamgauge.shadow.end import end_shadow
from streamgauge.shadow.local_shadow import LocalShadow
from streamgauge.shadow.report import ShadowReport, progress_line, show_report
from streamgauge.started import started_config
from streamgauge.terminal_text import json_line
from streamgauge.workspace import FOLDER
from trainer.registries import Registries, open_registries
from trainer.shadow import ShadowJudge, begin_shadow


def shadow(
    run: Annotated[
        str,
        typer.Argument(help="Run id or its beginning, as streamgauge runs lists it.", autocompletion=run_ids),
    ],
    begin: Annotated[
        bool, typer.Option("--begin", help="Only begin it, for python -m scorer --shadow that runs elsewhere.")
    ] = False,
    compare: Annotated[bool, typer.Option("--compare", help="Only compare it with production, now.")] = False,
    promote: Annotated[bool, typer.Option("--promote", help="Promote it, if the rule says so.")] = False,
    end: Annotated[bool, typer.Option("--end", help="Remove it with all its results.")] = False,
    redis_url: RedisUrl = None,
    pipeline: Pipeline = None,
    miniflow: MiniFlowDirectory = None,
    as_json: AsJson = False,
) -> None:
    """Score live records with a run beside production until Ctrl-C, and compare the two as labels come.

    Its results are kept apart; docs/shadow.md has the rest.

    Example: streamgauge shadow 0123456789ab
    """
    if sum((begin, compare, promote, end)) > 1:
        raise SettingsError("--begin, --compare, --promote and --end are one choice; give one of them, or none")
    settings = server_settings(redis_url, pipeline, miniflow=miniflow)
    console = Console(highlight=False, soft_wrap=True)
    with _opened(settings) as (books, connection, partitions):
        if end:
            run_id = books.named(run)
            end_shadow(connection, settings.keys, partitions, run_id)
            _tell(run_id, "ended", f"shadow {run_id} is gone, with its results", as_json)
            return
        if compare or promote:
            run_id = books.named(run)
            _show(console, _looked(books, settings, connection, partitions, run_id, promote=promote), as_json)
            return
        run_id = begin_shadow(books, run)
        if begin:
            said = f"run {run_id} is a shadow; its scorers are python -m scorer --shadow {run_id}"
            _tell(run_id, "begun", said, as_json)
            return
        _follow(console, books, settings, connection, partitions, run_id, as_json=as_json)


@contextmanager
def _opened(settings: Settings) -> Iterator[tuple[Registries, Connection, tuple[PartitionKeys, ...]]]:
    """The registries, a connection, and the partitions of the pipeline, which must have started."""
    with open_registries(settings) as books, Connection(settings.redis_url or "") as connection:
        yield books, connection, started_config(connection, settings).partitions


def _looked(
    books: Registries,
    settings: Settings,
    connection: Connection,
    partitions: tuple[PartitionKeys, ...],
    run_id: str,
    *,
    promote: bool,
) -> ShadowReport:
    judge = ShadowJudge(books, settings, run_id)
    progress = shadow_progress(connection, partitions, run_id)
    if not promote:
        return ShadowReport(judge.compare(), progress)
    compared, settled = judge.promote()
    if settled is None:
        return ShadowReport(compared, progress, promoted=False, verdict=compared.verdict)
    return ShadowReport(compared, progress, settled.promoted, settled.verdict)


def _follow(
    console: Console,
    books: Registries,
    settings: Settings,
    connection: Connection,
    partitions: tuple[PartitionKeys, ...],
    run_id: str,
    *,
    as_json: bool,
) -> None:
    judge = ShadowJudge(books, settings, run_id)

    def look() -> ShadowReport | None:
        now = books.registry.production()
        if now is not None and now.run_id == run_id:
            return None
        return ShadowReport(judge.compare(), shadow_progress(connection, partitions, run_id))

    with LocalShadow(settings, run_id, FOLDER) as local:
        if not as_json:
            console.print(f"run {run_id} shadows production; log {local.log_path}; Ctrl-C stops it", markup=False)
        try:
            if as_json or not console.is_terminal:
                local.follow(
                    look,
                    lambda report: typer.echo(json_line(report) if as_json else progress_line(report)),
                    lambda sentence: typer.echo(sentence, err=as_json),
                )
            else:
                with console.status("") as status:
                    local.follow(
                        look,
                        lambda report: status.update(Text(progress_line(report))),
                        lambda sentence: status.update(Text(sentence)),
                    )
        except KeyboardInterrupt:
            pass
    last = look()
    if last is not None:
        _show(console, last, as_json)
    else:
        typer.echo(f"run {run_id} is in production now, so its shadow ends", err=as_json)


def _tell(run_id: str, shadow: str, sentence: str, json: bool) -> None:
    typer.echo(json_line({"run_id": run_id, "shadow": shadow}) if json else sentence)


def _show(console: Console, report: ShadowReport, json: bool) -> None:
    if json:
        typer.echo(json_line(report))
    else:
        show_report(console, report)

"""Commands that look after a running pipeline: redrive, doctor."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from core.connection import Connection
from core.errors import SettingsError
from streamgauge.doctor.diagnosis import examine, show_diagnosis
from streamgauge.options import AsJson, Pipeline, RedisUrl, server_settings
from streamgauge.redrive import run
from streamgauge.redrive.correction import Corrections
from streamgauge.redrive.report import Listed, Report, show_export, show_list, show_report
from streamgauge.redrive.selection import Selection, read_named
from streamgauge.redrive.sender import Redrive
from streamgauge.started import started_config
from streamgauge.terminal_text import json_line, plain_console


def redrive(
    listing: Annotated[bool, typer.Option("--list", help="List the rejections and send nothing.")] = False,
    export: Annotated[
        str | None, typer.Option(metavar="FILE|-", help="Write them as JSON lines and send nothing.")
    ] = None,
    corrected: Annotated[
        str | None, typer.Option("--from", metavar="FILE|-", help="Send the lines of an export, corrected.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent and send nothing.")] = False,
    reason: Annotated[list[str] | None, typer.Option(help="Only this reason (may be repeated).")] = None,
    record_id: Annotated[
        list[str] | None, typer.Option("--id", help="Only the record with this id (may be repeated).")
    ] = None,
    partition: Annotated[int | None, typer.Option(help="Only this partition.")] = None,
    since: Annotated[str | None, typer.Option(help="Only from then on: 10m, 2h, 3d, or an ISO time.")] = None,
    until: Annotated[str | None, typer.Option(help="Only up to then.")] = None,
    count: Annotated[int | None, typer.Option(help="At most so many rejections, the oldest first.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Set a field of each record.")
    ] = None,
    rename: Annotated[list[str] | None, typer.Option(metavar="OLD=NEW", help="Rename a field.")] = None,
    drop: Annotated[list[str] | None, typer.Option(metavar="FIELD", help="Leave a field out.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Send also what production would reject again, and poison.")
    ] = False,
    redis_url: RedisUrl = None,
    pipeline: Pipeline = None,
    as_json: AsJson = False,
) -> None:
    """Send rejected records again, corrected, with their ids; what would be rejected again is left.

    Each is sent and taken out of the rejected stream in one step, so a second run sends nothing twice.

    Exit status 0: nothing was left; 1: something was, and the report says why; 2: an error.

    Example: streamgauge redrive --reason missing_feature --rename area=Area
    """
    if sum((listing, export is not None, corrected is not None)) > 1:
        raise SettingsError("--list, --export and --from exclude each other; choose one")
    if corrected is not None and any((reason, record_id, partition is not None, since, until, count)):
        raise SettingsError("--from names its rejections itself; leave the other choices out")
    corrections = Corrections.parse(drop or [], rename or [], set_ or [])
    settings = server_settings(redis_url, pipeline)
    with Connection(settings.redis_url or "") as connection:
        config = started_config(connection.require(), settings)
        selection = Selection.parse(reason, partition, since, until, record_id, connection.now_ms())
        found = run.chosen(connection, config, selection, count)
        if listing:
            _show_list(run.list_rejections(found), as_json)
            return
        lines = None if corrected is None else run.read_corrected(corrected, config)
        work = Redrive(
            connection, settings, config, corrections=corrections, force=force, dry_run=dry_run, lines=lines
        )
        if export is not None:
            _finish(run.export(work, found, export), as_json, exported=export)
        else:
            chosen = found if lines is None else read_named(connection, config.partitions, lines)
            _finish(run.send(work, chosen, Console(stderr=True)), as_json)


def doctor(redis_url: RedisUrl = None, pipeline: Pipeline = None, as_json: AsJson = False) -> None:
    """Look for what is wrong or soon will be, and say what to do; changes nothing.

    Exit status: 0 nothing to do, 1 something to do, 2 it could not look.

    Example: streamgauge doctor --pipeline prod
    """
    settings = server_settings(redis_url, pipeline)
    with Connection(settings.redis_url or "") as connection:
        diagnosis = examine(connection.require(), settings)
    if as_json:
        typer.echo(json_line(diagnosis))
    else:
        show_diagnosis(plain_console(), diagnosis)
    if not diagnosis.healthy:
        raise typer.Exit(1)


def _show_list(listed: list[Listed], as_json: bool) -> None:
    if as_json:
        typer.echo(json_line(listed))
    else:
        show_list(plain_console(), listed)


def _finish(report: Report, as_json: bool, exported: str | None = None) -> None:
    """Say what was done, beside an export to standard output; status 1 where something was left."""
    aside = exported == "-"
    if as_json:
        typer.echo(json_line(report), err=aside)
    elif exported is not None:
        show_export(plain_console(aside=aside), report, exported)
    else:
        show_report(plain_console(), report)
    if report.left_entries or report.stopped is not None:
        raise typer.Exit(1)

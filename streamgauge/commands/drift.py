"""The command that judges a file: drift."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from core.environment import ENVIRONMENT_PREFIX
from core.errors import SettingsError
from core.settings import Settings, load_settings
from streamgauge.completion import run_ids
from streamgauge.drift.expectation import expect
from streamgauge.drift.expectation_table import show_expectation
from streamgauge.drift.json_writer import JsonWriter
from streamgauge.drift.picture import checked_picture, draw
from streamgauge.drift.reference import FittedReference, Reference, fitted_reference, logged_reference
from streamgauge.drift.run import judge_file
from streamgauge.drift.table import WIDTH, Digest, show
from streamgauge.options import AsJson, MiniFlowDirectory, Pipeline
from streamgauge.terminal_text import json_line, plain_console, print_wrapped, printable

#: Exit status where there is an alarm: like that of diff, so that a script can tell it from an error.
ALARMED = 1


def drift(
    csv: Annotated[
        Path | None,
        typer.Argument(metavar="[CSV]", help="The file to judge; without it: what to expect of the reference."),
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(metavar="CSV", help="Rows that have not drifted (default: the model's own).")
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(
            help="Column of the reference with the class; without it predictions are not watched. In the judged "
            "file it holds labels."
        ),
    ] = None,
    positive: Annotated[str | None, typer.Option(help="Value that is class 1, as for fit.")] = None,
    run: Annotated[
        str | None,
        typer.Option(help="Judge by this logged run (default: the one in production).", autocompletion=run_ids),
    ] = None,
    budget: Annotated[
        int | None, typer.Option(help="One false alarm in so many records (false_alarm_records).")
    ] = None,
    window: Annotated[int | None, typer.Option(help="Records a window (window_records).")] = None,
    unordered: Annotated[
        bool, typer.Option("--unordered", help="The order of the reference's rows means nothing.")
    ] = False,
    seed: Annotated[int | None, typer.Option(help="Seed of the split and the calibration, as for fit.")] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw a picture too: a .png or .svg file.")
    ] = None,
    pipeline: Pipeline = None,
    miniflow: MiniFlowDirectory = None,
    as_json: AsJson = False,
) -> None:
    """Judge a CSV file as the stream would judge its rows. Needs no Redis.

    Exit status 0: no alarm; 1: at least one; 2: an error.

    Example: streamgauge drift new.csv --reference raisin.csv --label Class
    """
    settings = _settings(
        window, {"pipeline": pipeline, "miniflow": miniflow, "false_alarm_records": budget, "seed": seed}
    )
    _check_options(csv, reference, label, positive, run, report)
    aside = plain_console(aside=True, least_width=WIDTH)
    with aside.status("calibrating on the reference"):
        judged_by: Reference
        if reference is None:
            judged_by = logged_reference(settings, run)
        else:
            judged_by = fitted_reference(reference, label, positive, settings, ordered=not unordered)
    if csv is not None:
        _judge(csv, judged_by, settings, report, aside, as_json)
    elif isinstance(judged_by, FittedReference):
        _expect(judged_by, settings, aside, as_json)


def _settings(window: int | None, options: dict[str, str | int | None]) -> Settings:
    """The settings; what no option of this command sets is named as the environment has it."""
    try:
        return load_settings({"window_records": window, **options})
    except SettingsError as error:
        if window is None or "window_min_records" not in str(error):
            raise
        variable = f"{ENVIRONMENT_PREFIX}WINDOW_MIN_RECORDS"
        raise SettingsError(
            f"--window {window} is less than window_min_records, so no window would have a verdict; choose a "
            f"larger one, or set {variable}={window} in the environment"
        ) from error


def _check_options(
    csv: Path | None,
    reference: Path | None,
    label: str | None,
    positive: str | None,
    run: str | None,
    report: Path | None,
) -> None:
    """Refuse what does not go together before anything takes time."""
    if reference is not None and run is not None:
        raise SettingsError("--reference and --run exclude each other; give one")
    if reference is None and (label is not None or positive is not None):
        raise SettingsError("--label and --positive are about the file of --reference; give that too")
    if label is None and positive is not None:
        raise SettingsError("--positive is a value of the column of --label; give that too")
    if csv is None and reference is None:
        raise SettingsError(
            "nothing to judge; give a CSV file, or --reference CSV alone to see what to expect of it"
        )
    if csv is None and report is not None:
        raise SettingsError("--report draws the windows of a file; give the CSV file to judge")
    if report is not None:
        checked_picture(report)


def _judge(
    csv: Path, reference: Reference, settings: Settings, report: Path | None, aside: Console, as_json: bool
) -> None:
    digest = Digest()
    writer = JsonWriter(sys.stdout, csv, reference, settings) if as_json else None
    history = judge_file(csv, reference, settings, aside, digest.add if writer is None else writer.add)
    if writer is None:
        console = plain_console(least_width=WIDTH)
        print_wrapped(console, f"judged by {printable(reference.words)}")
        show(console, digest, history)
    else:
        writer.close(history)
    if report is not None:
        draw(report, history, title=f"{csv.name} judged by {reference.words}")
        aside.print(f"picture: {report}", style="dim")
    if history.alarms:
        raise typer.Exit(ALARMED)


def _expect(reference: FittedReference, settings: Settings, aside: Console, as_json: bool) -> None:
    with aside.status("measuring what to expect") as status:
        expectation = expect(reference, settings, status.update)
    if as_json:
        typer.echo(json_line(expectation))
    else:
        show_expectation(plain_console(least_width=WIDTH), reference, expectation)

"""All commands in one place."""

from __future__ import annotations

from typing import Annotated

import typer

from streamgauge import __version__
from streamgauge.commands import (
    compare,
    data,
    drift,
    export,
    groups,
    importing,
    models,
    partitions,
    repair,
    report,
    running,
    runs,
    secrets,
    shadow,
    threshold,
    validation,
)

app = typer.Typer(
    name="streamgauge",
    help="Streaming inference that gauges its own drift.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def common(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Streaming inference that gauges its own drift."""


for command in (
    running.demo,
    running.up,
    data.produce,
    data.labels,
    data.predictions,
    drift.drift,
    models.fit,
    validation.validate,
    runs.runs,
    compare.compare,
    export.export_mlflow,
    threshold.threshold,
    report.report,
    shadow.shadow,
    models.promote,
    models.rollback,
    models.retrain,
    running.status,
    repair.redrive,
    repair.doctor,
    secrets.secrets,
):
    app.command()(command)

app.command("import")(importing.import_model)
app.add_typer(groups.app, name="groups")
app.add_typer(partitions.app, name="partitions")

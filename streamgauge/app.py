"""All commands in one place."""

from __future__ import annotations

from collections.abc import Callable
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
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback(invoke_without_command=True)
def common(
    context: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Streaming inference that gauges its own drift.

    Example: streamgauge demo
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), nl=False)
        raise typer.Exit(2)


#: Commands as ``--help`` lists them, by what a person is about to do.
PANELS: dict[str, tuple[Callable[..., None], ...]] = {
    "Start": (running.demo, running.up),
    "Push and read": (data.produce, data.labels, data.predictions),
    "Look": (running.status, repair.doctor, drift.drift),
    "Train and choose": (
        models.fit,
        validation.validate,
        importing.import_model,
        runs.runs,
        compare.compare,
        report.report,
        export.export_mlflow,
        threshold.threshold,
        shadow.shadow,
        models.promote,
        models.rollback,
        models.retrain,
    ),
    "Look after": (repair.redrive, secrets.secrets),
}
#: Names that are no name of a function.
_NAMES: dict[Callable[..., None], str] = {importing.import_model: "import"}

for panel, commands in PANELS.items():
    for command in commands:
        app.command(_NAMES.get(command), rich_help_panel=panel)(command)

app.add_typer(groups.app, name="groups", rich_help_panel="Look after")
app.add_typer(partitions.app, name="partitions", rich_help_panel="Look after")

"""All commands in one place."""

from __future__ import annotations

import typer

from streamgauge.commands import data, models, running

app = typer.Typer(
    name="streamgauge",
    help="Streaming inference that gauges its own drift.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for command in (
    running.demo,
    running.up,
    data.produce,
    data.labels,
    data.predictions,
    models.fit,
    models.runs,
    models.promote,
    models.rollback,
    models.retrain,
    running.status,
):
    app.command()(command)

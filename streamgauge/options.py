"""Options that several commands share, and the settings that they make."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core.settings import Settings, load_settings
from streamgauge.workspace import with_server

RedisUrl = Annotated[
    str | None, typer.Option("--redis-url", help="The Redis server (default: the one that streamgauge up runs).")
]
Pipeline = Annotated[str | None, typer.Option("--pipeline", help="Name of the pipeline (default: default).")]
MiniFlowDirectory = Annotated[
    str | None, typer.Option("--miniflow", help="Directory of training runs (default: miniflow).")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
SourceFile = Annotated[
    str, typer.Argument(metavar="FILE|-", help="A CSV or JSON-lines file, or - for standard input.")
]
CsvFile = Annotated[Path, typer.Argument(metavar="CSV", help="A CSV file with a header line.")]


def server_settings(redis_url: str | None, pipeline: str | None, **options: object) -> Settings:
    """Settings of a command that needs a server. Raises ServerUnavailable where there is none."""
    return with_server(load_settings({"redis_url": redis_url, "pipeline": pipeline, **options}))

"""The command that makes a deployment's secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core.settings import load_settings
from streamgauge.commands.answer import answer
from streamgauge.options import AsJson, Pipeline
from streamgauge.secrets.folder import write_secrets


def secrets(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that is not there yet, or empty.")],
    pipeline: Pipeline = None,
    host: Annotated[str, typer.Option(help="Where services find the server: name or name:port.")] = "valkey",
    as_json: AsJson = False,
) -> None:
    """Make passwords, a token, URLs and the server's ACL file, for docker-compose.yml and Kubernetes.

    Example: streamgauge secrets secrets
    """
    names = write_secrets(folder, load_settings({"pipeline": pipeline}).pipeline, host)
    said = f"{len(names)} files are in {folder}, which its owner alone may enter: {', '.join(names)}"
    answer({"folder": str(folder), "files": names}, said, as_json=as_json)

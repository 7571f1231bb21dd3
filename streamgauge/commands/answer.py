"""How a command that did one thing says so."""

from __future__ import annotations

import typer

from streamgauge.terminal_text import json_line


def answer(found: object, sentence: str, *, as_json: bool) -> None:
    """Print a struct or dict as one line of JSON for scripts, else a sentence for people."""
    typer.echo(json_line(found) if as_json else sentence)

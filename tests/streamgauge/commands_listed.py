"""Every command and sub-command of the app, with its help."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

import typer

from streamgauge.app import app

EXAMPLE = "Example: "


@dataclass(frozen=True)
class Listed:
    """One command."""

    path: tuple[str, ...]  #: as it is typed, without ``streamgauge``
    command: Any  #: typer's own class, which has no public name

    @property
    def name(self) -> str:
        return " ".join(self.path)

    @property
    def paragraphs(self) -> list[str]:
        return [part for part in (self.command.help or "").split("\n\n") if part.strip()]

    @property
    def examples(self) -> list[str]:
        return [part.removeprefix(EXAMPLE) for part in self.paragraphs if part.startswith(EXAMPLE)]

    @property
    def option_names(self) -> set[str]:
        return {name for parameter in self.command.params for name in parameter.opts}


def all_commands() -> list[Listed]:
    """The app itself first."""
    return _below((), typer.main.get_command(app))


def parse(example: str) -> Listed:
    """The command of an example; its arguments are read as the app reads them, and nothing runs."""
    program, *arguments = shlex.split(example)
    assert program == "streamgauge"
    path: tuple[str, ...] = ()
    command: Any = typer.main.get_command(app)
    context = command.make_context(program, arguments)
    while getattr(command, "commands", None) and (rest := [*context._protected_args, *context.args]):
        name, *arguments = rest
        path = (*path, name)
        command = command.commands[name]
        context = command.make_context(name, arguments, parent=context)
    return Listed(path, command)


def _below(path: tuple[str, ...], command: Any) -> list[Listed]:
    found = [Listed(path, command)]
    for name, below in getattr(command, "commands", {}).items():
        found += _below((*path, name), below)
    return found

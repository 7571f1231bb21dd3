"""Whether a command of ours that a page shows is one, by the command line's own parser; nothing runs."""

from __future__ import annotations

import re
import shlex
from functools import cache
from typing import Any

import typer.main

from streamgauge.app import app

#: Words that end the command's own: what the shell takes.
_SHELL_WORDS = re.compile(r"^(\d*[<>]|[|;&]|\))")
#: Not kubectl's ``-n streamgauge``, which is a namespace.
_OURS = re.compile(r"(?<!-n )(?<![\w/.:-])streamgauge (?=[a-z-])")


def our_commands(text: str) -> list[list[str]]:
    """The words after each ``streamgauge`` of a shell command, also of one behind ``docker compose run``."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        for start in _OURS.finditer(line):
            words = shlex.split(line[start.end() :], comments=True)
            end = next((number for number, word in enumerate(words) if _SHELL_WORDS.match(word)), len(words))
            found.append(words[:end])
    return found


@cache
def _commands() -> Any:
    return typer.main.get_command(app)


def what_is_wrong(words: list[str], *, whole: bool = True) -> str:
    """What the parser has against a command, or nothing; not ``whole``: it may lack arguments."""
    command = _commands()
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    if hasattr(command, "commands") and (
        not command.invoke_without_command or (words and words[0][0] not in "-[")
    ):
        return f"there is no command {' '.join(words) or 'without a name'}"
    if not whole:
        known = {option for parameter in command.params for option in parameter.opts}
        options = [word.partition("=")[0] for word in words if word.startswith("--")]
        return next((f"no option {option}" for option in options if option not in {*known, "--help"}), "")
    try:
        command.make_context(command.name, words)
    except Exception as error:  # noqa: BLE001  (a parser's complaint, of whatever class typer has for it)
        return str(error) or type(error).__name__
    return ""

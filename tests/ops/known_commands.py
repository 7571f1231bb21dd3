"""Whether a command that a page shows exists: its name and its options, as the program's own help has them."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import typer.main

from streamgauge.app import app
from tests.ops.tools import CHECKOUT, run

#: Programs other than ours: which one knows, and what that calls itself.
_PROGRAMS = {
    "docker": ("docker-compose", "docker compose"),
    "kubectl": ("kubectl", "kubectl"),
    "amtool": ("amtool", "amtool"),
    "promtool": ("promtool", "promtool"),
}
#: Of the engine itself, whose program is not at hand: what pages use of it.
_ENGINE = {
    "build": {"-t"},
    "run": {"--read-only", "--rm", "--tmpfs", "--user", "-p", "-v"},
}


@cache
def _help_of(name: str, *words: str) -> str:
    done = run(name, *filter(None, words), "--help")
    return done.stdout + done.stderr if done.returncode == 0 else ""


def wrong_command(words: list[str]) -> str | None:
    """What of a command does not exist, if anything."""
    match words[0]:
        case "streamgauge":
            return _wrong_of_ours(words[1:])
        case "make":
            made = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
            return None if re.search(rf"^{re.escape(words[1])}:", made, re.MULTILINE) else words[1]
        case "docker" if words[1] != "compose":
            return next(
                (word for word in words[2:] if word[0] == "-" and word not in _ENGINE.get(words[1], ())), None
            )
        case name if name in _PROGRAMS:
            program, title = _PROGRAMS[name]
            return _wrong_of(program, title, words[len(title.split()) :])
        case name:
            return name


def _wrong_of_ours(words: list[str]) -> str | None:
    command: Any = typer.main.get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    if hasattr(command, "commands") and (not command.invoke_without_command or words):
        return " ".join(words) or "a command is missing"
    options = {option for parameter in command.params for option in parameter.opts}
    return next((word for word in words if word.startswith("-") and word not in options), None)


def _wrong_of(name: str, title: str, words: list[str]) -> str | None:
    """Its help knows the longest beginning of the words that is a command, and that one's options."""
    if words[:1] in (["-n"], ["--profile"]):
        words = words[2:]
    known, usage = "", ""
    for length in (1, 2, 3):
        path = words[:length]
        if len(path) < length or not all(re.fullmatch(r"[a-z-]+", word) for word in path):
            break
        text = _help_of(name, *path)
        line = re.search(rf"usage:\s+{title} {' '.join(path)}\b.*", text, re.IGNORECASE)
        if line is not None:
            known, usage = text, line.group()
    if not known or re.search(r"<command>|SUBCOMMAND", usage):
        return " ".join(words)
    options = [word.partition("=")[0] for word in words if word.startswith("--")]
    everywhere = known + _help_of(name, "options" if name == "kubectl" else "")
    return next((one for one in options if not re.search(rf"(?<![\w-]){one}(?![\w-])", everywhere)), None)

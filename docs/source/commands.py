"""docs/reference/commands.md, from the commands' own signatures, options and docstrings."""

from __future__ import annotations

import enum
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import PurePath
from types import NoneType
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

import typer
from typer.models import ArgumentInfo, OptionInfo

from core.setting_checks import CHOICES
from docs.source.markdown import code, codes, slug, table

PROGRAM = "streamgauge"
_KINDS = {str: "text", int: "whole number", float: "number", bool: ""}
_DEFAULT = re.compile(r"\s*\(default: (.+?)\)")
_EXAMPLE = re.compile(r"Examples?:\s*")

_HEAD = """\
# Commands

Every command of `streamgauge`, as `--help` has it. A synopsis shows what must be given; options may stand
anywhere behind the command. An option that has the name of a [setting](../settings.md) is that setting for one
command: left out, it is what the environment or `streamgauge.toml` says, else the default. The screens that
they print, `--json`, and completion for your shell: [terminal](../terminal.md).

| exit status | what |
| --- | --- |
| 0 | done |
| 1 | done, and there is something to act on: the command's own section says what |
| 2 | it could not be done; one sentence on standard error says why and what to do |
| 130, 143 | Ctrl-C or SIGTERM ended it; some commands [end in order](../terminal.md#in-scripts) instead |

"""
_SERVICES = """\
## The services

`python -m scorer`, `python -m monitor` and `python -m trainer` run one service each until SIGTERM or Ctrl-C,
and take [every setting](../settings.md) as an option: `python -m scorer --help` lists them. On standard
output they print one JSON line when they listen and one when they are ready; their log goes to standard
error. What they answer over HTTP: [HTTP](http.md).

Exit status 0: ended in order; 2: an option, a setting or the server's set-up is wrong, as one sentence on
standard error says.
"""


class Parameter(NamedTuple):
    """An option or an argument."""

    names: tuple[str, ...]
    value: str  #: what it takes: a kind, or its choices; empty for a flag
    default: str
    words: str
    argument: bool
    required: bool
    metavar: str  #: how a synopsis shows its value


class Command(NamedTuple):
    """A command, a group of commands, or a command of a group."""

    name: str  #: as it is typed
    callback: Callable[..., Any]
    parameters: tuple[Parameter, ...]
    panel: str  #: under which --help lists it
    paragraphs: tuple[str, ...]  #: of its help
    examples: tuple[str, ...]

    @property
    def synopsis(self) -> str:
        """What must be given, and the arguments that may be."""
        words = [self.name]
        for parameter in self.parameters:
            shown = f"{parameter.names[0]} {parameter.metavar}"
            if parameter.argument:
                bare = parameter.metavar.strip("[]")
                words.append(bare if parameter.required else f"[{bare}]")
            elif parameter.required:
                words.append(shown)
        return " ".join(words)


def commands_page(app: typer.Typer) -> str:
    """The page."""
    found = commands(app)
    rows = [
        (command.panel, f"[{code(command.name)}](#{slug(command.name)})", command.paragraphs[0])
        for command in found[1:]
    ]
    sections = [_section(command) for command in found]
    return "\n".join([_HEAD + table(("to", "command", "what"), rows), *sections, _SERVICES])


def commands(app: typer.Typer) -> list[Command]:
    """The program itself, and every command in the order of --help."""
    return list(_of(app, PROGRAM, ""))


def _of(app: typer.Typer, name: str, panel: Any) -> Iterator[Command]:
    """What a group does by itself, then its commands."""
    if app.registered_callback is not None and app.registered_callback.callback is not None:
        yield _command(name, app.registered_callback.callback, panel, app.info.epilog)
    for command in app.registered_commands:
        if command.callback is not None and not command.hidden:
            typed = command.name or command.callback.__name__.replace("_", "-")
            yield _command(f"{name} {typed}", command.callback, command.rich_help_panel or panel, command.epilog)
    for group in app.registered_groups:
        if group.typer_instance is not None and not group.hidden:
            yield from _of(group.typer_instance, f"{name} {group.name}", group.rich_help_panel)


def _command(name: str, callback: Callable[..., Any], panel: Any, epilog: Any) -> Command:
    hints = get_type_hints(callback, include_extras=True)
    parameters = [
        _parameter(parameter, hints[parameter.name])
        for parameter in inspect.signature(callback).parameters.values()
        if hints[parameter.name] is not typer.Context
    ]
    text = (inspect.getdoc(callback) or "").partition("\f")[0]
    ending = f"\n\n{epilog}" if isinstance(epilog, str) else ""
    paragraphs = [part.replace("\b", "").strip() for part in f"{text}{ending}".split("\n\n")]
    examples = [_EXAMPLE.sub("", part, count=1) for part in paragraphs if _EXAMPLE.match(part)]
    return Command(
        name,
        callback,
        tuple(filter(None, parameters)),
        panel if isinstance(panel, str) else "",
        tuple(" ".join(part.split()) for part in paragraphs if part and not _EXAMPLE.match(part)),
        tuple(line.strip().strip("`") for example in examples for line in example.splitlines() if line.strip()),
    )


def _parameter(parameter: inspect.Parameter, hint: Any) -> Parameter | None:
    if get_origin(hint) is not Annotated:
        raise TypeError(f"{parameter.name} is not annotated with typer.Option or typer.Argument; do so")
    kind, *notes = get_args(hint)
    info = next(note for note in notes if isinstance(note, ArgumentInfo | OptionInfo))
    if info.hidden:
        return None
    default = None if parameter.default is inspect.Parameter.empty else parameter.default
    words, lifted = _without_default(info.help or "")
    argument = isinstance(info, ArgumentInfo)
    names = _names(info, parameter.name, kind)
    required = parameter.default is inspect.Parameter.empty
    metavar = info.metavar or (parameter.name if argument else _kind(kind) or "").upper().replace(" ", "_")
    choices = () if argument else CHOICES.get(parameter.name, ())
    return Parameter(
        (metavar.strip("[]"),) if argument else names,
        codes(choices) or _value(kind),
        "required" if required else lifted or _default(default),
        _without_choices(words, choices),
        argument,
        required,
        metavar,
    )


def _names(info: ArgumentInfo | OptionInfo, name: str, kind: Any) -> tuple[str, ...]:
    """How an option is spelt. Within Annotated its first name stands where typer has its default elsewhere."""
    given = (info.default, *(info.param_decls or ()))
    spelt = tuple(part for part in given if isinstance(part, str))
    made = name.strip("_").replace("_", "-")
    return spelt or ((f"--{made}", f"--no-{made}") if kind is bool else (f"--{made}",))


def _without_default(text: str) -> tuple[str, str]:
    """A help text without the default that it names, and that."""
    found = _DEFAULT.search(text)
    return _DEFAULT.sub("", text), found[1] if found else ""


def _without_choices(text: str, choices: tuple[str, ...]) -> str:
    """A help text without the choices at its end, which have a column of their own.

    >>> _without_choices("How it is fitted: newton or sgd.", ("newton", "sgd"))
    'How it is fitted.'
    """
    end = re.search(r": ([\w, ]+)\.$", text)
    if end is None or not {*re.findall(r"\w+", end[1])} - {"or"} <= {*choices}:
        return text
    return f"{text[: end.start()]}."


def _default(value: Any) -> str:
    if value is None or value is False:
        return ""
    if isinstance(value, enum.Enum):
        return code(str(value.value))
    if isinstance(value, bool):
        return "on"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else code(str(value))


def _kind(kind: Any) -> str:
    """The one word for what a parameter takes."""
    parts = [part for part in get_args(kind) if part is not NoneType]
    if get_origin(kind) is Literal:
        return "choice"
    if parts:
        return _kind(parts[0])
    if isinstance(kind, type) and issubclass(kind, PurePath):
        return "path"
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return "choice"
    return _KINDS[kind]


def _value(kind: Any) -> str:
    parts = [part for part in get_args(kind) if part is not NoneType]
    if get_origin(kind) is Literal:
        return codes(str(choice) for choice in get_args(kind))
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return codes(str(choice.value) for choice in kind)
    if get_origin(kind) is list:
        return f"{_value(parts[0])}, may be repeated"
    return _value(parts[0]) if parts else _kind(kind)


def _section(command: Command) -> str:
    lines = [f"\n## {command.name}\n", *(f"{paragraph}\n" for paragraph in command.paragraphs)]
    lines.append(f"Synopsis: {code(command.synopsis)}\n")
    arguments = [
        (code(argument.names[0]), argument.value, argument.default, argument.words)
        for argument in command.parameters
        if argument.argument
    ]
    options = [
        (codes(option.names), option.value, option.default, option.words)
        for option in command.parameters
        if not option.argument
    ]
    if arguments:
        lines.append(table(("argument", "value", "default", "what"), arguments))
    if options:
        lines.append(table(("option", "value", "default", "what"), options))
    lines += [f"Example: {code(example)}\n" for example in command.examples]
    return "\n".join(lines)

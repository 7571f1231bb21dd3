"""The fenced blocks of README and docs: where each stands, what its marks say, and the commands in it.

A mark is an HTML comment right before the fence, which readers of the page do not see:

``<!-- not run: REASON -->``
    nothing of the block runs in the tests.
``<!-- docker, kubectl not run: REASON -->``
    its commands of these programs do not run; the others do.
``<!-- output not compared: REASON -->``
    the output that it shows is not compared with what its command prints.
"""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]

#: Languages of commands and programs.
SHELLS = ("console", "sh")
_FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|~{3,})(?P<language>[^`]*)$")
_HEADING = re.compile(r"^#+ (?P<words>.+)$")
_MARK = re.compile(
    r"^ *<!-- (?:(?P<programs>[\w-]+(?:, [\w-]+)*) not run|(?P<all>not run)|(?P<output>output not compared))"
    r": (?P<reason>\S.*) -->$"
)
_HERE_DOCUMENT = re.compile(r"<<-?\s*['\"]?(\w+)['\"]?")
_ASSIGNMENT = re.compile(r"^\w+=")


@dataclass(frozen=True)
class Command:
    """One command, with the output that the page shows for it."""

    text: str
    line: int
    shown: str = ""

    @property
    def words(self) -> list[str]:
        """Its words without comment and without the variables set before it."""
        words = shlex.split(self.text.partition("<<")[0], comments=True)
        while words and _ASSIGNMENT.match(words[0]):
            words.pop(0)
        return words

    @property
    def program(self) -> str:
        """Its first word, ``docker`` for instance."""
        words = self.words
        return words[0] if words else ""


@dataclass(frozen=True)
class Block:
    """A fenced block; ``page`` as a path below the checkout, ``line`` that of the fence."""

    page: str
    line: int
    heading: str
    language: str
    text: str
    reason: str = ""
    programs_not_run: tuple[str, ...] = ()
    output_not_compared: bool = False

    @property
    def place(self) -> str:
        """Where to look."""
        return f"{self.page}:{self.line}"

    @property
    def not_run(self) -> bool:
        """Whether the whole of it is marked so."""
        return bool(self.reason) and not self.programs_not_run and not self.output_not_compared

    def commands(self) -> list[Command]:
        """Its commands: each after a ``$`` of a console, each line of a script; what goes on stays together."""
        assert self.language in SHELLS, self.place
        return list(_console(self) if self.language == "console" else _script(self))

    def commands_to_run(self) -> list[Command]:
        """Its commands but those that a mark exempts."""
        if self.not_run:
            return []
        return [command for command in self.commands() if command.program not in self.programs_not_run]


def pages() -> list[Path]:
    """README and everything under docs, in order."""
    return [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]


def blocks_of(page: Path) -> list[Block]:
    """The blocks of a page, from the top."""
    lines = page.read_text(encoding="utf-8").splitlines()
    name = page.relative_to(CHECKOUT).as_posix() if page.is_relative_to(CHECKOUT) else page.name
    found: list[Block] = []
    heading, number = "", 0
    while number < len(lines):
        title, opening = _HEADING.match(lines[number]), _FENCE.match(lines[number])
        heading = title["words"] if title else heading
        if opening:
            end = _end_of(lines, number, opening["fence"], name)
            text = textwrap.dedent("\n".join(lines[number + 1 : end]))
            found.append(
                _marked(lines, number, Block(name, number + 1, heading, opening["language"].strip(), text))
            )
            number = end
        number += 1
    return found


def _end_of(lines: list[str], opening: int, fence: str, name: str) -> int:
    for number in range(opening + 1, len(lines)):
        if lines[number].strip() == fence:
            return number
    raise AssertionError(f"{name}:{opening + 1}: the fence is not closed")


def _marked(lines: list[str], opening: int, block: Block) -> Block:
    """The block with what the mark right before its fence says."""
    before = lines[opening - 1] if opening else ""
    mark = _MARK.match(before)
    if mark is None:
        # a mark with a slip in it must not pass for a remark
        assert "<!--" not in before, (
            f"{block.place}: {before.strip()} is no mark that tests/docs/code_blocks.py knows"
        )
        return block
    programs = tuple(mark["programs"].split(", ")) if mark["programs"] else ()
    there = {command.program for command in block.commands()} if programs else set()
    assert there.issuperset(programs), f"{block.place}: {before.strip()} names a program that no command is of"
    return replace(
        block, reason=mark["reason"], programs_not_run=programs, output_not_compared=bool(mark["output"])
    )


def _console(block: Block) -> Iterator[Command]:
    lines = block.text.splitlines()
    assert lines[0].startswith("$ "), f"{block.place}: a console begins with a command after a $"
    number = 0
    while number < len(lines):
        first, text = number, lines[number][2:]
        number += 1
        while goes_on(text) and number < len(lines):
            text += "\n" + lines[number].removeprefix("> ")
            number += 1
        shown = []
        while number < len(lines) and not lines[number].startswith("$ "):
            shown.append(lines[number])
            number += 1
        yield Command(text, block.line + 1 + first, "\n".join(shown))


def _script(block: Block) -> Iterator[Command]:
    text, first = "", 0
    for number, line in enumerate(block.text.splitlines()):
        first = first if text else number
        text = f"{text}\n{line}" if text else line
        if text.strip() and not text.lstrip().startswith("#") and not goes_on(text):
            yield Command(text, block.line + 1 + first)
            text = ""
        elif not text.strip() or text.lstrip().startswith("#"):
            text = ""


def goes_on(text: str) -> bool:
    """Whether a shell would ask for another line: a backslash, an open quote, a here-document without its end."""
    here = _HERE_DOCUMENT.search(text)
    if here is not None:
        return here[1] not in text.splitlines()[1:]
    if text.endswith("\\"):
        return True
    try:
        shlex.split(text, comments=True)
    except ValueError:
        return True
    return False

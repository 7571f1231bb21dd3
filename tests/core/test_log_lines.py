"""What a log line says is written down, and stays as it is: operators search for it."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = CHECKOUT / "docs" / "operations" / "observability.md"
LEVELS = ("debug", "info", "warning", "error", "critical")
#: The calls of one of these names choose between the levels.
EITHER = {"say": {"info", "warning"}, "log": {"any"}}
#: On every line; ``exc_info`` becomes ``exception``.
COMMON = {"event", "level", "timestamp", "service", "pipeline"}


class Line(NamedTuple):
    """A kind of line: the package that writes it, and its event."""

    package: str
    event: str


Lines = dict[Line, tuple[set[str], set[str]]]  #: levels and keys


def test_the_page_lists_every_event_with_its_level_and_keys() -> None:
    assert documented(PAGE.read_text()) == written()


def test_an_event_that_is_not_listed_is_noticed() -> None:
    page = PAGE.read_text()
    assert documented(page.replace("| `rejected` |", "| `refused` |")) != written()
    assert documented(page.replace("`detail`", "`details`")) != written()


def test_a_library_a_warning_and_a_crash_are_lines_with_the_same_keys() -> None:
    program = (
        "import logging, warnings; from core.log import configure_logs, name_logs; configure_logs('info'); "
        "name_logs('scorer', 'default'); logging.getLogger('other').warning('half a %s', 'sentence'); "
        "warnings.warn('old', stacklevel=1); logging.getLogger('quiet').info('nothing'); raise ValueError('end')"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    library, warning, crash = map(json.loads, run.stderr.splitlines())
    assert (library["event"], library["library"], library["detail"]) == ("library", "other", "half a sentence")
    assert (warning["event"], warning["library"], crash["event"]) == ("library", "py.warnings", "crashed")
    assert crash["error"] == "ValueError: end"
    assert "Traceback" in crash["exception"]
    for line in (library, warning, crash):
        assert line.keys() >= COMMON
        assert (line["service"], line["pipeline"]) == ("scorer", "default")


def documented(page: str) -> Lines:
    """The rows of the page's tables of events."""
    package, lines = "", {}
    for row in page.splitlines():
        heading = re.fullmatch(r"### Lines of `(\w+)/`", row)
        if heading:
            package = heading[1]
        elif row.startswith("## "):
            package = ""
        cells = [cell.strip() for cell in row.split("|")[1:-1]]
        if package and len(cells) == 4 and cells[0].startswith("`"):
            levels = set(re.findall(r"\w+", cells[1]))
            lines[Line(package, cells[0].strip("`"))] = levels, set(re.findall(r"`(\w+)`", cells[2]))
    return lines


def written() -> Lines:
    """The calls of a logger of structlog's."""
    lines: Lines = defaultdict(lambda: (set(), set()))
    for package in ("core", "scorer", "monitor", "trainer"):
        for path in sorted((CHECKOUT / package).rglob("*.py")):
            for event, levels, keys in _calls(path):
                said = lines[Line(package, event)]
                said[0].update(levels)
                said[1].update(keys)
    return dict(lines)


def _calls(path: Path) -> Iterator[tuple[str, set[str], set[str]]]:
    for call in ast.walk(ast.parse(path.read_text())):
        if not isinstance(call, ast.Call):
            continue
        levels = _levels(call)
        if levels is None:
            continue
        event = call.args[1 if levels == {"any"} else 0]
        place = f"{path.relative_to(CHECKOUT)}:{call.lineno}"
        assert isinstance(event, ast.Constant), f"{place}: an event is a name, what varies is a key"
        assert isinstance(event.value, str), place
        keys = {keyword.arg for keyword in call.keywords}
        assert None not in keys, f"{place}: keys are written out"
        yield event.value, levels, {"exception" if key == "exc_info" else str(key) for key in keys}


def _levels(call: ast.Call) -> set[str] | None:
    """At which levels this writes a line; None where it is no call of a logger."""
    if isinstance(call.func, ast.Name):
        return EITHER["say"] if call.func.id == "say" else None
    if not isinstance(call.func, ast.Attribute):
        return None
    # a bare _log is a module's logger of the standard library, whose lines are the event `library`
    owner = ast.unparse(call.func.value)
    if owner not in {"log", "self.log", "self._log"}:
        return None
    return EITHER["log"] if call.func.attr == "log" else {call.func.attr} & set(LEVELS) or None

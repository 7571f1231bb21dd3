"""Each alert has a runbook, each runbook an alert, and what a runbook says to run or ask exists."""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main

from streamgauge.app import app
from tests.ops.documents import as_yaml
from tests.ops.prometheus.observability import alert_names, alerts
from tests.ops.tools import CHECKOUT, run

RUNBOOKS = CHECKOUT / "docs" / "runbooks"
OBJECTIVES = CHECKOUT / "docs" / "operations" / "slo.md"
_INDEX = RUNBOOKS / "README.md"
_PAGES = sorted(path for path in RUNBOOKS.glob("*.md") if path != _INDEX)
_HEADINGS = [
    "What it means",
    "What users notice",
    "Look at",
    "Do",
    "Ignore it when",
    "Silence it",
]
_BLOCK = re.compile(r"^ *```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
#: ``streamgauge ...`` within a sentence.
_INLINE = re.compile(r"`(streamgauge [^`]+)`")
#: Programs other than ours: which one knows, and what that calls itself.
_PROGRAMS = {
    "docker": ("docker-compose", "docker compose"),
    "kubectl": ("kubectl", "kubectl"),
    "amtool": ("amtool", "amtool"),
    "promtool": ("promtool", "promtool"),
}


def blocks(text: str, language: str) -> list[str]:
    """The blocks of code in one language."""
    return [body for kind, body in _BLOCK.findall(text) if kind == language]


def commands(text: str) -> list[list[str]]:
    """The commands of a page, as words."""
    lines = [line for body in blocks(text, "sh") for line in body.splitlines() if line.strip()]
    return [shlex.split(line) for line in [*lines, *_INLINE.findall(" ".join(text.split()))]]


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
    if words[:1] == ["-n"]:
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


def test_each_alert_has_a_page_and_each_page_an_alert() -> None:
    pages = {Path(rule["annotations"]["runbook_url"]).name for rule in alerts()}
    assert pages == {path.name for path in _PAGES}


def test_the_index_lists_each_alert_with_its_severities_and_its_page() -> None:
    text = _INDEX.read_text(encoding="utf-8")
    listed = re.findall(r"^\| \[(\w+)\]\(([\w-]+\.md)\) \| ([\w, ]+) \|", text, re.MULTILINE)
    assert [name for name, _, _ in listed] == alert_names()
    for name, page, severities in listed:
        ours = [rule for rule in alerts() if rule["alert"] == name]
        assert severities.split(", ") == [rule["labels"]["severity"] for rule in ours]
        assert ours[0]["annotations"]["runbook_url"].endswith(f"/{page}")


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.stem)
def test_a_page_has_every_part_and_is_about_its_alert(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    name = next(rule["alert"] for rule in alerts() if rule["annotations"]["runbook_url"].endswith(f"/{page.name}"))
    assert text.startswith(f"# {name}\n")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == _HEADINGS
    assert f"alertname={name}" in text.rpartition("## Silence it")[2]
    for rule in alerts():
        if rule["alert"] == name:
            assert rule["labels"]["severity"] in text.partition("\n## ")[0]


@pytest.mark.parametrize("page", [*_PAGES, _INDEX], ids=lambda page: page.stem)
def test_each_command_exists(page: Path) -> None:
    found = commands(page.read_text(encoding="utf-8"))
    assert found
    assert [wrong for words in found if (wrong := wrong_command(words)) is not None] == []


@pytest.mark.parametrize(
    "command",
    [
        "streamgauge statuses",
        "streamgauge groups dismiss audit",
        "streamgauge status --loud",
        "docker compose journal monitor",
        "kubectl -n streamgauge rollout again deployment/scorer",
        "kubectl get pods --sort=name",
        "amtool silence put alertname=X",
        "amtool silence add --for=2h",
        "make check-opps",
        "journalctl -u scorer",
    ],
)
def test_a_command_that_does_not_exist_is_found(command: str) -> None:
    assert wrong_command(shlex.split(command)) is not None


@pytest.mark.parametrize("page", [*_PAGES, OBJECTIVES], ids=lambda page: page.stem)
def test_each_query_is_promql(page: Path, tmp_path: Path) -> None:
    # a block is one expression, or one a line
    queries = blocks(page.read_text(encoding="utf-8"), "promql")
    assert queries
    expressions = [one for body in queries for one in _expressions(body)]
    done = _checked(expressions, tmp_path)
    assert done == "", expressions


def test_a_query_that_is_no_promql_is_found(tmp_path: Path) -> None:
    assert "could not parse expression" in _checked(["sum by (pipeline) (rate(streamgauge_waiting))["], tmp_path)


def _expressions(body: str) -> list[str]:
    lines = [line for line in body.splitlines() if line.strip()]
    goes_on = any(line.startswith((" ", ")")) for line in lines)
    return ["\n".join(lines)] if goes_on else lines


def _checked(expressions: list[str], folder: Path) -> str:
    rules = [{"record": f"a:query{number}:b", "expr": one} for number, one in enumerate(expressions)]
    path = folder / "queries.yml"
    path.write_text(as_yaml({"groups": [{"name": "queries", "rules": rules}]}), encoding="utf-8")
    done = run("promtool", "check", "rules", path)
    return done.stderr if done.returncode else ""


@pytest.mark.parametrize("page", [*_PAGES, _INDEX, OBJECTIVES], ids=lambda page: page.stem)
def test_each_link_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.is_file(), target
        headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
        anchors = {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
        assert not anchor or anchor in anchors, target

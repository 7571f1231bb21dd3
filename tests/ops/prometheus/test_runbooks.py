"""Each alert has a runbook, each runbook an alert, and what a runbook says to run or ask exists."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.ops.known_commands import wrong_command
from tests.ops.prometheus.observability import alert_names, alerts
from tests.ops.prometheus.queries import complaint, expressions
from tests.ops.tools import CHECKOUT

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


def blocks(text: str, language: str) -> list[str]:
    """The blocks of code in one language."""
    return [body for kind, body in _BLOCK.findall(text) if kind == language]


def commands(text: str) -> list[list[str]]:
    """The commands of a page, as words."""
    lines = [line for body in blocks(text, "sh") for line in body.splitlines() if line.strip()]
    return [shlex.split(line) for line in [*lines, *_INLINE.findall(" ".join(text.split()))]]


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
    found = [one for body in queries for one in expressions(body)]
    done = complaint(found, tmp_path)
    assert done == "", found


def test_a_query_that_is_no_promql_is_found(tmp_path: Path) -> None:
    assert "could not parse expression" in complaint(["sum by (pipeline) (rate(streamgauge_waiting))["], tmp_path)


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

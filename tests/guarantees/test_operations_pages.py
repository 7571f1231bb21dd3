"""The pages for operators name tests, pages and headings that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.model_file import FORMAT, OLDEST_FORMAT
from core.pipeline_config import CONFIG_VERSION
from monitor.state import VERSION

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "operations"
PAGES = [ROOT / "README.md", *sorted(FOLDER.glob("*.md"))]
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_NAMED = re.compile(r"`(\w+/test_\w+\.py)::(test_\w+)`")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    text = _CODE.sub("", page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in _HEADING.findall(text)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    links = _LINK.findall(_CODE.sub("", page.read_text(encoding="utf-8")))
    for link in links:
        if "://" not in link:
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link
    assert links or page.name != "README.md"


def test_every_page_is_in_the_table() -> None:
    table = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert {page.name for page in FOLDER.glob("*.md")} - {"README.md"} <= set(_LINK.findall(table))


def test_every_test_that_disasters_names_exists() -> None:
    page = (FOLDER / "disasters.md").read_text(encoding="utf-8")
    named = _NAMED.findall(page)
    assert len(named) > 20
    assert page.count("::test_") == len(named)  # none is written in another way
    for file, test in named:
        assert f"\ndef {test}(" in (ROOT / "tests" / file).read_text(encoding="utf-8"), test
    rows = [line for line in page.splitlines() if line.startswith("| **")]
    assert all(_NAMED.search(row) for row in rows)


def test_the_pages_name_the_versions_that_the_programs_have() -> None:

    page = (FOLDER / "upgrade.md").read_text(encoding="utf-8")
    assert re.search(rf"^\| model file \| format {FORMAT} \|.*\| reads {OLDEST_FORMAT};", page, re.MULTILINE)
    assert re.search(rf"^\| the monitor's state \| {VERSION} \|", page, re.MULTILINE)
    assert re.search(rf"^\| `config` hash \| `version` {CONFIG_VERSION} \|", page, re.MULTILINE)

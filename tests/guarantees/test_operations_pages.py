"""The pages for operators name a test for each disaster, and the versions that programs have."""

from __future__ import annotations

import re
from pathlib import Path

from core.model_file import FORMAT, OLDEST_FORMAT
from core.pipeline_config import CONFIG_VERSION
from monitor.state import VERSION

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "operations"
_NAMED = re.compile(r"`(\w+/test_\w+\.py)::(test_\w+)`")


def test_every_disaster_names_a_test() -> None:
    """That these exist is looked at in tests/docs/test_links.py."""
    page = (FOLDER / "disasters.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| **")]
    assert len(rows) > 15
    assert [row for row in rows if not _NAMED.search(row)] == []


def test_the_pages_name_the_versions_that_the_programs_have() -> None:
    page = (FOLDER / "upgrade.md").read_text(encoding="utf-8")
    assert re.search(rf"^\| model file \| format {FORMAT} \|.*\| reads {OLDEST_FORMAT};", page, re.MULTILINE)
    assert re.search(rf"^\| the monitor's state \| {VERSION} \|", page, re.MULTILINE)
    assert re.search(rf"^\| `config` hash \| `version` {CONFIG_VERSION} \|", page, re.MULTILINE)

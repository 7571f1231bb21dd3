"""docs/settings.md lists every setting, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from core.settings import Settings

_PAGE = Path(__file__).resolve().parents[2] / "docs" / "settings.md"


def test_the_page_lists_every_setting_and_no_other() -> None:
    rows = [line.split("|")[1] for line in _PAGE.read_text().splitlines() if line.startswith("| `")]
    listed = {name for row in rows for name in re.findall(r"`([a-z0-9_]+)`", row)}
    assert listed == {field.name for field in msgspec.structs.fields(Settings)}

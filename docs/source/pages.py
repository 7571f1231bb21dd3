"""Every page that is made from the code, whole or in part."""

from __future__ import annotations

import re
from pathlib import Path

from docs.source.commands import commands_page
from docs.source.entries import BLOCK
from docs.source.metrics import metrics_table
from docs.source.places import with_parts
from docs.source.settings import settings_tables
from docs.source.structs import field_table, struct_fields
from docs.source.wire import wire_page
from scorer.predict_api import PredictionAnswer
from streamgauge.app import app

DOCS = Path(__file__).resolve().parents[1]
#: First line of a page that is made whole.
_MADE = "<!-- Made from the code by `make reference`; edit that instead. -->\n\n"


def pages() -> dict[Path, str]:
    """The text that each page is to have. Raises ValueError where a page has lost its places."""
    parts = {
        DOCS / "settings.md": {"settings": settings_tables()},
        DOCS / "operations" / "metrics.md": {"metrics": metrics_table()},
        DOCS / "wire-format.md": {"fields of a block": field_table(BLOCK.fields)},
        DOCS / "reference" / "http.md": {"the answer of /predict": field_table(struct_fields(PredictionAnswer))},
    }
    made = {
        DOCS / "reference" / "commands.md": commands_page(app),
        DOCS / "reference" / "wire.md": wire_page(),
    }
    return {page: with_parts(page.read_text(encoding="utf-8"), content) for page, content in parts.items()} | {
        page: _MADE + _tidy(_linked(text)) for page, text in made.items()
    }


def _linked(text: str) -> str:
    """Pages that help texts and comments name by their path, as links from docs/reference/."""
    return re.sub(r"\bdocs/((?:[\w-]+/)*([\w-]+)\.md)", r"[\2](../\1)", text)


def _tidy(text: str) -> str:
    """One empty line at most between two others, and one line end at the end."""
    lines = [line.rstrip() for line in text.strip().split("\n")]
    kept = [line for before, line in zip(["", *lines], lines, strict=False) if before or line]
    return "\n".join(kept) + "\n"

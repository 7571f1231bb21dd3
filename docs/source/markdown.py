"""Markdown as the generated pages have it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def code(text: str) -> str:
    """Text as code."""
    return f"`{text}`"


def codes(texts: Iterable[str]) -> str:
    """Several, with commas between."""
    return ", ".join(map(code, texts))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; bars in its cells are escaped, as in code too. Columns that are empty in every row are left out."""
    cells = [[_cell(cell) for cell in row] for row in rows]
    kept = [column for column in range(len(head)) if not cells or any(row[column] for row in cells)]
    lines = [
        [head[column] for column in kept],
        ["---"] * len(kept),
        *([row[column] for column in kept] for row in cells),
    ]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text.strip()).replace("\\|", "|").replace("|", "\\|")


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading, the first of its name on a page."""
    shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", shown).replace(" ", "-")

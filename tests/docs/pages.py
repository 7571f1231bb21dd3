"""The pages of this repository, and what of one is prose."""

from __future__ import annotations

import re
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
DOCS = CHECKOUT / "docs"
#: Where no page of ours is: what was installed, made or run.
_ELSEWHERE = {"node_modules", "secrets", "build", "miniflow", "out", "site-packages"}
_FENCE = re.compile(r"^( *)(```+|~~~+).*?^\1\2[ \t]*$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
_HEADING = re.compile(r"^#{1,6} +(.+?)[ #]*$", re.MULTILINE)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


def all_pages() -> list[Path]:
    """Every Markdown file."""
    found = []
    for page in CHECKOUT.rglob("*.md"):
        parts = page.relative_to(CHECKOUT).parts
        if not any(part in _ELSEWHERE or part.startswith(".") for part in parts):
            found.append(page)
    return sorted(found)


def name_of(page: Path) -> str:
    """A page as a test's parameter."""
    return page.relative_to(CHECKOUT).as_posix()


def without_blocks(page: Path) -> str:
    """A page without its fenced blocks and its comments."""
    return _COMMENT.sub("", _FENCE.sub("", page.read_text(encoding="utf-8")))


def prose(page: Path) -> str:
    """The same without code in its lines: what is in backticks is no link."""
    return _CODE.sub("`code`", without_blocks(page))


def codes(page: Path) -> list[str]:
    """What stands in backticks in its lines."""
    return [found[2] for found in _CODE.finditer(without_blocks(page))]


def headings(page: Path) -> list[str]:
    """Its headings as they are written."""
    return _HEADING.findall(without_blocks(page))


def anchors(page: Path) -> list[str]:
    """Its headings as GitHub names them: later ones of a name get a number."""
    seen: dict[str, int] = {}
    found = []
    for heading in headings(page):
        text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        number = seen.get(slug, 0)
        seen[slug] = number + 1
        found.append(f"{slug}-{number}" if number else slug)
    return found

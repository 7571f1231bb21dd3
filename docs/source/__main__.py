"""``make reference``: write what of docs/ is made from the code; a test finds it stale."""

from __future__ import annotations

import sys

from docs.source.pages import DOCS, pages

if __name__ == "__main__":
    for page, text in pages().items():
        page.write_text(text, encoding="utf-8")
        sys.stdout.write(f"made docs/{page.relative_to(DOCS)}\n")

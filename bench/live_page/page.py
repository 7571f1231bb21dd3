"""Put the figures of a run into docs/performance.md: ``python -m bench.live_page.page``.

It reads ``bench/out/page.json`` and writes between each pair of lines like these the rows whose name begins with
one of the texts; ``run`` stands for the command, the versions and the machine::

    <!-- live page: first paint | GET -->
    <!-- end of live page -->
"""

from __future__ import annotations

import sys

from bench.page import PAGE, read_run, rewrite, with_figures
from bench.report import OUT, Document

_REMEDY = "make bench-page"


def with_page_figures(text: str, document: Document) -> str:
    """The page with the run's figures in their places; see :func:`bench.page.with_figures`."""
    return with_figures(text, document, "live page", _REMEDY)


def main() -> int:
    """Write the page; the exit status."""
    document = read_run(OUT / "page.json", Document, _REMEDY)
    return 2 if document is None else rewrite(PAGE, lambda text: with_page_figures(text, document))


if __name__ == "__main__":
    sys.exit(main())

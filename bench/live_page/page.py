"""Put the figures of a run into docs/performance.md: ``python -m bench.live_page.page``.

It reads ``bench/out/page.json`` and writes between each pair of lines like these the rows whose name begins with
one of the texts; ``run`` stands for the command, the versions and the machine::

    <!-- live page: first paint | GET -->
    <!-- end of live page -->
"""

from __future__ import annotations

import sys

from bench.page import PAGE, about, fill_places, markdown, place_names, read_run, rewrite
from bench.report import OUT, Document


def with_figures(text: str, document: Document) -> str:
    """The page with the run's figures in their places.

    Raises
    ------
    ValueError
        A place for which the run has no row, or a page without a place.
    """

    def table(names: str) -> str:
        if names == "run":
            return f"{about(document)}\n"
        rows = [result for result in document.results if result.name.startswith(tuple(names.split(" | ")))]
        if not rows:
            raise ValueError(f"the run has no row that begins with {names!r}; run make bench-page")
        return f"{markdown(rows)}\n"

    if not place_names(text, "live page"):
        raise ValueError("the page has no place for it; add <!-- live page: run --> and <!-- end of live page -->")
    return fill_places(text, "live page", table)


def main() -> int:
    """Write the page; the exit status."""
    document = read_run(OUT / "page.json", Document, "make bench-page")
    return 2 if document is None else rewrite(PAGE, lambda text: with_figures(text, document))


if __name__ == "__main__":
    sys.exit(main())

"""Put the tables of a run into docs/performance.md: ``python -m bench.drift.page [FILE ...]``.

It reads ``bench/out/drift.json``, or the files named, of which a later one decides: parts may be run one by one.
Between each pair of lines like these comes a table; in the place ``run`` come commands, versions and seeds::

    <!-- drift: peers, delays -->
    <!-- end of drift -->
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from bench.drift.tables import DriftDocument
from bench.page import PAGE, about, fill_places, place_names, read_run, rewrite
from bench.report import OUT


def with_tables(text: str, documents: Sequence[DriftDocument]) -> str:
    """The page with the tables of the runs in their places.

    Raises
    ------
    ValueError
        A place for which no run has a table.
    """
    tables = {table.name: table.markdown() for document in documents for table in document.tables}
    tables["run"] = "\n".join(f"{about(document)} Seed {document.seed}." for document in documents)

    def table(name: str) -> str:
        if name not in tables:
            raise ValueError(f"no run has the table {name!r}; run make bench-drift, all of it")
        return f"{tables[name]}\n\n"

    return fill_places(text, "drift", table)


def unplaced(text: str, documents: Sequence[DriftDocument]) -> list[str]:
    """Names of tables for which the page has no place."""
    places = set(place_names(text, "drift"))
    return [table.name for document in documents for table in document.tables if table.name not in places]


def main(arguments: Sequence[str]) -> int:
    """Write the page; the exit status."""
    documents = []
    for path in [Path(argument) for argument in arguments] or [OUT / "drift.json"]:
        document = read_run(path, DriftDocument, "make bench-drift")
        if document is None:
            return 2
        documents.append(document)
    for name in unplaced(PAGE.read_text(encoding="utf-8"), documents):
        sys.stdout.write(f"no place  for {name}; add <!-- drift: {name} --> and <!-- end of drift -->\n")
    return rewrite(PAGE, lambda text: with_tables(text, documents))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

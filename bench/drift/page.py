"""Put the tables of a run into docs/performance.md: ``python -m bench.drift.page [FILE ...]``.

It reads ``bench/out/drift.json``, or the files named, of which a later one decides: parts may be run one by one.
Between each pair of lines like these comes a table; in the place ``run`` come commands, versions and seeds::

    <!-- drift: peers, delays -->
    <!-- end of drift -->
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench.drift.tables import DriftDocument
from bench.page import PAGE, about
from bench.report import OUT

_PLACE = re.compile(r"(<!-- drift: (.+?) -->\n).*?(<!-- end of drift -->)", re.DOTALL)


def with_tables(text: str, documents: Sequence[DriftDocument]) -> str:
    """The page with the tables of the runs in their places.

    Raises
    ------
    ValueError
        A place for which no run has a table.
    """
    tables = {table.name: table.markdown() for document in documents for table in document.tables}
    tables["run"] = "\n".join(f"{about(document)} Seed {document.seed}." for document in documents)

    def replaced(found: re.Match[str]) -> str:
        if found[2] not in tables:
            raise ValueError(f"no run has the table {found[2]!r}; run make bench-drift, all of it")
        return f"{found[1]}{tables[found[2]]}\n\n{found[3]}"

    return _PLACE.sub(replaced, text)


def unplaced(text: str, documents: Sequence[DriftDocument]) -> list[str]:
    """Names of tables for which the page has no place."""
    places = {found[2] for found in _PLACE.finditer(text)}
    return [table.name for document in documents for table in document.tables if table.name not in places]


def main(arguments: Sequence[str]) -> int:
    """Write the page; the exit status."""
    paths = [Path(argument) for argument in arguments] or [OUT / "drift.json"]
    for path in paths:
        if not path.exists():
            sys.stderr.write(f"streamgauge: there is no {path}; run make bench-drift\n")
            return 2
    documents = [msgspec.json.decode(path.read_bytes(), type=DriftDocument) for path in paths]
    text = PAGE.read_text(encoding="utf-8")
    try:
        page = with_tables(text, documents)
    except ValueError as error:
        sys.stderr.write(f"streamgauge: {error}\n")
        return 2
    PAGE.write_text(page, encoding="utf-8")
    for name in unplaced(text, documents):
        sys.stdout.write(f"no place  for {name}; add <!-- drift: {name} --> and <!-- end of drift -->\n")
    sys.stdout.write(f"written   {PAGE}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Put the table of a run into docs/performance.md: ``python -m bench.train.page``.

It reads ``bench/out/train.json`` and writes between each pair of lines like these; ``run`` stands for the command,
the versions and the machine::

    <!-- train: training -->
    <!-- end of train -->
"""

from __future__ import annotations

import re
import sys

import msgspec

from bench.page import PAGE, about
from bench.report import OUT
from bench.train.report import TrainDocument

_PLACE = re.compile(r"(<!-- train: (.+?) -->\n).*?(<!-- end of train -->)", re.DOTALL)


def with_table(text: str, document: TrainDocument) -> str:
    """The page with the run's tables in their places.

    Raises
    ------
    ValueError
        A place for which the run has no table, or a page without a place.
    """
    found = {table.name: table.markdown() for table in document.tables}
    found["run"] = f"{about(document)} Seed {document.seed}."

    def replaced(place: re.Match[str]) -> str:
        if place[2] not in found:
            raise ValueError(f"the run has no table {place[2]!r}; run make bench-train")
        return f"{place[1]}{found[place[2]]}\n\n{place[3]}"

    page, places = _PLACE.subn(replaced, text)
    if not places:
        raise ValueError("the page has no place for it; add <!-- train: training --> and <!-- end of train -->")
    return page


def main() -> int:
    """Write the page; the exit status."""
    path = OUT / "train.json"
    if not path.exists():
        sys.stderr.write(f"streamgauge: there is no {path}; run make bench-train\n")
        return 2
    document = msgspec.json.decode(path.read_bytes(), type=TrainDocument)
    try:
        page = with_table(PAGE.read_text(encoding="utf-8"), document)
    except ValueError as error:
        sys.stderr.write(f"streamgauge: {error}\n")
        return 2
    PAGE.write_text(page, encoding="utf-8")
    sys.stdout.write(f"written   {PAGE}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

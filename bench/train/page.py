"""Put the table of a run into docs/performance.md: ``python -m bench.train.page``.

It reads ``bench/out/train.json`` and writes between each pair of lines like these; ``run`` stands for the command,
the versions and the machine::

    <!-- train: training -->
    <!-- end of train -->
"""

from __future__ import annotations

import sys

from bench.page import PAGE, about, fill_places, read_run, rewrite
from bench.report import OUT
from bench.train.report import TrainDocument


def with_table(text: str, document: TrainDocument) -> str:
    """The page with the run's tables in their places.

    Raises
    ------
    ValueError
        A place for which the run has no table, or a page without a place.
    """
    found = {table.name: table.markdown() for table in document.tables}
    found["run"] = f"{about(document)} Seed {document.seed}."

    def table(name: str) -> str:
        if name not in found:
            raise ValueError(f"the run has no table {name!r}; run make bench-train")
        return f"{found[name]}\n\n"

    return fill_places(text, "train", table)


def main() -> int:
    """Write the page; the exit status."""
    document = read_run(OUT / "train.json", TrainDocument, "make bench-train")
    return 2 if document is None else rewrite(PAGE, lambda text: with_table(text, document))


if __name__ == "__main__":
    sys.exit(main())

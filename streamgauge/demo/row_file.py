"""Drawn rows as a CSV file, as a person would have them: ``python -m streamgauge.demo.row_file FILE``."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.model import Floats
from streamgauge.demo import raisin_like

#: Label column and positive class of Raisin.
LABEL, POSITIVE = "Class", "Besni"

#: Rows (n, 7) and their labels (n,).
Rows = tuple[Floats, NDArray[np.uint8]]


def write_rows(path: Path, parts: Iterable[Rows]) -> None:
    """One part behind another, under a header."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*raisin_like.FEATURES, LABEL])
        for x, y in parts:
            writer.writerows(
                [*map(repr, row), raisin_like.CLASSES[label]]
                for row, label in zip(x.tolist(), y.tolist(), strict=True)
            )


def main() -> int:
    """Write the file that is named, with rows like Raisin's; the exit status."""
    if len(sys.argv) != 2:
        sys.stderr.write("python -m streamgauge.demo.row_file FILE writes a CSV file; name one\n")
        return 2
    path = Path(sys.argv[1])
    if path.exists():  # the real raisin.csv, perhaps
        sys.stderr.write(f"{path} is there already and stays as it is; name another file\n")
        return 2
    try:
        write_rows(path, [raisin_like.draw_rows(1)])
    except OSError as error:
        sys.stderr.write(f"{sys.argv[1]} cannot be written ({error.strerror}); name another file\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

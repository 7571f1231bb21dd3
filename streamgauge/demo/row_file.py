"""Drawn rows as a CSV file, as a person would have them."""

from __future__ import annotations

import csv
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

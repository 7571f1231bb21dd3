"""The 900 rows of Raisin as a population."""

from __future__ import annotations

import os
from pathlib import Path

from bench.drift.populations import RowPopulation
from core.errors import DataError
from trainer.table import Table, read_table

#: Where the file lies beside the checkout; it is not part of the project.
_BESIDE = Path(__file__).resolve().parents[3] / "shared" / "data" / "raisin.csv"
_LABEL, _SECOND_CLASS = "Class", "Besni"


def raisin() -> RowPopulation:
    """The rows as a population. Raises as :func:`raisin_table`."""
    table = raisin_table()
    return RowPopulation("Raisin", table.features, table.x, table.y.astype(bool))


def raisin_table() -> Table:
    """The file at ``RAISIN_CSV``, else beside the checkout; its second class is Besni.

    Raises
    ------
    DataError
        No such file, or one that cannot be used.
    """
    path = Path(os.environ.get("RAISIN_CSV") or _BESIDE)
    if not path.is_file():
        raise DataError(f"there is no Raisin file at {path}; set RAISIN_CSV to its path")
    return read_table(path, _LABEL, _SECOND_CLASS)

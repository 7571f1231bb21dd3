"""Rows that occur again: in folds, most of them are judged by models that trained on their copies."""

from __future__ import annotations

from trainer.diagnostics.copies import Copies, agreeing_by_chance
from trainer.diagnostics.rows import BEYOND_CHANCE, COARSE_VALUES, DUPLICATE_SHARE, FEWEST_COPIES
from trainer.table import Table


def copies_in_folds(table: Table) -> str | None:
    """What to know before trusting figures of folds of ``table``, as one sentence; None where all rows are news.

    The limits are those of the finding ``duplicate_rows``, which says the same of one split.
    """
    n = len(table.y)
    found = Copies.among(table.x, table.y, n)
    if found.again < max(FEWEST_COPIES, DUPLICATE_SHARE * n) or found.distinct_values.max() <= COARSE_VALUES:
        return None
    if found.again <= BEYOND_CHANCE * agreeing_by_chance(table.x):
        return None
    other = f", {found.contrary} of them with the other label" if found.contrary else ""
    return (
        f"{found.again} of {n} rows are copies of others{other}, so that folds judge rows which their models have "
        "seen; remove the copies, unless they are records of their own that happen to be equal"
    )

"""Which rows train and which are held out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import DataError
from trainer.table import Labels

#: Share of the rows held out.
HOLDOUT_SHARE = 0.2

Rows = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Split:
    """Row numbers of both parts, ascending; together every row once."""

    train: Rows  #: (n_train,)
    holdout: Rows  #: (n_holdout,)


def stratified_split(y: Labels, seed: int, holdout_share: float = HOLDOUT_SHARE) -> Split:
    """Hold out the same share of each class, chosen by ``seed``.

    >>> split = stratified_split(np.repeat(np.array([0, 1], dtype=np.uint8), [5, 10]), seed=0)
    >>> len(split.train), len(split.holdout)
    (12, 3)

    Raises
    ------
    DataError
        A class with fewer than two rows: one part would be without it.
    """
    generator = np.random.default_rng(seed)
    held = np.zeros(len(y), dtype=np.bool_)
    for label in (0, 1):
        rows = np.flatnonzero(y == label)
        if len(rows) < 2:
            raise DataError(f"class {label} has {len(rows)} rows; add labelled rows until each class has two")
        count = min(max(round(holdout_share * len(rows)), 1), len(rows) - 1)
        held[generator.permutation(rows)[:count]] = True
    return Split(np.flatnonzero(~held), np.flatnonzero(held))


def newest_split(times: NDArray[np.int64], holdout_share: float = HOLDOUT_SHARE) -> Split:
    """Hold out the newest share by ``times`` (n,); of equal times the later row counts as newer.

    Raises
    ------
    DataError
        Fewer than two rows.
    """
    n = len(times)
    if n < 2:
        raise DataError(f"{n} labelled rows cannot be split by time; wait for more labels")
    count = min(max(round(holdout_share * n), 1), n - 1)
    order = np.argsort(times, kind="stable")
    return Split(np.sort(order[: n - count]), np.sort(order[n - count :]))

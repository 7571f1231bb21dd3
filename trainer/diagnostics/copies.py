"""Rows whose features are equal, and how many would be by chance.

Pure functions of rows (n, d). Equal means equal numbers, 0 and -0 too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.model import Floats
from trainer.table import Labels

#: With fewer pairs, the share of them that agree is little but chance.
LEAST_PAIRS = 100


@dataclass(frozen=True, eq=False)
class Copies:
    """What occurs again: within the first rows, which train, and of them among the others, which judge."""

    again: int  #: training rows beyond the first of each kind
    across: int  #: held-out rows that are equal to a training row
    contrary: int  #: of both, those with the label that fewer of their equals have
    largest: int  #: how often the row that is there most often is there
    distinct_values: NDArray[np.intp]  #: (d,) of each feature

    @property
    def count(self) -> int:
        """All of them."""
        return self.again + self.across

    @classmethod
    def among(cls, rows: Floats, y: Labels, training: int) -> Copies:
        """Among rows (n, d) with labels (n,), of which the first ``training`` train."""
        columns = list(_columns(rows))
        groups = _groups(columns)
        trained, judged = groups[:training], groups[training:]
        again = training - len(np.unique(trained))
        known = np.isin(judged, trained)
        spoken_of = np.append(np.ones(training, dtype=bool), known)
        sizes = [np.bincount(groups[spoken_of & (y == label)], minlength=len(rows)) for label in (0, 1)]
        return cls(
            again=again,
            across=int(known.sum()),
            contrary=int(np.minimum(*sizes).sum()),
            largest=int(np.bincount(groups).max()),
            distinct_values=np.array([int(column.max()) + 1 for column in columns]),
        )


def agreeing_by_chance(rows: Floats) -> float:
    """Pairs of rows (n, d) that would be equal if none were copied, estimated from the rows themselves.

    The greater of two estimates. One takes the features for independent: the product over them of the chance to
    agree, the sum of squared shares of values. The other goes from feature to feature, the coarsest first: of the
    pairs that agree so far, which share agrees in the next one too? So features that hang together, such as a
    length in two units, count for what they tell beyond those before. Copies agree in everything: as many of the
    pairs as the estimate leaves unexplained are taken for copies and left out of the share, and where few are left
    it is the feature's own.
    """
    columns = sorted(_columns(rows), key=lambda column: int(column.max()))
    whole = len(rows) * (len(rows) - 1) / 2.0
    copied = _pairs(_groups(columns))
    groups, before, expected, independent = None, whole, whole, whole
    for column in columns:
        alone = _pairs(column)
        share = max(alone - copied, 0.0) / whole
        groups = column if groups is None else _finer(groups, column)
        agreeing = _pairs(groups)
        copies = min(copied, max(before - expected, 0.0))
        if groups is not column and before - copies >= LEAST_PAIRS:
            share = max(share, (agreeing - copies) / (before - copies))
        before, expected, independent = agreeing, expected * share, independent * alone / whole
    return max(expected, independent)


def _columns(rows: Floats) -> Iterator[NDArray[np.intp]]:
    """(n,) the number of each row's value among the values of its feature, feature by feature."""
    for values in rows.T:
        yield np.unique(values, return_inverse=True)[1].reshape(-1)


def _groups(columns: list[NDArray[np.intp]]) -> NDArray[np.intp]:
    """(n,) equal numbers for rows that are equal in all columns."""
    groups = np.zeros(len(columns[0]), dtype=np.intp)
    # the finest column first: where no two rows agree in it, the others need not be looked at
    for column in sorted(columns, key=lambda each: -int(each.max())):
        groups = _finer(groups, column)
        if int(groups.max()) == len(groups) - 1:
            break
    return groups


def _finer(groups: NDArray[np.intp], column: NDArray[np.intp]) -> NDArray[np.intp]:
    """(n,) groups in which the column agrees too. Both count from 0, so that the product holds for any table."""
    numbered: NDArray[np.intp] = np.unique(groups * (int(column.max()) + 1) + column, return_inverse=True)[1]
    return numbered.reshape(-1)


def _pairs(groups: NDArray[np.intp]) -> float:
    """Pairs of rows in one group."""
    sizes = np.bincount(groups).astype(np.float64)
    return float((sizes * (sizes - 1.0)).sum() / 2.0)

"""Count, mean and standard deviation of rows in blocks, and what keeps such rows from being used."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from core.errors import DataError
from core.model import Floats
from core.profile import CONSTANT_TOLERANCE
from trainer.metrics.weighting import check_weights
from trainer.solvers.objective import Block
from trainer.table import MAX_MAGNITUDE


@dataclass(frozen=True, eq=False)
class Moments:
    """Count, mean and standard deviation of each column, from one pass; each row counts once."""

    rows: int
    class1_rows: int
    mean: Floats  #: (d,)
    standard_deviation: Floats  #: (d,) with divisor n; 0 for a constant column, whose mean is then its value
    first: Floats  #: (d,) the first row
    class_weights: tuple[float, float]  #: summed weights of the rows of class 0 and 1

    def standardise(self, x: Floats) -> Floats:
        """(k, d) distances of rows (k, d) from the mean in standard deviations; 0 for constant columns."""
        varies = self.standard_deviation > 0
        return np.where(varies, (x - self.mean) / np.where(varies, self.standard_deviation, 1.0), 0.0)


def block_moments(blocks: Iterable[Block]) -> Moments:
    """Moments of the rows of ``blocks`` in one pass.

    Source: Chan, Golub and LeVeque 1983, The American Statistician 37:242, for the union of two sets.

    Raises
    ------
    DataError
        No rows, or rows of one class that have any weight; blocks whose parts do not fit together;
        values that are not finite or too large to standardise; impossible weights.
    """
    rows, class1_rows = 0, 0
    sums = np.zeros(2)
    mean: Floats | None = None
    first, squares, constant = np.zeros(0), np.zeros(0), np.zeros(0, dtype=np.bool_)
    for block in blocks:
        x, y, weights = block
        if not len(y):
            continue
        _check_block(block, rows, x.shape[-1] if mean is None else len(mean))
        here = x.mean(axis=0)
        here_squares = ((x - here) ** 2).sum(axis=0)
        if mean is None:
            mean, squares = here, here_squares
            first, constant = x[0].copy(), np.ones(x.shape[1], dtype=np.bool_)
        else:
            apart = here - mean
            share = len(y) / (rows + len(y))
            squares = squares + here_squares + apart**2 * (rows * share)
            mean = mean + apart * share
        constant &= (x == first).all(axis=0)
        rows += len(y)
        class1_rows += int(y.sum())
        sums += np.bincount(y, weights, minlength=2)
    if mean is None:
        raise DataError("the blocks hold no rows; give labelled rows of both classes")
    if not sums.all():
        raise DataError("all rows of any weight are of one class; add labelled rows of the other")
    deviation = np.sqrt(squares / rows)
    constant |= deviation <= CONSTANT_TOLERANCE * np.abs(mean)
    zero, one = sums.tolist()
    return Moments(
        rows=rows,
        class1_rows=class1_rows,
        mean=np.where(constant, first, mean),
        standard_deviation=np.where(constant, 0.0, deviation),
        first=first,
        class_weights=(zero, one),
    )


def _check_block(block: Block, rows_before: int, width: int) -> None:
    """Raises DataError for what no sum should swallow."""
    x, y, weights = block
    if x.shape != (len(y), width):
        raise DataError(
            f"a block has {len(y)} labels for rows of shape {x.shape}; pass one label a row, and "
            "as many columns in each block"
        )
    with np.errstate(invalid="ignore"):
        usable = np.abs(x) <= MAX_MAGNITUDE
    if not usable.all():
        row, column = np.argwhere(~usable)[0]
        raise DataError(
            f"row {rows_before + row + 1} of the blocks holds {x[row, column]} in column {column + 1}; "
            f"rescale it to finite values below {MAX_MAGNITUDE:g}"
        )
    # a block may hold nothing but rows without weight, all blocks together may not
    if weights is not None and (weights.shape != y.shape or weights.any()):
        check_weights(weights, len(y))

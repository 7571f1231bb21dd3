"""Isotonic calibration: the non-decreasing staircase nearest to the outcomes, by pooling adjacent violators."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.calibration import Calibration
from core.errors import DataError
from core.model import Floats
from trainer.calibration.targets import calibration_rows
from trainer.table import Labels

#: Whole-array passes go on while they leave no more than this share of the blocks; then one walk does the rest, so
#: that the work is linear in the rows whatever their order.
_WORTH_ANOTHER_PASS = 0.8


@dataclass(frozen=True, eq=False)
class _Blocks:
    """Adjacent values that have been pooled: their weighted sums, weights and first places."""

    sums: Floats  #: (k,)
    weights: Floats  #: (k,) above zero
    starts: NDArray[np.intp]  #: (k,)

    def pooled(self, starts: NDArray[np.intp]) -> _Blocks:
        """Blocks from each of ``starts`` to the next, numbers of blocks here."""
        return _Blocks(
            np.add.reduceat(self.sums, starts), np.add.reduceat(self.weights, starts), self.starts[starts]
        )


def isotonic_regression(values: Floats, weights: Floats | None = None) -> Floats:
    """(n,) the non-decreasing sequence of least weighted squared distance to ``values`` (n,), in their order.

    Source: pool adjacent violators (Ayer et al. 1955, Annals of Mathematical Statistics 26:641); O(n).

    >>> isotonic_regression(np.array([1.0, 3.0, 2.0, 4.0])).tolist()
    [1.0, 2.5, 2.5, 4.0]

    Raises
    ------
    DataError
        Weights that are not all above zero, or not one a value.
    """
    w = np.ones(len(values)) if weights is None else weights
    if w.shape != values.shape or not (w > 0).all():
        raise DataError("isotonic regression needs one weight above zero for each value")
    if not len(values):
        return values.copy()
    blocks = _pool(_Blocks(values * w, w, np.arange(len(values))))
    lengths = np.diff(np.append(blocks.starts, len(values)))
    return np.repeat(blocks.sums / blocks.weights, lengths)


def fit_isotonic(logit: Floats, y: Labels, weights: Floats | None = None) -> Calibration:
    """Fit a non-decreasing map of logits (n,) to outcomes; rows of equal logit count as one.

    The model was not trained on the rows. It assumes no form, and needs many rows: with fewer than a thousand it
    follows their chances (Niculescu-Mizil and Caruana 2005, ICML 625). Probabilities stay within Platt's targets:
    a step of rows of one class would else be 0 or 1, and the first row that contradicts it would cost an infinite
    loss. Source: Zadrozny and Elkan 2002, KDD 694.

    Raises
    ------
    DataError
        Rows of one class, all of one logit, or on which a higher logit does not mean a more probable class 1.
    """
    rows = calibration_rows(logit, y, weights)
    counted = rows.weights > 0
    places, group = np.unique(rows.logit[counted], return_inverse=True)
    grouped = np.bincount(group, weights=rows.weights[counted]).astype(np.float64)
    class_1 = np.bincount(group, weights=(rows.weights * (rows.y == 1))[counted])
    heights = isotonic_regression(class_1 / grouped, grouped)
    if not heights[-1] > heights[0]:
        raise DataError("a higher logit does not mean a more probable class 1")
    rises = np.flatnonzero(np.diff(heights) > 0)
    ends = np.unique(np.concatenate([[0], rises, rises + 1, [len(places) - 1]]))
    return Calibration("isotonic", np.vstack([places[ends], np.clip(heights[ends], *rows.bounds)]))


def _pool(blocks: _Blocks) -> _Blocks:
    """Blocks whose means rise.

    A jump of the solution can only be where the next mean is higher, so everything between two such places may be
    pooled at once, and again what that gives.
    """
    while True:
        means = blocks.sums / blocks.weights
        starts = np.concatenate([[0], np.flatnonzero(means[1:] > means[:-1]) + 1])
        if len(starts) == len(means):
            return blocks
        fewer = blocks.pooled(starts)
        if len(starts) > _WORTH_ANOTHER_PASS * len(means):
            return _walked(fewer)
        blocks = fewer


def _walked(blocks: _Blocks) -> _Blocks:
    """The same by a walk that looks back: each block is pushed once and pooled away at most once."""
    sums: list[float] = []
    weights: list[float] = []
    starts: list[int] = []
    for place, (total, weight) in enumerate(zip(blocks.sums.tolist(), blocks.weights.tolist(), strict=True)):
        first = place
        while sums and sums[-1] * weight >= total * weights[-1]:  # its mean is not below; no quotient is rounded
            total += sums.pop()  # noqa: PLW2901  (the block grows by what it pools)
            weight += weights.pop()  # noqa: PLW2901
            first = starts.pop()
        sums.append(total)
        weights.append(weight)
        starts.append(first)
    return _Blocks(np.array(sums), np.array(weights), blocks.starts[np.array(starts)])

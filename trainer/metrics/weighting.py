"""Sample weights, and quotients that may be undefined: what all metrics share.

A bootstrap resample of n rows is the same rows under other weights: how often each was drawn. So every metric is
written once, over many weightings (b, n), and a single figure is the case b = 1.
"""

from __future__ import annotations

import numpy as np

from core.errors import DataError
from core.model import Floats


def row_weights(rows: int, weights: Floats | None = None) -> Floats:
    """(n,) float weights; ones where none are given.

    Raises
    ------
    DataError
        No rows, weights of another shape, negative or not finite ones, or nothing but zeros.
    """
    if not rows:
        raise DataError("there are no rows to judge; give at least one")
    if weights is None:
        return np.ones(rows)
    check_weights(weights, rows)
    return weights.astype(np.float64)


def check_weights(weights: Floats, rows: int) -> None:
    """Raises DataError for weights of another shape than (rows,), negative or not finite ones, or only zeros."""
    if weights.shape != (rows,):
        raise DataError(f"weights of shape {weights.shape} do not fit {rows} rows; give one weight a row")
    usable = np.isfinite(weights) & (weights >= 0)
    if not usable.all():
        row = int(np.argmin(usable))
        raise DataError(f"the weight of row {row} is {weights[row]}; give finite weights of at least zero")
    if not weights.any():
        raise DataError("all weights are zero; give at least one row a weight above zero")


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Elementwise quotient, nan where the denominator is zero; any shapes that fit together."""
    quotient = np.full(np.broadcast_shapes(np.shape(numerator), np.shape(denominator)), np.nan)
    np.divide(numerator, denominator, out=quotient, where=np.asarray(denominator) != 0)
    return quotient


def defined(figure: Floats | float) -> float | None:
    """The one number of an array of size one, None for nan."""
    number = float(np.asarray(figure).item())
    return None if np.isnan(number) else number


def standard_error(values: Floats, weights: Floats) -> float:
    """Of the weighted mean of values (n,) under weights (n,); 0 for a single row that counts."""
    n = int((weights > 0).sum())
    spread = weights * (values - np.average(values, weights=weights))
    return float(np.sqrt((spread**2).sum() * n / max(n - 1, 1)) / weights.sum())

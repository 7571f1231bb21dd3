"""Rows in folds: what is fitted to some of them is judged on the others."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from core.calibration import Calibration
from core.model import Floats
from trainer.loss import reported_probability
from trainer.table import Labels

#: Of a few hundred rows, four fifths fit nearly as well as all; ten folds would take twice the time.
FOLDS = 5

Fitter = Callable[[Floats, Labels, Floats], Calibration | None]


def stratified_folds(y: Labels, seed: int, folds: int = FOLDS) -> NDArray[np.intp]:
    """(n,) number of each row's fold: every class is dealt out evenly, in an order drawn by ``seed``."""
    generator = np.random.default_rng(seed)
    numbers = np.empty(len(y), dtype=np.intp)
    for label in (0, 1):
        rows = np.flatnonzero(y == label)
        # the second class goes on from the other end, so that folds differ by no more than one row of each
        deal = np.arange(len(rows)) % folds
        numbers[generator.permutation(rows)] = deal if label == 0 else folds - 1 - deal
    return numbers


def consecutive_folds(rows: int, folds: int = FOLDS) -> NDArray[np.intp]:
    """(n,) number of each row's fold: runs of neighbours, as long as each other to one row.

    >>> consecutive_folds(7, folds=3).tolist()
    [0, 0, 0, 1, 1, 2, 2]
    """
    return np.arange(rows, dtype=np.intp) * folds // rows


def cross_fitted(fitter: Fitter, logit: Floats, y: Labels, weights: Floats, folds: NDArray[np.intp]) -> Floats:
    """(n,) probability of each row by what ``fitter`` makes of the other folds. Raises what it raises."""
    probability = np.empty(len(logit))
    for fold in np.unique(folds).tolist():
        own = folds == fold
        probability[own] = calibrated(fitter(logit[~own], y[~own], weights[~own]), logit[own])
    return probability


def calibrated(calibration: Calibration | None, logit: Floats) -> Floats:
    """(n,) probabilities of logits (n,) as figures report them."""
    return reported_probability(logit) if calibration is None else calibration.apply(logit)

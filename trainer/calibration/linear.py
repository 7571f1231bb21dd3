"""Minimise the log-loss of a map that is linear in the logit: what Platt and temperature scaling share."""

from __future__ import annotations

import numpy as np

from core.errors import DataError
from core.model import Floats, sigmoid
from trainer.calibration.targets import CalibrationRows

#: Steps and halvings, as in Lin, Lin and Weng 2007 (Machine Learning 68:267, appendix); a dozen steps are usual.
_STEPS = 100
_HALVINGS = 40
#: Added to the diagonal of the second derivative, which is singular where all logits are equal (the same source).
_RIDGE = 1e-12
#: The search ends where a step promises less than this of the mean loss. The source ends at a gradient of 1e-5,
#: which leaves a few units in the sixth digit.
_ENOUGH = 1e-16
#: Share of the promised decrease that a step must bring (Armijo; the same source).
_SUFFICIENT = 1e-4


def fit_linear(design: Floats, start: Floats, rows: CalibrationRows) -> Floats:
    """(k,) coefficients of ``design`` (n, k), logit first, of least mean log-loss to the targets of the rows.

    Newton with backtracking. The loss of a row with target t at log-odds f is log(1 + e^-|f|) + max(f, 0) - t f,
    which neither overflows nor cancels (Lin, Lin and Weng 2007, section 2). Sums are taken without BLAS: the last
    bits of its sums hang on its threads, and those of a model file may not.

    Raises
    ------
    DataError
        Rows on which a higher logit does not mean a more probable class 1.
    """
    targets, weights = rows.targets, rows.weights / rows.weights.sum()
    theta = start
    reached = _loss(_log_odds(design, theta), targets, weights)
    for _ in range(_STEPS):
        probability = sigmoid(_log_odds(design, theta))
        columns = design.T
        gradient = (columns * ((probability - targets) * weights)).sum(axis=1)
        curvature = columns * (probability * (1.0 - probability) * weights)
        hessian = np.array([(curvature * column).sum(axis=1) for column in columns])
        hessian[np.diag_indices(len(theta))] += _RIDGE
        step = np.linalg.solve(hessian, gradient)
        promised = float(gradient @ step)
        if promised < _ENOUGH:
            theta = theta - step  # the digits that the loss does not show
            break
        for halving in range(_HALVINGS):
            share = 0.5**halving
            candidate = theta - share * step
            loss = _loss(_log_odds(design, candidate), targets, weights)
            if loss < reached - _SUFFICIENT * share * promised:
                theta, reached = candidate, loss
                break
        else:
            break  # nothing below it that float64 can tell apart
    if not (np.isfinite(theta).all() and theta[0] > 0):
        raise DataError("a higher logit does not mean a more probable class 1")
    return theta


def _log_odds(design: Floats, theta: Floats) -> Floats:
    log_odds: Floats = (design * theta).sum(axis=1)
    return log_odds


def _loss(log_odds: Floats, targets: Floats, weights: Floats) -> float:
    losses = np.log1p(np.exp(-np.abs(log_odds))) + np.maximum(log_odds, 0.0) - targets * log_odds
    return float((weights * losses).sum())

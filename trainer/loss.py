"""The logistic loss as pure functions over arrays, apart from the solvers that walk it.

Parameters are one vector theta (d + 1,): d weights on standardised features, then the intercept. The objective is
the mean log-loss plus |w|^2 / (2 C n): scikit-learn's convention, in which C is the inverse strength against the
*summed* loss and the intercept is free. C = inf means no penalty.
Source: Hastie, Tibshirani, Friedman, *The Elements of Statistical Learning*, 2nd ed., section 4.4.1.
"""

from __future__ import annotations

import numpy as np

from core.model import Floats, sigmoid
from trainer.table import Labels

#: Probabilities in a reported loss stay this far from 0 and 1: one certain mistake costs 34.5, not infinity.
PROBABILITY_CLIP = 1e-15
#: Logits in a reported loss stay within this: beyond, the clipped probability says the same.
LOGIT_CLIP = 500.0


def logits(theta: Floats, x: Floats) -> Floats:
    """(n,) log-odds for ``x`` (n, d)."""
    logit: Floats = x @ theta[:-1] + theta[-1]
    return logit


def value(theta: Floats, x: Floats, y: Labels, c: float) -> float:
    """The objective; exact at any logit, because log(1 + e^-m) is taken of the signed margin m."""
    margins = np.where(y == 1, 1.0, -1.0) * logits(theta, x)
    return float(np.logaddexp(0.0, -margins).mean()) + _penalty(c, len(y)) / 2 * float(theta[:-1] @ theta[:-1])


def gradient(theta: Floats, x: Floats, y: Labels, c: float) -> Floats:
    """(d + 1,) derivative of :func:`value`."""
    return gradient_at(logits(theta, x), theta, x, y, c)


def gradient_at(logit: Floats, theta: Floats, x: Floats, y: Labels, c: float) -> Floats:
    """(d + 1,) derivative of :func:`value` for logits (n,) already known, clipped or not."""
    residual = (sigmoid(logit) - y) / len(y)
    return np.append(residual @ x + _penalty(c, len(y)) * theta[:-1], residual.sum())


def hessian(theta: Floats, x: Floats, c: float) -> Floats:
    """(d + 1, d + 1) second derivative of :func:`value`; it does not depend on the labels."""
    with_one = np.column_stack([x, np.ones(len(x))])
    p = sigmoid(logits(theta, x))
    curvature = (with_one.T * (p * (1.0 - p) / len(x))) @ with_one
    curvature[np.diag_indices(len(theta) - 1)] += _penalty(c, len(x))
    return curvature


def _penalty(c: float, n: int) -> float:
    return 1.0 / (c * n)


def row_losses(y: Labels, probability: Floats) -> Floats:
    """(n,) log-loss of each row, with probabilities clipped to :data:`PROBABILITY_CLIP`."""
    p = np.clip(probability, PROBABILITY_CLIP, 1.0 - PROBABILITY_CLIP)
    return -np.log(np.where(y == 1, p, 1.0 - p))


def log_loss(y: Labels, probability: Floats) -> float:
    """Mean log-loss as it is reported.

    >>> round(log_loss(np.array([1, 0], dtype=np.uint8), np.array([0.5, 0.5])), 6)
    0.693147
    """
    return float(row_losses(y, probability).mean())


def reported_probability(logit: Floats) -> Floats:
    """Probability of class 1 of logits clipped to :data:`LOGIT_CLIP`."""
    return sigmoid(np.clip(logit, -LOGIT_CLIP, LOGIT_CLIP))

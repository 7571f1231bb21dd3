"""The logistic loss as pure functions over arrays, apart from the solvers that walk it.

Parameters are one vector theta (d + 1,): d weights on standardised features, then the intercept. The objective is
the weighted mean log-loss plus |w|^2 / (2 C S) with S the sum of the rows' weights: scikit-learn's convention, in
which C is the inverse strength against the *summed* loss and the intercept is free. C = inf means no penalty, and
``weights`` None counts each row once, so that S = n.
Source: Hastie, Tibshirani, Friedman, *The Elements of Statistical Learning*, 2nd ed., section 4.4.1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.sigmoid import LOGIT_CLIP, Floats, sigmoid
from trainer.table import Labels

#: Probabilities in a reported loss stay this far from 0 and 1: one certain mistake costs 34.5, not infinity.
PROBABILITY_CLIP = 1e-15


@dataclass(frozen=True, eq=False)
class Derivatives:
    """A function of theta (d + 1,) at one place: its value and its first and second derivative."""

    value: float
    gradient: Floats  #: (d + 1,)
    hessian: Floats  #: (d + 1, d + 1)

    def __add__(self, other: Derivatives) -> Derivatives:
        return Derivatives(self.value + other.value, self.gradient + other.gradient, self.hessian + other.hessian)


def logits(theta: Floats, x: Floats) -> Floats:
    """(n,) log-odds for ``x`` (n, d); not finite, without a warning, where they overflow."""
    with np.errstate(over="ignore", invalid="ignore"):
        logit: Floats = x @ theta[:-1] + theta[-1]
    return logit


def value(theta: Floats, x: Floats, y: Labels, c: float, weights: Floats | None = None) -> float:
    """The objective; exact at any logit, because log(1 + e^-m) is taken of the signed margin m."""
    return value_at(logits(theta, x), theta, y, c, weights)


def value_at(logit: Floats, theta: Floats, y: Labels, c: float, weights: Floats | None = None) -> float:
    """:func:`value` for logits (n,) already known; not finite, without a warning, where they are not."""
    total = total_weight(y, weights)
    return summed_loss(logit, y, weights) / total + penalty(theta, c, total)


def summed_loss(logit: Floats, y: Labels, weights: Floats | None = None) -> float:
    """Log-loss of rows with logits (n,), summed and exact."""
    with np.errstate(over="ignore", invalid="ignore"):
        losses = np.logaddexp(0.0, -margins(logit, y))
        return float((losses if weights is None else losses * weights).sum())


def gradient(theta: Floats, x: Floats, y: Labels, c: float, weights: Floats | None = None) -> Floats:
    """(d + 1,) derivative of :func:`value`."""
    return gradient_at(logits(theta, x), theta, x, y, c, weights)


def gradient_at(
    logit: Floats, theta: Floats, x: Floats, y: Labels, c: float, weights: Floats | None = None
) -> Floats:
    """(d + 1,) derivative of :func:`value` for logits (n,) already known, clipped or not."""
    total = total_weight(y, weights)
    residual = (sigmoid(logit) - y) / total
    if weights is not None:
        residual *= weights
    return np.append(residual @ x + theta[:-1] / (c * total), residual.sum())


def row_sums(logit: Floats, x: Floats, y: Labels, weights: Floats | None = None) -> Derivatives:
    """The summed log-loss of rows with logits (n,), without penalty; sums over blocks add up to those of all.

    One exponential a row serves all three, and keeps the digits of 1 - p where p has rounded to 1: with
    e = exp(-|logit|) the curvature p (1 - p) is e / (1 + e)^2. Where logits overflow the sums are not finite,
    without a warning.
    """
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        margin = margins(logit, y)
        width = x.shape[1] + 1
        small = np.exp(-np.abs(margin))
        losses = np.log1p(small) + np.maximum(-margin, 0.0)
        doubt = np.where(margin >= 0, small, 1.0) / (1.0 + small)  # probability of the other class
        residual = np.where(y == 1, -doubt, doubt)
        curvature = small / (1.0 + small) ** 2
        if weights is not None:
            losses, residual, curvature = losses * weights, residual * weights, curvature * weights
        second = np.empty((width, width))
        second[:-1, :-1] = (x.T * curvature) @ x
        second[-1, :-1] = second[:-1, -1] = curvature @ x
        second[-1, -1] = curvature.sum()
        return Derivatives(float(losses.sum()), np.append(residual @ x, residual.sum()), second)


def penalised(sums: Derivatives, theta: Floats, c: float, total: float) -> Derivatives:
    """The objective from the sums over all rows, whose weights add up to ``total``."""
    strength = 1.0 / (c * total)
    slope = sums.gradient / total
    slope[:-1] += strength * theta[:-1]
    second = sums.hessian / total
    second[np.diag_indices(len(theta) - 1)] += strength
    return Derivatives(sums.value / total + penalty(theta, c, total), slope, second)


def penalty(theta: Floats, c: float, total: float) -> float:
    """|w|^2 / (2 C S), the part of the objective that is not of the rows; inf where it overflows."""
    with np.errstate(over="ignore"):
        return 0.5 / (c * total) * float(theta[:-1] @ theta[:-1])


def margins(logit: Floats, y: Labels) -> Floats:
    """(n,) logits, negative where they speak for the wrong class."""
    return np.where(y == 1, logit, -logit)


def row_losses(y: Labels, probability: Floats) -> Floats:
    """(n,) log-loss of each row, with probabilities clipped to :data:`PROBABILITY_CLIP`."""
    p = np.clip(probability, PROBABILITY_CLIP, 1.0 - PROBABILITY_CLIP)
    return -np.log(np.where(y == 1, p, 1.0 - p))


def reported_probability(logit: Floats) -> Floats:
    """Probability of class 1 of logits clipped to :data:`core.sigmoid.LOGIT_CLIP`."""
    return sigmoid(np.clip(logit, -LOGIT_CLIP, LOGIT_CLIP))


def total_weight(y: Labels, weights: Floats | None = None) -> float:
    """S, the sum of the rows' weights."""
    return float(len(y) if weights is None else weights.sum())

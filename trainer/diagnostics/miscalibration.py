"""How far probabilities are off, and in which way, by the outcomes of rows that the model never saw.

Pure functions of outcomes and probabilities (n,), in which both classes occur.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.model import Floats, sigmoid
from trainer.loss import PROBABILITY_CLIP, logits, margins
from trainer.metrics.reliability import BinnedRows, calibration_error_floor, expected_calibration_error
from trainer.solvers.base import Problem
from trainer.solvers.newton import Newton
from trainer.table import Labels

#: Halvings of the interval in which the level is looked for, to the rounding of a logit.
HALVINGS = 60


@dataclass(frozen=True, eq=False)
class Recalibration:
    """What a logistic regression of the outcomes on the model's logit makes of its probabilities.

    Its gain in log-loss has two parts: of the level alone (the offset, with the slope left at 1), and of the slope
    beyond that. Both are doubled and summed over the rows: by chance they are chi-squared, one degree of freedom
    each. Sources: Cox 1958, Biometrika 45:562; Miller, Hui and Tierney 1991, Statistics in Medicine 10:1213.
    """

    level: float  #: what to add to each logit, with the slope left at 1
    slope: float  #: below 1: too sure; beyond all numbers where the logit parts the classes
    level_gain: float
    slope_gain: float
    level_gap: float  #: mean absolute change of a probability
    slope_gap: float
    gap: float  #: of both together

    @property
    def gain(self) -> float:
        """Of both: chi-squared with two degrees of freedom by chance."""
        return self.level_gain + self.slope_gain

    @classmethod
    def of(cls, y: Labels, probability: Floats) -> Recalibration:
        """Recalibrate ``probability`` to ``y``."""
        logit = _logit(probability)
        level = _level(y, logit)
        found = Newton(c=np.inf, tolerance=1e-8).solve(Problem(logit[:, None], y), 0, np.array([1.0, level]))
        levelled, both = logit + level, logits(found.theta, logit[:, None])
        as_it_is, p_levelled, p_both = sigmoid(logit), sigmoid(levelled), sigmoid(both)
        return cls(
            level=level,
            slope=np.inf if found.separation is not None else float(found.coefficients[0]),
            level_gain=2.0 * (_loss(y, logit) - _loss(y, levelled)),
            slope_gain=2.0 * (_loss(y, levelled) - _loss(y, both)),
            level_gap=float(np.abs(p_levelled - as_it_is).mean()),
            slope_gap=float(np.abs(p_both - p_levelled).mean()),
            gap=float(np.abs(p_both - as_it_is).mean()),
        )


@dataclass(frozen=True)
class BinnedError:
    """The expected calibration error, and what a perfect model has by chance."""

    error: float
    floor: float  #: mean of the error by chance
    spread: float  #: standard deviation of the error by chance

    @classmethod
    def of(cls, y: Labels, probability: Floats) -> BinnedError:
        """In ten bins of equal width, as the model card has it.

        By chance a bin's excess is about normal with the variance v of its sum of outcomes: its absolute value has
        the variance (1 - 2 / pi) v.
        """
        rows = BinnedRows.of(y, probability)
        variance = rows.sums(np.ones((1, len(y))), rows.probability * (1.0 - rows.probability))
        return cls(
            error=expected_calibration_error(y, probability),
            floor=calibration_error_floor(probability),
            spread=float(np.sqrt((1.0 - 2.0 / np.pi) * variance.sum()) / len(y)),
        )


def _logit(probability: Floats) -> Floats:
    p = np.clip(probability, PROBABILITY_CLIP, 1.0 - PROBABILITY_CLIP)
    logit: Floats = np.log(p) - np.log1p(-p)
    return logit


def _level(y: Labels, logit: Floats) -> float:
    """What to add to logits (n,) so that their mean probability is the share of class 1."""
    lower, upper = -2.0 * float(np.abs(logit).max()) - 50.0, 2.0 * float(np.abs(logit).max()) + 50.0
    for _ in range(HALVINGS):
        middle = (lower + upper) / 2.0
        lower, upper = (middle, upper) if sigmoid(logit + middle).mean() < y.mean() else (lower, middle)
    return (lower + upper) / 2.0


def _loss(y: Labels, logit: Floats) -> float:
    """Log-loss summed over the rows, exact at any logit."""
    return float(np.logaddexp(0.0, -margins(logit, y)).sum())

"""Which L2 penalty: the strength whose models lose least on rows that they were not trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.errors import DataError
from core.model import Floats
from trainer.calibration.folds import consecutive_folds, stratified_folds
from trainer.loss import logits, reported_probability, row_losses
from trainer.solvers.base import Problem, Solver
from trainer.solvers.newton import Newton
from trainer.table import Labels

#: Inverse strengths that are tried: those of scikit-learn's ``LogisticRegressionCV``.
PENALTIES = tuple(float(c) for c in np.logspace(-4, 4, 10))
#: The best penalty hangs on the number of rows, so that the folds should train on nearly all of them.
PENALTY_FOLDS = 10
#: A gradient of this size moves the log-loss of other rows by less than 1e-6, nearly collinear features included
#: (Raisin), which no choice between strengths notices.
_TOLERANCE = 1e-8

#: Makes the solver for an inverse strength.
Recipe = Callable[[float], Solver]


class PenaltyFigures(msgspec.Struct, frozen=True):
    """How one strength does on the rows, each judged by a model trained without its fold."""

    inverse_l2: float
    log_loss: float
    difference: float  #: from the least log-loss
    standard_error: float  #: of the difference


class PenaltyChoice(msgspec.Struct, frozen=True):
    """The strength that was taken, and the figures of all, the strongest penalty first."""

    inverse_l2: float
    figures: tuple[PenaltyFigures, ...]


def newton_recipe(c: float) -> Newton:
    """Newton's method, as far as a choice between strengths needs it."""
    return Newton(c=c, tolerance=_TOLERANCE)


def choose_penalty(
    z: Floats,
    y: Labels,
    seed: int,
    recipe: Recipe = newton_recipe,
    penalties: Sequence[float] = PENALTIES,
    folds: int = PENALTY_FOLDS,
    *,
    by_time: bool = False,
) -> PenaltyChoice:
    """Choose the inverse strength of L2 by log-loss in folds of standardised rows ``z`` (n, d).

    Taken is the strength of the least log-loss, of equal ones the strongest penalty. The "one standard error"
    rule is left alone: it takes the simplest model that predicts about as well, and a stronger penalty makes
    probabilities timid (Raisin: calibration error .049 in place of .034). Each fold's solvers go from the
    strongest penalty to the weakest, each from where the one before arrived.

    ``by_time``: the rows are in the order of time, and folds are runs of neighbours where every remainder has both
    classes.

    Raises
    ------
    DataError
        Fewer than two rows of a class a fold, or no strength.
    """
    strengths = sorted(set(penalties))
    if not strengths:
        raise DataError("there is no penalty to choose; name at least one inverse strength")
    fewest = min(int((y == 0).sum()), int((y == 1).sum()))
    if fewest < 2 * folds:
        raise DataError(
            f"one class has {fewest} training rows, too few to choose a penalty in {folds} folds; add rows until "
            f"it has {2 * folds}, or set inverse_l2"
        )
    losses = np.empty((len(strengths), len(y)))
    numbers = _folds(y, seed, folds, by_time=by_time)
    for fold in range(folds):
        own = numbers == fold
        problem = Problem(z[~own], y[~own])
        theta = None
        for place, c in enumerate(strengths):
            theta = recipe(c).solve(problem, seed, theta).theta
            losses[place, own] = row_losses(y[own], reported_probability(logits(theta, z[own])))
    return _chosen(strengths, losses)


def _folds(y: Labels, seed: int, folds: int, *, by_time: bool) -> NDArray[np.intp]:
    """(n,) number of each row's fold."""
    if by_time:
        numbers = consecutive_folds(len(y), folds)
        if all(np.ptp(y[numbers != fold]) > 0 for fold in range(folds)):
            return numbers
    return stratified_folds(y, seed, folds)


def _chosen(strengths: Sequence[float], losses: Floats) -> PenaltyChoice:
    """By the losses (s, n) of each row under each of s strengths, ascending."""
    means = losses.mean(axis=1)
    differences = losses - losses[means.argmin()]
    errors = differences.std(axis=1, ddof=1) / np.sqrt(losses.shape[1])
    figures = tuple(
        PenaltyFigures(c, float(mean), float(difference.mean()), float(error))
        for c, mean, difference, error in zip(strengths, means, differences, errors, strict=True)
    )
    return PenaltyChoice(strengths[int(means.argmin())], figures)

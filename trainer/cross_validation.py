"""Rows judged by models that never saw them: the figures of a way to train, rather than of one model.

Each fold goes the whole way of a fit: scale, penalty where it is to be chosen, weights, calibration and operating
point, all from its training rows alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec
import numpy as np

from core.errors import DataError
from core.model import Floats, LogisticModel
from core.profile import moments
from trainer.calibration.folds import calibrated
from trainer.calibration.report import CalibrationOption
from trainer.decision import Choices, decide
from trainer.diagnostics.arrival import arrived
from trainer.evaluation import Evaluation, evaluate
from trainer.metrics.reliability import calibration_error_floor, expected_calibration_error
from trainer.out_of_sample import cross_fit, stopping_problem
from trainer.penalty import PENALTIES, Recipe, choose_penalty
from trainer.solvers.base import Problem
from trainer.solvers.newton import Newton
from trainer.split import Rows, Split
from trainer.table import Labels, Table

#: What commands ask for by default.
AUTO_CALIBRATION = Choices("auto")


def newton(c: float) -> Newton:
    """The default recipe."""
    return Newton(c=c)


@dataclass(frozen=True)
class Training:
    """A way to train."""

    recipe: Recipe = newton  #: makes the solver for an inverse strength of L2
    inverse_l2: float | None = 1.0  #: None: chosen in folds of the training rows, see :mod:`trainer.penalty`
    penalties: tuple[float, ...] = PENALTIES  #: among these
    choices: Choices = AUTO_CALIBRATION


class FoldFigures(msgspec.Struct, frozen=True):
    """One fold."""

    train_rows: int
    inverse_l2: float | None  #: None: no penalty
    arrived: bool  #: the solver ended at the optimum, or where it was to stop early
    calibration: CalibrationOption
    judged: Evaluation  #: on the rows that were held out, at the threshold that its training rows chose


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """What the folds found, and what the models of the folds say of the rows they did not see."""

    folds: tuple[FoldFigures, ...]
    rows: Rows  #: (m,) numbers of the rows that were judged, each once
    y: Labels  #: (m,)
    probability: Floats  #: (m,) of class 1, calibrated

    @cached_property
    def accuracy(self) -> float:
        """Share of all judged rows that are predicted rightly, each at the threshold of its fold."""
        right = sum(fold.judged.true_negatives + fold.judged.true_positives for fold in self.folds)
        return right / len(self.y)

    @cached_property
    def expected_calibration_error(self) -> float:
        """Of all judged rows together, in ten bins of equal width."""
        return expected_calibration_error(self.y, self.probability)

    @cached_property
    def calibration_error_floor(self) -> float:
        """What a perfect model with these probabilities has of it by chance, on average."""
        return calibration_error_floor(self.probability)


def cross_validate(
    table: Table,
    splits: Sequence[Split],
    seed: int,
    training: Training | None = None,
    on_fold: Callable[[], None] | None = None,
) -> CrossValidation:
    """Train on one part of each split and judge on the other; deterministic.

    Parameters
    ----------
    splits
        Such as :func:`trainer.split.stratified_splits` or :func:`trainer.split.time_ordered_splits`; no row is
        held out twice.
    on_fold
        Is called when a fold is done.

    Raises
    ------
    DataError
        A training part of one class or without a feature that varies, an empty holdout, values that are not
        finite, or what the choices of penalty and threshold raise.
    """
    way = training or Training()
    probability = np.empty(len(table.y))
    found = []
    for split in splits:
        figures, judged = _judged(table, split, seed, way)
        probability[split.holdout] = judged
        found.append(figures)
        if on_fold is not None:
            on_fold()
    rows = np.sort(np.concatenate([split.holdout for split in splits]))
    return CrossValidation(tuple(found), rows, table.y[rows], probability[rows])


def _judged(table: Table, split: Split, seed: int, way: Training) -> tuple[FoldFigures, Floats]:
    """The figures of one fold, and the probabilities (m,) of the rows that it holds out."""
    x, y = table.x[split.train], table.y[split.train]
    mean, deviation = _checked_moments(x, y, split, table.classes)
    varies = deviation > 0
    z = np.where(varies, (x - mean) / np.where(varies, deviation, 1.0), 0.0)
    c = way.inverse_l2
    if c is None:
        c = choose_penalty(z, y, seed, way.recipe, way.penalties, by_time=split.by_time).inverse_l2
    solver = way.recipe(c)
    whole = Problem(z, y)
    problem = stopping_problem(z, y, seed) if solver.stops_early else whole
    solution = solver.solve(problem, seed)
    out_of_sample = None
    if way.choices.anything:
        out_of_sample = cross_fit(whole, solver, seed, solution, by_time=split.by_time)
    coefficients = np.where(varies, solution.coefficients, 0.0)
    weighed = LogisticModel(table.schema, coefficients, solution.intercept, mean, deviation)
    decision = decide(weighed, out_of_sample, way.choices)
    model = decision.model
    probability = calibrated(model.calibration, model.score(table.x[split.holdout]).logit)
    return FoldFigures(
        train_rows=len(y),
        inverse_l2=c if np.isfinite(c) else None,
        arrived=arrived(solver, problem, solution),
        calibration=decision.calibration.chosen,
        judged=evaluate(table.y[split.holdout], probability, model.threshold),
    ), probability


def _checked_moments(x: Floats, y: Labels, split: Split, classes: tuple[str, str]) -> tuple[Floats, Floats]:
    """(d,) mean and standard deviation of training rows that a model can be made of."""
    for label, name in enumerate(classes):
        if not (y == label).any():
            raise DataError(
                f"no row of class {name!r} is among the {len(y)} that train for a fold; ask for fewer folds, or "
                "give rows in another order"
            )
    if not len(split.holdout):
        raise DataError("a fold holds no row out; ask for fewer folds")
    mean, deviation = moments(x)
    if not (np.isfinite(mean).all() and np.isfinite(deviation).all()):
        raise DataError("a feature holds values that are not finite or too large; correct its unit")
    if not deviation.any():
        raise DataError("every feature has the same value in all rows that train for a fold; ask for fewer folds")
    return mean, deviation

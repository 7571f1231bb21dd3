"""Rows that speak for a model because it was not trained on them: calibration and threshold are found on them.

Three things never mix: rows that train, rows that calibrate and choose the threshold, rows that judge. So that the
first two need not share out the training rows between them, every training row is scored by a model of the same
recipe that was trained without its fold (:func:`cross_fit`); the deployed model is trained on all of them. This is
scikit-learn's ``CalibratedClassifierCV(ensemble=False)``, with folds that know time.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.drift.homogeneity import is_grouped_by_class
from core.errors import DataError, ModelFileError, UnknownRun
from core.miniflow import MiniFlow
from core.model import Floats
from core.npz import encode_npz
from trainer.calibration.folds import FOLDS, consecutive_folds, stratified_folds
from trainer.solvers.base import Problem, Solution, Solver
from trainer.split import stratified_split
from trainer.table import Labels

#: Where a run keeps the rows that its calibration and threshold were found on.
OUT_OF_SAMPLE_ARTIFACT = "out_of_sample.npz"
#: Training rows of a class: without a fold two are left, one to train and one by which a solver may stop.
LEAST_CLASS_ROWS = 3
#: With more rows one fold is scored and not five: its 10,000 rows pin a map of two parameters down to an excess
#: log-loss of 2 / (2 * 10,000) = 1e-4 (Wilks), and the other four models would double the time of a fit.
MOST_CROSS_FITTED_ROWS = 50_000
#: But so many rows of each class are scored, where there are: a threshold by recall is chosen on those of class 1.
#: With 500 of them a recall of .9 is one of .87 to .92 on fresh rows; with fewer it is chance.
ENOUGH_CLASS_ROWS = 500


@dataclass(frozen=True, eq=False)
class OutOfSample:
    """Logits of rows by models that never saw them, and what the rows turned out to be.

    Raises
    ------
    DataError
        Logits that are not finite.
    """

    logit: Floats  #: (n,)
    y: Labels  #: (n,)
    folds: NDArray[np.intp]  #: (n,) number of each row's fold: maps and thresholds are compared across them
    weights: Floats | None = None  #: (n,) how often each row counts; None: once

    def __post_init__(self) -> None:
        if not np.isfinite(self.logit).all():
            raise DataError("the logit of a row is not finite; check the units of the features")

    @classmethod
    def of(
        cls, logit: Floats, y: Labels, seed: int, weights: Floats | None = None, *, by_time: bool = False
    ) -> OutOfSample:
        """Rows of a model that never saw them, in new folds; ``by_time``: each of rows that follow each other."""
        folds = consecutive_folds(len(y)) if by_time else stratified_folds(y, seed)
        return cls(logit, y, folds, weights)

    @property
    def encoded(self) -> bytes:
        """An ``npz`` without pickle; equal rows give equal bytes."""
        weighted = {} if self.weights is None else {"weights": self.weights}
        return encode_npz({"logit": self.logit, "y": self.y, "folds": self.folds.astype(np.uint8), **weighted})


def cross_fit(
    problem: Problem,
    solver: Solver,
    seed: int,
    solution: Solution,
    start: Floats | None = None,
    *,
    by_time: bool = False,
) -> OutOfSample | None:
    """Score the rows of ``problem``, whose ``solution`` is the deployed model's, each by a model without its fold.

    A solver that arrives is started where all rows led, which saves half its steps and changes nothing. One that
    does not arrive would carry what it saw of the fold along: it starts from ``start`` (d + 1,), as the deployed
    model did. The scale of the features is that of all training rows; no outcome has a part in it. Rows that weigh
    nothing are left out, and beyond :data:`MOST_CROSS_FITTED_ROWS` as few folds are scored as have
    :data:`ENOUGH_CLASS_ROWS` of both classes, the newest ones ``by_time``.

    Parameters
    ----------
    problem
        All training rows; where the solver stops early, each fold keeps a fifth of its own rows to stop by.
    by_time
        Whether the rows are in the order of time and judged by later ones. Then folds are runs of neighbours: a
        row between two neighbours of its own fold is no news (Roberts et al. 2017, Ecography 40:913).

    Returns
    -------
    OutOfSample or None
        None where a class has fewer than :data:`LEAST_CLASS_ROWS` rows.
    """
    counted = np.arange(len(problem.y)) if problem.weights is None else np.flatnonzero(problem.weights > 0)
    y = problem.y[counted]
    if _fewest(y) < LEAST_CLASS_ROWS:
        return None
    folds = _folds(y, seed, by_time=by_time)
    scored = np.unique(folds)
    if len(y) > MOST_CROSS_FITTED_ROWS:
        scored = _enough(y, folds, scored)
    logit = np.empty(len(y))
    for fold in scored.tolist():
        own = folds == fold
        part = _part(problem, counted[~own], solver, seed)
        found = _solved(solver, part, seed, solution, start)
        logit[own] = problem.x[counted[own]] @ found.coefficients + found.intercept
    kept = np.isin(folds, scored)
    weights = None if problem.weights is None else problem.weights[counted][kept]
    if kept.all():
        return OutOfSample(logit, y, folds, weights)
    return OutOfSample.of(logit[kept], y[kept], seed, weights, by_time=by_time)


def read_out_of_sample(data: bytes) -> OutOfSample:
    """Decode :attr:`OutOfSample.encoded`.

    Raises
    ------
    ModelFileError
        Bytes that are cut short, altered or something else.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            logit, y, folds = archive["logit"], archive["y"], archive["folds"]
            weights = archive["weights"] if "weights" in archive.files else None
    except Exception as error:  # zipfile, zlib and NumPy each raise their own
        raise ModelFileError(
            f"the run's {OUT_OF_SAMPLE_ARTIFACT} is not whole ({type(error).__name__}); fit the model again"
        ) from error
    kinds = (logit.dtype, y.dtype, folds.dtype) == (np.float64, np.uint8, np.uint8)
    weighed = weights is None or (weights.dtype == np.float64 and weights.shape == y.shape)
    fits = y.ndim == 1 and len(y) and logit.shape == folds.shape == y.shape and weighed
    if not kinds or not fits or not np.isfinite(logit).all():
        raise ModelFileError(f"the run's {OUT_OF_SAMPLE_ARTIFACT} holds no logits and labels; fit the model again")
    return OutOfSample(logit, y, folds.astype(np.intp), weights)


def own_out_of_sample(miniflow: MiniFlow, run_id: str) -> OutOfSample | None:
    """Those of a run, or None where the run or its rows are not here or not whole; not every run has some."""
    try:
        return read_out_of_sample(miniflow.run(run_id).read_artifact(OUT_OF_SAMPLE_ARTIFACT))
    except (UnknownRun, ModelFileError):
        return None


def _folds(y: Labels, seed: int, *, by_time: bool) -> NDArray[np.intp]:
    """Runs of neighbours where every remainder has enough of both classes, else folds of every class alike."""
    if by_time and not is_grouped_by_class(y):
        folds = consecutive_folds(len(y))
        if all(_fewest(y[folds != fold]) >= LEAST_CLASS_ROWS for fold in range(FOLDS)):
            return folds
    return stratified_folds(y, seed)


def _enough(y: Labels, folds: NDArray[np.intp], numbers: NDArray[np.intp]) -> NDArray[np.intp]:
    """The fewest last ones of the folds ``numbers`` that have enough rows of both classes; else all of them."""
    for first in range(len(numbers) - 1, 0, -1):
        if _fewest(y[folds >= numbers[first]]) >= ENOUGH_CLASS_ROWS:
            return numbers[first:]
    return numbers


def _fewest(y: Labels) -> int:
    """Rows of the rarer class."""
    return min(int((y == 0).sum()), int((y == 1).sum()))


def _part(problem: Problem, rows: NDArray[np.intp], solver: Solver, seed: int) -> Problem:
    """Some rows of a problem, a fifth of them to stop by where the solver asks for that."""
    x, y = problem.x[rows], problem.y[rows]
    weights = None if problem.weights is None else problem.weights[rows]
    if not solver.stops_early:
        return Problem(x, y, weights=weights, class_weights=problem.class_weights)
    return stopping_problem(x, y, seed, weights)


def stopping_problem(z: Floats, y: Labels, seed: int, weights: Floats | None = None) -> Problem:
    """Standardised rows (n, d), of which a fifth is kept from the solver to stop by."""
    inner = stratified_split(y, seed)
    train, shown = (None, None) if weights is None else (weights[inner.train], weights[inner.holdout])
    return Problem(z[inner.train], y[inner.train], z[inner.holdout], y[inner.holdout], train, shown)


def _solved(solver: Solver, part: Problem, seed: int, solution: Solution, start: Floats | None) -> Solution:
    if solution.converged:
        found = solver.solve(part, seed, solution.theta)
        if found.converged:
            return found
    return solver.solve(part, seed, start)

"""The operating point: from which probability on class 1 is predicted, and what each choice costs.

Pure functions of outcomes and probabilities (n,). Figures on the rows that chose flatter: :attr:`OperatingPoint.
cross_validated` counts each row by a calibration and a threshold that were found without its fold, and the rows
that judge the model had no part in either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.calibration import Calibration
from core.errors import DataError
from core.model import Floats
from core.threshold_rule import EVEN_THRESHOLD, ThresholdRule
from trainer.calibration.folds import Fitter, calibrated
from trainer.metrics.confusion import ConfusionCounts, confusion_matrix
from trainer.metrics.weighting import row_weights, standard_error
from trainer.out_of_sample import OutOfSample
from trainer.table import Labels

#: Thresholds of a sweep where none are asked for.
SWEEP = (0.2, 0.35, 0.5, 0.65, 0.8)
#: Scores that differ by less are equal: rates are at most 1 and rounded. Costs may be of any size; of them it is a
#: share.
_TIE = 1e-12


class ThresholdFigures(msgspec.Struct, frozen=True):
    """What a threshold makes of the rows; None where a figure divides by zero, as docs/metrics.md says.

    Counts are of rows; all else is weighted where weights are given.
    """

    threshold: float
    true_negatives: int
    false_positives: int
    false_negatives: int
    true_positives: int
    accuracy: float
    balanced_accuracy: float | None
    precision: float | None
    recall: float | None
    specificity: float | None
    f1: float | None
    mcc: float
    cost: float | None = None  #: a row, where the rule names costs


class OperatingPoint(msgspec.Struct, frozen=True):
    """A threshold, how it was chosen, and what it does."""

    rule: ThresholdRule
    threshold: float
    rows: int  #: on which it was chosen
    figures: ThresholdFigures | None  #: on them; None where there were none, and nothing to choose
    #: Each row by a calibration and a threshold found without it; None where a fold has no threshold.
    cross_validated: ThresholdFigures | None
    reason: str = ""  #: one sentence; points of earlier versions have none
    neutral: float | None = None  #: by cost: the best threshold where probabilities are true
    missed: str | None = None  #: why the rule could not be followed, where another threshold was kept


def sweep(
    y: Labels,
    probability: Floats,
    thresholds: Sequence[float] = SWEEP,
    rule: ThresholdRule | None = None,
    weights: Floats | None = None,
) -> tuple[ThresholdFigures, ...]:
    """Figures at each of ``thresholds``, with the cost a row where ``rule`` names costs.

    >>> y, p = np.array([0, 0, 1, 1], dtype=np.uint8), np.array([0.1, 0.6, 0.4, 0.9])
    >>> [(row.threshold, row.recall) for row in sweep(y, p, (0.35, 0.5))]
    [(0.35, 1.0), (0.5, 0.5)]
    """
    w = row_weights(len(y), weights)
    return tuple(_figures(y, probability >= threshold, threshold, rule, w) for threshold in thresholds)


def choose_operating_point(
    rows: OutOfSample,
    calibration: Calibration | None,
    rule: ThresholdRule,
    fitter: Fitter | None = None,
    otherwise: float | None = None,
) -> OperatingPoint:
    """The threshold that ``rule`` asks for, on what ``calibration`` makes of rows that the model never saw.

    The one of least cost on the rows is taken only if it is better than the neutral one by more than one standard
    error, on rows that it was not chosen on: where probabilities are true the neutral one is best, and the least
    of a few hundred rows is more chance than choice (docs/calibration.md has figures).

    Parameters
    ----------
    fitter
        What ``calibration`` was fitted with, to be fitted anew without each fold; None: it is none of these rows'.
    otherwise
        The threshold to keep where no threshold meets the rule; None: that is an error.

    Raises
    ------
    DataError
        As :func:`best_threshold`, without ``otherwise``.
    """
    y, w = rows.y, row_weights(len(rows.y), rows.weights)
    p = calibrated(calibration, rows.logit)
    found = _Found(rule.at, "", None)
    try:
        found = _found(rows, p, calibration, rule, fitter, w)
    except DataError as error:
        if otherwise is None:
            raise
        found = _Found(otherwise, _kept(otherwise, str(error)), None, str(error))
    return OperatingPoint(
        rule,
        found.threshold,
        len(y),
        _figures(y, p >= found.threshold, found.threshold, rule, w),
        None if found.reached is None else _figures(y, found.reached, found.threshold, rule, w),
        found.reason,
        neutral_threshold(rule) if rule.by == "cost" else None,
        found.missed,
    )


def given_operating_point(rule: ThresholdRule) -> OperatingPoint:
    """A fixed threshold, where there are no rows to count. Raises ValueError for any other rule."""
    if rule.by != "fixed":
        raise ValueError(f"a threshold by {rule.by} is chosen on rows")
    return OperatingPoint(rule, rule.at, 0, None, None, _given(rule))


def kept_operating_point(rule: ThresholdRule, threshold: float, missed: str) -> OperatingPoint:
    """The ``threshold`` that stands where there are no rows to follow ``rule`` on."""
    return OperatingPoint(rule, threshold, 0, None, None, _kept(threshold, missed), missed=missed)


def best_threshold(y: Labels, probability: Floats, rule: ThresholdRule, weights: Floats | None = None) -> float:
    """The best threshold by a rule on rows (n,).

    - f1: the greatest F1. youden: the greatest recall + specificity - 1 (Youden 1950, Cancer 3:32).
    - cost: the least cost_fn * misses + cost_fp * false alarms.
    - recall: the greatest precision among thresholds of at least that recall; precision: the other way round.

    Thresholds are tried half-way between neighbouring probabilities, at 0 (everything is class 1), at 1 (nothing
    is, if no probability is 1), and at the neutral one: .5, or by cost cost_fp / (cost_fp + cost_fn), which is the
    best one for probabilities that are true (Elkan 2001, IJCAI 973). Of equally good ones the nearest to the
    neutral one is taken, and of two as near the higher.

    >>> y, p = np.array([0, 0, 1, 1], dtype=np.uint8), np.array([0.1, 0.2, 0.4, 0.9])
    >>> best_threshold(y, p, ThresholdRule("f1"))
    0.30000000000000004

    Raises
    ------
    DataError
        No rows, or no threshold for which the rule is defined and met.
    """
    if not len(y):
        raise DataError("there are no rows to choose a threshold on; give at least one")
    if rule.by == "fixed":
        return rule.at
    neutral = neutral_threshold(rule)
    tried = _thresholds(probability, neutral)
    counts = _counts(y, probability, tried, row_weights(len(y), weights))
    scores = _scores(counts, rule)
    best = float(scores.max())
    if best == -np.inf:
        raise DataError(_unreachable(y, counts, rule))
    ties = tried[scores >= best - _TIE * (abs(best) if rule.by == "cost" else 1.0)]
    distance = np.abs(ties - neutral)
    return float(ties[distance == distance.min()].max())


@dataclass(frozen=True, eq=False)
class _Found:
    """A threshold, the sentence that says why, and whether each row (n,) reaches that of its own fold."""

    threshold: float
    reason: str
    reached: NDArray[np.bool_] | None
    missed: str | None = None


def _found(
    rows: OutOfSample,
    p: Floats,
    calibration: Calibration | None,
    rule: ThresholdRule,
    fitter: Fitter | None,
    w: Floats,
) -> _Found:
    """Raises DataError as :func:`best_threshold`."""
    threshold = best_threshold(rows.y, p, rule, w)
    reached = _reached(rows, calibration, rule, fitter, w)
    if rule.by == "fixed":
        return _Found(threshold, _given(rule), reached)
    neutral = neutral_threshold(rule)
    words = f"{rule.words}: from probability {threshold:.3g} on"
    if rule.by != "cost" or threshold == neutral:
        return _Found(threshold, f"{words[0].upper()}{words[1:]}.", reached)
    at_neutral = _reached(rows, calibration, ThresholdRule("fixed", neutral), fitter, w)
    if reached is not None and at_neutral is not None:
        saved = _row_costs(rows.y, at_neutral, rule) - _row_costs(rows.y, reached, rule)
        gain, error = float(np.average(saved, weights=w)), standard_error(saved, w)
        if gain > error:
            saves = f"it saves {gain:.3g} a row against the neutral {neutral:.3g} (standard error {error:.2g})"
            return _Found(threshold, f"{words[0].upper()}{words[1:]}; {saves}.", reached)
    return _Found(
        neutral,
        f"The neutral threshold {neutral:.3g} is taken, which is best where probabilities are true: the least "
        f"cost on {len(rows.y)} rows, from {threshold:.3g} on, does not save more than one standard error.",
        at_neutral,
    )


def _given(rule: ThresholdRule) -> str:
    return f"Class 1 is predicted from probability {rule.at:.3g} on, {rule.words}."


def _kept(threshold: float, error: str) -> str:
    return f"The threshold {threshold:.3g} is kept, because {error}."


def _row_costs(y: Labels, reached: NDArray[np.bool_], rule: ThresholdRule) -> Floats:
    """(n,) what each row costs."""
    missed, alarmed = (y == 1) & ~reached, (y == 0) & reached
    costs: Floats = missed * (rule.cost_fn or 0.0) + alarmed * (rule.cost_fp or 0.0)
    return costs


def neutral_threshold(rule: ThresholdRule) -> float:
    """Where nothing else is known: by cost cost_fp / (cost_fp + cost_fn), else .5."""
    if rule.by == "cost" and rule.cost_fn is not None and rule.cost_fp is not None:
        return rule.cost_fp / (rule.cost_fp + rule.cost_fn)
    return EVEN_THRESHOLD


def _thresholds(probability: Floats, neutral: float) -> Floats:
    """(t,) one for every way of cutting the sorted rows in two, and the neutral one; ascending."""
    places = np.unique(probability)
    lower, upper = places[:-1], places[1:]
    middle = (lower + upper) / 2
    middle = np.where(middle > lower, middle, upper)  # of neighbouring floats the half-way is one of them
    ends = [0.0, neutral] + [1.0] * bool(places[-1] < 1.0)
    return np.unique(np.concatenate([middle, ends]))


def _counts(y: Labels, probability: Floats, thresholds: Floats, w: Floats) -> ConfusionCounts:
    """Counts (t,) at ascending thresholds (t,), from one sort: :class:`ThresholdedRows` takes n x t."""
    below, reaching = [], []
    for label in (0, 1):
        rows = np.flatnonzero(y == label)
        rows = rows[np.argsort(probability[rows], kind="stable")]
        places = np.searchsorted(probability[rows], thresholds)
        rising = np.concatenate([[0.0], np.cumsum(w[rows])])
        # from the other end, and not as a difference, so that what is empty is exactly zero
        falling = np.concatenate([np.cumsum(w[rows][::-1])[::-1], [0.0]])
        below.append(rising[places])
        reaching.append(falling[places])
    return ConfusionCounts(below[0], reaching[0], below[1], reaching[1])


def _scores(counts: ConfusionCounts, rule: ThresholdRule) -> Floats:
    """(t,) what the rule wants to be great; -inf where it is undefined or not met."""
    if rule.by == "cost" and rule.cost_fn is not None and rule.cost_fp is not None:
        return -(rule.cost_fn * counts.false_negatives + rule.cost_fp * counts.false_positives)
    if rule.by == "f1":
        wanted, met = counts.f1, None
    elif rule.by == "recall":
        wanted, met = counts.precision, counts.recall
    elif rule.by == "precision":
        wanted, met = counts.recall, counts.precision
    else:
        wanted, met = counts.recall + counts.specificity - 1.0, None
    if met is not None and rule.least is not None:
        with np.errstate(invalid="ignore"):
            # ten weights of .1 add up to less than 1
            wanted = np.where(met >= rule.least - _TIE, wanted, np.nan)
    return np.where(np.isnan(wanted), -np.inf, wanted)


def _unreachable(y: Labels, counts: ConfusionCounts, rule: ThresholdRule) -> str:
    reached = counts.precision if rule.by == "precision" else counts.recall
    if rule.by in {"recall", "precision"} and not np.isnan(reached).all():
        return (
            f"no threshold has a {rule.by} of {rule.least} on the {len(y)} rows; the best is "
            f"{np.nanmax(reached):.3f}, so lower min_{rule.by}"
        )
    return f"the {len(y)} rows are of one class, on which no threshold is best; give rows of both"


def _reached(
    rows: OutOfSample, calibration: Calibration | None, rule: ThresholdRule, fitter: Fitter | None, w: Floats
) -> NDArray[np.bool_] | None:
    """(n,) whether each row reaches a threshold that was found, as its probability was, without its fold.

    None where the rows without a fold have no threshold or no calibration, or where there is one fold.
    """
    reached = np.empty(len(rows.y), dtype=np.bool_)
    for fold in np.unique(rows.folds).tolist():
        own = rows.folds == fold
        if own.all():
            return None
        try:
            others = calibration if fitter is None else fitter(rows.logit[~own], rows.y[~own], w[~own])
            p = calibrated(others, rows.logit)
            reached[own] = p[own] >= best_threshold(rows.y[~own], p[~own], rule, w[~own])
        except DataError:
            return None
    return reached


def _figures(
    y: Labels, reached: NDArray[np.bool_], threshold: float, rule: ThresholdRule | None, w: Floats
) -> ThresholdFigures:
    """Figures of class 1 being predicted where it is ``reached`` (n,)."""
    predicted = reached.astype(np.float64)
    counted, weighed = confusion_matrix(y, predicted), confusion_matrix(y, predicted, weights=w)
    cost = None
    if rule is not None and rule.by == "cost":
        cost = float(np.average(_row_costs(y, reached, rule), weights=w))
    return ThresholdFigures(
        threshold=threshold,
        true_negatives=int(counted.true_negatives),
        false_positives=int(counted.false_positives),
        false_negatives=int(counted.false_negatives),
        true_positives=int(counted.true_positives),
        accuracy=weighed.accuracy,
        balanced_accuracy=weighed.balanced_accuracy,
        precision=weighed.precision,
        recall=weighed.recall,
        specificity=weighed.specificity,
        f1=weighed.f1,
        mcc=weighed.mcc,
        cost=cost,
    )

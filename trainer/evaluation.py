"""How good predictions are."""

from __future__ import annotations

import msgspec
import numpy as np

from core.model import Floats
from core.threshold_rule import EVEN_THRESHOLD
from trainer.loss import row_losses
from trainer.metrics.bootstrap import Bootstrap, Interval
from trainer.metrics.confusion import ThresholdedRows, confusion_matrix
from trainer.metrics.probability import ScoredRows, brier_score, log_loss, squared_distances
from trainer.metrics.ranking import RankedRows, area_under_curve, average_precision
from trainer.metrics.reliability import (
    BinnedRows,
    expected_calibration_error,
    largest_gap,
    maximum_calibration_error,
    sum_of_gaps,
)
from trainer.metrics.weighting import defined, row_weights
from trainer.table import Labels

__all__ = [
    "Evaluation",
    "EvaluationIntervals",
    "area_under_curve",
    "evaluate",
    "evaluation_intervals",
]


class Evaluation(msgspec.Struct, frozen=True):
    """Figures over ``rows`` labelled rows; class 1 is predicted where its probability is at least ``threshold``.

    Counts are of rows; all else is weighted where weights are given. None: undefined on these rows, see
    docs/metrics.md.
    """

    rows: int
    log_loss: float
    accuracy: float
    auc: float | None  #: None where the rows are of one class
    brier: float  #: mean squared distance of probability and outcome
    true_negatives: int
    false_positives: int
    false_negatives: int
    true_positives: int
    # cards of earlier versions do not have what follows
    threshold: float = EVEN_THRESHOLD
    balanced_accuracy: float | None = None
    precision: float | None = None
    recall: float | None = None
    specificity: float | None = None
    f1: float | None = None
    mcc: float | None = None
    average_precision: float | None = None
    expected_calibration_error: float | None = None  #: ten bins of equal width
    maximum_calibration_error: float | None = None  #: the same bins


def evaluate(
    y: Labels, probability: Floats, threshold: float = EVEN_THRESHOLD, weights: Floats | None = None
) -> Evaluation:
    """Judge probabilities of class 1 (n,) against outcomes (n,); n is at least one.

    A probability that is nan leaves every figure undefined: nan, or None where the figure may be; its row is in
    none of the four counts.
    """
    known = ~np.isnan(probability)
    counted = ThresholdedRows.of(y[known], probability[known], np.array([threshold]))
    weighed = confusion_matrix(y, probability, threshold, weights)
    return Evaluation(
        rows=len(y),
        log_loss=log_loss(y, probability, weights),
        accuracy=weighed.accuracy,
        auc=area_under_curve(y, probability, weights),
        brier=brier_score(y, probability, weights),
        true_negatives=int(counted.true_negative.sum()),
        false_positives=int(counted.false_positive.sum()),
        false_negatives=int(counted.false_negative.sum()),
        true_positives=int(counted.true_positive.sum()),
        threshold=threshold,
        balanced_accuracy=weighed.balanced_accuracy,
        precision=weighed.precision,
        recall=weighed.recall,
        specificity=weighed.specificity,
        f1=weighed.f1,
        mcc=defined(weighed.mcc),
        average_precision=average_precision(y, probability, weights),
        expected_calibration_error=defined(expected_calibration_error(y, probability, weights=weights)),
        maximum_calibration_error=defined(maximum_calibration_error(y, probability, weights=weights)),
    )


class EvaluationIntervals(msgspec.Struct, frozen=True):
    """An interval for each figure of :class:`Evaluation`; None where the rows give none."""

    confidence: float
    log_loss: Interval | None
    accuracy: Interval | None
    auc: Interval | None
    brier: Interval | None
    balanced_accuracy: Interval | None
    precision: Interval | None
    recall: Interval | None
    specificity: Interval | None
    f1: Interval | None
    mcc: Interval | None
    average_precision: Interval | None
    expected_calibration_error: Interval | None
    maximum_calibration_error: Interval | None


def evaluation_intervals(
    y: Labels,
    probability: Floats,
    threshold: float = EVEN_THRESHOLD,
    weights: Floats | None = None,
    bootstrap: Bootstrap | None = None,
) -> EvaluationIntervals:
    """How sure the figures of :func:`evaluate` are; the model is taken as it is, the rows as drawn by chance."""
    resampling = bootstrap or Bootstrap()
    thresholded = ThresholdedRows.of(y, probability, np.array([threshold]))
    ranked = RankedRows.of(y, probability)
    binned = BinnedRows.of(y, probability)
    losses, distances = ScoredRows(row_losses(y, probability)), ScoredRows(squared_distances(y, probability))

    def figures(w: Floats) -> dict[str, Floats]:
        counts = thresholded.counts(w)
        return {
            "log_loss": losses.mean(w),
            "accuracy": counts.accuracy,
            "auc": ranked.area_under_curve(w),
            "brier": distances.mean(w),
            "balanced_accuracy": counts.balanced_accuracy,
            "precision": counts.precision,
            "recall": counts.recall,
            "specificity": counts.specificity,
            "f1": counts.f1,
            "mcc": counts.mcc,
            "average_precision": ranked.average_precision(w),
        }

    names = list(figures(row_weights(len(y), weights)[np.newaxis]))
    found = resampling.intervals(lambda w: np.column_stack([*figures(w).values()]), y, weights)
    return EvaluationIntervals(
        confidence=resampling.confidence,
        **dict(zip(names, found, strict=True)),
        expected_calibration_error=resampling.gap_interval(binned.weighted_gaps, sum_of_gaps, y, weights),
        maximum_calibration_error=resampling.gap_interval(binned.gaps, largest_gap, y, weights),
    )

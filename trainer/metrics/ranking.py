"""How well probabilities rank the rows, whatever the threshold: ROC and precision-recall curves and their areas.

Rows of equal probability cannot be told apart by any threshold: they are one step of a curve.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.model import Floats
from trainer.metrics.weighting import defined, ratio, row_weights
from trainer.table import Labels


@dataclass(frozen=True, eq=False)
class RocCurve:
    """Points (g + 1,) by falling threshold, from (0, 0), where nothing is predicted positive, to (1, 1)."""

    false_positive_rate: Floats
    true_positive_rate: Floats
    thresholds: Floats  #: class 1 is predicted from this probability on; the first is infinite


@dataclass(frozen=True, eq=False)
class PrecisionRecallCurve:
    """Points by rising threshold; one more, at recall 0 and precision 1, ends the curve and has no threshold."""

    precision: Floats  #: (g + 1,)
    recall: Floats  #: (g + 1,)
    thresholds: Floats  #: (g,)


@dataclass(frozen=True, eq=False)
class RankedRows:
    """Rows by falling probability, made ready to be summed under many weightings."""

    order: NDArray[np.intp]  #: (n,)
    ends: NDArray[np.intp]  #: (g,) last place of each run of equal probabilities in that order
    positive: Floats  #: (n,) 1 where the row at that place is of class 1
    thresholds: Floats  #: (g,) the probability of each run

    @classmethod
    def of(cls, y: Labels, probability: Floats) -> RankedRows:
        """From outcomes and probabilities (n,); one that is nan has no rank, and leaves all sums nan."""
        order = np.argsort(-probability, kind="stable")
        ranked = probability[order]
        ends = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
        positive = (y[order] == 1).astype(np.float64)
        if np.isnan(probability).any():
            positive = np.full_like(positive, np.nan)
        return cls(order, ends, positive, ranked[ends])

    def running_sums(self, weights: Floats) -> tuple[Floats, Floats]:
        """Weight of true and of false positives (b, g) at each threshold, under weights (b, n)."""
        ranked = weights[:, self.order]
        true_positives = np.cumsum(ranked * self.positive, axis=1)[:, self.ends]
        # summed apart, not as the difference of two sums: so it never falls
        false_positives = np.cumsum(ranked * (1.0 - self.positive), axis=1)[:, self.ends]
        return true_positives, false_positives

    def area_under_curve(self, weights: Floats) -> Floats:
        """(b,) areas under the ROC curve by trapezes; nan where the weighted rows are of one class."""
        true_positives, false_positives = self.running_sums(weights)
        height = true_positives - np.diff(true_positives, axis=1, prepend=0.0) / 2
        area = (np.diff(false_positives, axis=1, prepend=0.0) * height).sum(axis=1)
        return ratio(area, true_positives[:, -1] * false_positives[:, -1])

    def average_precision(self, weights: Floats) -> Floats:
        """(b,) average precisions; nan where no weighted row is of class 1."""
        true_positives, false_positives = self.running_sums(weights)
        predicted = true_positives + false_positives
        precision = np.divide(true_positives, predicted, out=np.zeros_like(predicted), where=predicted != 0)
        gained = np.diff(true_positives, axis=1, prepend=0.0)
        return ratio((gained * precision).sum(axis=1), true_positives[:, -1])


def area_under_curve(y: Labels, probability: Floats, weights: Floats | None = None) -> float | None:
    """Probability that a row of class 1 is ranked above one of class 0, ties counting half; None for one class.

    Source: the area under the ROC curve is the Mann-Whitney statistic (Hanley and McNeil 1982, Radiology 143:29).

    >>> area_under_curve(np.array([0, 1, 1], dtype=np.uint8), np.array([0.5, 0.5, 0.9]))
    0.75
    """
    return defined(RankedRows.of(y, probability).area_under_curve(row_weights(len(y), weights)[np.newaxis]))


def average_precision(y: Labels, probability: Floats, weights: Floats | None = None) -> float | None:
    """Mean over the rows of class 1 of the precision at their own probability; None where there are none.

    The area under the precision-recall curve by steps. Trapezes would be too kind: between two points the curve
    does not run straight (Davis and Goadrich 2006, ICML 233).

    >>> round(average_precision(np.array([1, 0, 1], dtype=np.uint8), np.array([0.9, 0.8, 0.7])), 6)
    0.833333
    """
    return defined(RankedRows.of(y, probability).average_precision(row_weights(len(y), weights)[np.newaxis]))


def roc_curve(
    y: Labels, probability: Floats, weights: Floats | None = None, drop_intermediate: bool = False
) -> RocCurve | None:
    """True against false positive rate at every probability that occurs.

    None where the rows are of one class, or a probability is nan.
    Rows of weight zero make no point. ``drop_intermediate`` leaves out points on a straight line between their
    neighbours: the picture and the area stay the same. Source: Fawcett 2006, Pattern Recognition Letters 27:861.
    """
    true_positives, false_positives, thresholds = _sums(y, probability, weights)
    if not true_positives[-1] > 0 or not false_positives[-1] > 0:
        return None
    if drop_intermediate and len(thresholds) > 2:
        bends = (np.diff(true_positives, 2) != 0) | (np.diff(false_positives, 2) != 0)
        kept = np.concatenate([[True], bends, [True]])
        true_positives, false_positives, thresholds = true_positives[kept], false_positives[kept], thresholds[kept]
    return RocCurve(
        np.append(0.0, false_positives / false_positives[-1]),
        np.append(0.0, true_positives / true_positives[-1]),
        np.append(np.inf, thresholds),
    )


def precision_recall_curve(
    y: Labels, probability: Floats, weights: Floats | None = None
) -> PrecisionRecallCurve | None:
    """Precision against recall at every probability that occurs.

    None where no row is of class 1, or a probability is nan. Rows of weight zero make no point.
    """
    true_positives, false_positives, thresholds = _sums(y, probability, weights)
    if not true_positives[-1] > 0:
        return None
    precision = true_positives / (true_positives + false_positives)
    recall = true_positives / true_positives[-1]
    return PrecisionRecallCurve(np.append(precision[::-1], 1.0), np.append(recall[::-1], 0.0), thresholds[::-1])


def _sums(y: Labels, probability: Floats, weights: Floats | None) -> tuple[Floats, Floats, Floats]:
    """True positives, false positives and thresholds (g,), by falling threshold."""
    w = row_weights(len(y), weights)
    counts = w > 0
    rows = RankedRows.of(y[counts], probability[counts])
    true_positives, false_positives = rows.running_sums(w[counts][np.newaxis])
    return true_positives[0], false_positives[0], rows.thresholds

"""What a threshold makes of probabilities: the confusion matrix and the figures that follow from it."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np

from core.model import Floats
from core.threshold_rule import EVEN_THRESHOLD
from trainer.metrics.weighting import defined, ratio, row_weights
from trainer.table import Labels


@dataclass(frozen=True, eq=False)
class ConfusionCounts:
    """Counts (or sums of weights) of many confusion matrices, of one shape; figures are nan where undefined."""

    true_negatives: Floats
    false_positives: Floats
    false_negatives: Floats
    true_positives: Floats

    @property
    def accuracy(self) -> Floats:
        """(TP + TN) / (TP + TN + FP + FN)."""
        right = self.true_positives + self.true_negatives
        return ratio(right, right + self.false_positives + self.false_negatives)

    @property
    def balanced_accuracy(self) -> Floats:
        """(recall + specificity) / 2 (Brodersen et al. 2010, ICPR 3121); nan where the rows are of one class."""
        return (self.recall + self.specificity) / 2

    @property
    def precision(self) -> Floats:
        """TP / (TP + FP); nan where class 1 is never predicted."""
        return ratio(self.true_positives, self.true_positives + self.false_positives)

    @property
    def recall(self) -> Floats:
        """TP / (TP + FN), the true positive rate; nan where no row is of class 1."""
        return ratio(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def specificity(self) -> Floats:
        """TN / (TN + FP), one less the false positive rate; nan where no row is of class 0."""
        return ratio(self.true_negatives, self.true_negatives + self.false_positives)

    @property
    def f1(self) -> Floats:
        """2 TP / (2 TP + FP + FN) (van Rijsbergen 1979, ch. 7); nan where class 1 neither is nor is predicted."""
        twice = 2 * self.true_positives
        return ratio(twice, twice + self.false_positives + self.false_negatives)

    @property
    def mcc(self) -> Floats:
        """Correlation of prediction and class (Matthews 1975, BBA 405:442); 0 where either does not vary.

        Zero is the convention of Chicco and Jurman 2020 (BMC Genomics 21:6) and of scikit-learn: a prediction that
        does not vary tells nothing of the class.
        """
        tn, fp, fn, tp = self.true_negatives, self.false_positives, self.false_negatives, self.true_positives
        # two roots of two products each: the product of all four could overflow where weights are large
        spread = np.sqrt((tp + fp) * (tn + fn)) * np.sqrt((tp + fn) * (tn + fp))
        correlation = ratio(tp * tn - fp * fn, spread)
        return np.where(spread == 0, 0.0, correlation)


class ConfusionMatrix(msgspec.Struct, frozen=True):
    """Outcomes against predictions at one threshold; figures that divide by zero are None, but MCC then is 0."""

    threshold: float  #: class 1 is predicted where its probability is at least this
    true_negatives: float  #: rows, or the sum of their weights
    false_positives: float
    false_negatives: float
    true_positives: float

    @property
    def accuracy(self) -> float:
        """Share of rows that are predicted rightly."""
        return float(self._counts.accuracy)

    @property
    def balanced_accuracy(self) -> float | None:
        """Mean of recall and specificity; None where the rows are of one class."""
        return defined(self._counts.balanced_accuracy)

    @property
    def precision(self) -> float | None:
        """Share of predicted positives that are of class 1; None where there are none."""
        return defined(self._counts.precision)

    @property
    def recall(self) -> float | None:
        """Share of class 1 that is found; None where no row is of class 1."""
        return defined(self._counts.recall)

    @property
    def specificity(self) -> float | None:
        """Share of class 0 that is left alone; None where no row is of class 0."""
        return defined(self._counts.specificity)

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall; None where class 1 neither is nor is predicted."""
        return defined(self._counts.f1)

    @property
    def mcc(self) -> float:
        """Correlation of prediction and class, in [-1, 1]; 0 where either does not vary."""
        return float(self._counts.mcc)

    @property
    def _counts(self) -> ConfusionCounts:
        return ConfusionCounts(
            np.asarray(self.true_negatives, dtype=np.float64),
            np.asarray(self.false_positives, dtype=np.float64),
            np.asarray(self.false_negatives, dtype=np.float64),
            np.asarray(self.true_positives, dtype=np.float64),
        )


@dataclass(frozen=True, eq=False)
class ThresholdedRows:
    """Rows made ready to be counted at t thresholds under many weightings: 1 where a row is in a cell.

    Each count is a sum of its own, never a difference of two: so an empty cell is exactly zero.
    """

    true_negative: Floats  #: (n, t)
    false_positive: Floats  #: (n, t)
    false_negative: Floats  #: (n, t)
    true_positive: Floats  #: (n, t)

    @classmethod
    def of(cls, y: Labels, probability: Floats, thresholds: Floats) -> ThresholdedRows:
        """From outcomes and probabilities (n,) at ``thresholds`` (t,); one that is nan leaves all counts nan."""
        actual = (y == 1)[:, np.newaxis]
        predicted = probability[:, np.newaxis] >= thresholds
        cells = [
            held.astype(np.float64)
            for held in (~actual & ~predicted, ~actual & predicted, actual & ~predicted, actual & predicted)
        ]
        unknown = np.isnan(probability)
        if unknown.any():
            for cell in cells:
                cell[unknown] = np.nan
        return cls(*cells)

    def counts(self, weights: Floats) -> ConfusionCounts:
        """Counts of shape (b, t) under weights (b, n)."""
        return ConfusionCounts(
            weights @ self.true_negative,
            weights @ self.false_positive,
            weights @ self.false_negative,
            weights @ self.true_positive,
        )


def confusion_matrix(
    y: Labels, probability: Floats, threshold: float = EVEN_THRESHOLD, weights: Floats | None = None
) -> ConfusionMatrix:
    """Count outcomes (n,) against predictions at ``threshold``; n is at least one.

    >>> matrix = confusion_matrix(np.array([0, 0, 1, 1], dtype=np.uint8), np.array([0.1, 0.6, 0.4, 0.9]))
    >>> matrix.true_positives, matrix.false_positives, matrix.precision, matrix.mcc
    (1.0, 1.0, 0.5, 0.0)
    """
    rows = ThresholdedRows.of(y, probability, np.array([threshold]))
    counts = rows.counts(row_weights(len(y), weights)[np.newaxis])
    return ConfusionMatrix(
        threshold,
        float(counts.true_negatives.item()),
        float(counts.false_positives.item()),
        float(counts.false_negatives.item()),
        float(counts.true_positives.item()),
    )

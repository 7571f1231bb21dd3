"""How good predictions are, and whether one model is better than another on the same rows."""

from __future__ import annotations

import msgspec
import numpy as np

from core.model import Floats
from trainer.loss import log_loss, row_losses
from trainer.table import Labels

#: One-sided 5 % point of the normal distribution: a difference beyond it is called significant.
SIGNIFICANT_STANDARD_ERRORS = 1.645


class Evaluation(msgspec.Struct, frozen=True):
    """Figures over ``rows`` labelled rows; class 1 is predicted where its probability is at least one half."""

    rows: int
    log_loss: float
    accuracy: float
    auc: float | None  #: None where the rows are of one class
    brier: float  #: mean squared distance of probability and outcome
    true_negatives: int
    false_positives: int
    false_negatives: int
    true_positives: int


def evaluate(y: Labels, probability: Floats) -> Evaluation:
    """Judge probabilities of class 1 (n,) against outcomes (n,); n is at least one."""
    predicted = probability >= 0.5
    actual = y == 1
    return Evaluation(
        rows=len(y),
        log_loss=log_loss(y, probability),
        accuracy=float((predicted == actual).mean()),
        auc=area_under_curve(y, probability),
        brier=float(((probability - y) ** 2).mean()),
        true_negatives=int((~predicted & ~actual).sum()),
        false_positives=int((predicted & ~actual).sum()),
        false_negatives=int((~predicted & actual).sum()),
        true_positives=int((predicted & actual).sum()),
    )


def area_under_curve(y: Labels, probability: Floats) -> float | None:
    """Probability that a row of class 1 is ranked above one of class 0, ties counting half; None for one class.

    Source: the Mann-Whitney statistic with mid-ranks (Hanley and McNeil 1982, Radiology 143:29).

    >>> area_under_curve(np.array([0, 1, 1], dtype=np.uint8), np.array([0.5, 0.5, 0.9]))
    0.75
    """
    positives = int((y == 1).sum())
    negatives = len(y) - positives
    if not positives or not negatives:
        return None
    _, tied_with, counts = np.unique(probability, return_inverse=True, return_counts=True)
    middle_ranks = np.cumsum(counts) - (counts - 1) / 2
    rank_sum = float(middle_ranks[tied_with][y == 1].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


class PairedComparison(msgspec.Struct, frozen=True):
    """Candidate less production, row by row: below zero the candidate is better."""

    rows: int
    difference: float  #: mean log-loss of the candidate less that of production
    standard_error: float  #: of the difference; infinite for a single row

    @property
    def significantly_worse(self) -> bool:
        """Whether the candidate's log-loss is higher by more than chance explains."""
        return self.difference > SIGNIFICANT_STANDARD_ERRORS * self.standard_error


def paired_comparison(y: Labels, p_candidate: Floats, p_production: Floats) -> PairedComparison:
    """Compare two models on the same rows (n,); pairing removes what is hard about a row for both."""
    differences = row_losses(y, p_candidate) - row_losses(y, p_production)
    n = len(differences)
    error = float(differences.std(ddof=1) / np.sqrt(n)) if n > 1 else float("inf")
    return PairedComparison(n, float(differences.mean()), error)

"""How good probabilities are, row by row: log-loss and Brier score, both proper.

A proper score is best, on average, for whoever says what he believes (Gneiting and Raftery 2007, JASA 102:359).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.model import Floats
from trainer.loss import row_losses
from trainer.metrics.weighting import row_weights
from trainer.table import Labels


@dataclass(frozen=True, eq=False)
class ScoredRows:
    """A score of each row, made ready to be averaged under many weightings."""

    scores: Floats  #: (n,)

    def mean(self, weights: Floats) -> Floats:
        """(b,) weighted means under weights (b, n); none of them all zero."""
        means: Floats = (weights @ self.scores) / weights.sum(axis=1)
        return means


def log_loss(y: Labels, probability: Floats, weights: Floats | None = None) -> float:
    """Mean of -log p of what happened, probabilities clipped to :data:`trainer.loss.PROBABILITY_CLIP`.

    >>> round(log_loss(np.array([1, 0], dtype=np.uint8), np.array([0.5, 0.5])), 6)
    0.693147
    """
    rows = ScoredRows(row_losses(y, probability))
    return float(rows.mean(row_weights(len(y), weights)[np.newaxis]).item())


def brier_score(y: Labels, probability: Floats, weights: Floats | None = None) -> float:
    """Mean squared distance of probability and outcome (Brier 1950, Monthly Weather Review 78:1).

    >>> round(brier_score(np.array([1, 0], dtype=np.uint8), np.array([0.8, 0.4])), 6)
    0.1
    """
    rows = ScoredRows(squared_distances(y, probability))
    return float(rows.mean(row_weights(len(y), weights)[np.newaxis]).item())


def squared_distances(y: Labels, probability: Floats) -> Floats:
    """(n,) squared distance of probability and outcome."""
    distances: Floats = (probability - y) ** 2
    return distances

"""How much each class counts, beside how often each row does."""

from __future__ import annotations

import numpy as np

from core.model import Floats
from trainer.table import Labels

#: Weights of class 0 and 1.
ClassWeights = tuple[float, float]


def balanced_weights(y: Labels, weights: Floats | None = None) -> ClassWeights:
    """Weights of class 0 and 1 that let both count alike and leave the sum over rows as it was.

    scikit-learn's ``balanced``: n / (2 n_k), here with sample weights in place of counts. A class without rows has
    weight 1.

    >>> balanced_weights(np.array([0, 0, 0, 1], dtype=np.uint8))
    (0.6666666666666666, 2.0)
    """
    counted = np.ones(len(y)) if weights is None else weights
    return balanced_by_sums((float(counted[y == 0].sum()), float(counted[y == 1].sum())))


def balanced_by_sums(sums: tuple[float, float]) -> ClassWeights:
    """The same from the summed weights of the rows of class 0 and 1."""
    zero, one = (sum(sums) / (2.0 * each) if each else 1.0 for each in sums)
    return zero, one


def combined_weights(weights: Floats | None, class_weights: ClassWeights | None, y: Labels) -> Floats | None:
    """(n,) sample weights times the weight of each row's class; None where every row counts once."""
    if class_weights is None:
        return weights
    by_class = np.array(class_weights)[y]
    return by_class if weights is None else weights * by_class

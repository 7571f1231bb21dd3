"""Eight support tickets, small enough to follow every figure by hand; separable at length 3."""

from __future__ import annotations

import numpy as np

from core.model import Floats
from trainer.table import Labels

LENGTH = [1.0, 1.5, 2.0, 3.5, 4.0, 4.5, 2.8, 3.2]
FRUSTRATION = [1.0, 2.0, 3.0, 6.0, 7.0, 5.0, 4.0, 8.0]

X: Floats = np.column_stack([LENGTH, FRUSTRATION])
Y: Labels = np.array([0, 0, 0, 1, 1, 1, 0, 1], dtype=np.uint8)
FEATURES = ("length", "frustration")


def flipped() -> Labels:
    """The labels with that of the eighth ticket turned round."""
    y = Y.copy()
    y[7] = 1 - y[7]
    return y

"""The logistic function, and the arrays that all numerics here are of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Logits of a reported probability or loss count within this: beyond, the clipped probability says the same.
LOGIT_CLIP = 500.0


def sigmoid(logit: Floats) -> Floats:
    """1 / (1 + exp(-logit)) without overflow for any float64 input; nan stays nan.

    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    with np.errstate(under="ignore", invalid="ignore"):  # a signalling nan is "invalid" to read
        small = np.exp(-np.abs(logit))
        return np.where(logit >= 0, 1.0, small) / (1.0 + small)

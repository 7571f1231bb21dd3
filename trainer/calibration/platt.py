"""Platt scaling: slope and offset on the logit."""

from __future__ import annotations

import numpy as np

from core.calibration import Calibration
from core.model import Floats
from trainer.calibration.linear import fit_linear
from trainer.calibration.targets import calibration_rows
from trainer.table import Labels


def fit_platt(logit: Floats, y: Labels, weights: Floats | None = None) -> Calibration:
    """Fit sigmoid(slope * logit + offset) to rows (n,) by maximum likelihood to smoothed targets.

    The model was not trained on the rows. It mends a model that is too sure or too timid, and one whose classes
    were weighted or sampled otherwise than they occur. It assumes that the error is linear in the logit. Source:
    Platt 1999, in *Advances in Large Margin Classifiers*, 61; solved as in Lin, Lin and Weng 2007, Machine
    Learning 68:267.

    >>> logit, y = np.array([-2.0, -1.0, 1.0, 2.0]), np.array([0, 1, 0, 1], dtype=np.uint8)
    >>> fit_platt(logit, y).values.round(3).tolist()
    [0.202, 0.0]

    Raises
    ------
    DataError
        Rows of one class, or on which a higher logit does not mean a more probable class 1.
    """
    rows = calibration_rows(logit, y, weights)
    class_0, class_1 = rows.class_weights
    start = np.array([0.0, np.log((class_1 + 1.0) / (class_0 + 1.0))])
    design = np.column_stack([rows.logit, np.ones(len(rows.logit))])
    return Calibration("platt", fit_linear(design, start, rows))

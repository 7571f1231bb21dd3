"""Temperature scaling: a slope on the logit, and nothing else."""

from __future__ import annotations

import numpy as np

from core.calibration import Calibration
from core.model import Floats
from trainer.calibration.linear import fit_linear
from trainer.calibration.targets import calibration_rows
from trainer.table import Labels


def fit_temperature(logit: Floats, y: Labels, weights: Floats | None = None) -> Calibration:
    """Fit sigmoid(logit / T) to rows (n,) by maximum likelihood to smoothed targets; the slope is 1 / T.

    The model was not trained on the rows. It mends a model that is too sure (T above 1) or too timid, and leaves
    even odds even: no prediction at .5 changes. Source: Guo, Pleiss, Sun and Weinberger 2017, ICML 1321. The
    targets are Platt's, so that rows without a mistake have a finite slope too.

    >>> logit, y = np.array([-2.0, -1.0, 1.0, 2.0]), np.array([0, 1, 0, 1], dtype=np.uint8)
    >>> fit_temperature(logit, y).values.round(3).tolist()
    [0.202, 0.0]

    Raises
    ------
    DataError
        Rows of one class, or on which a higher logit does not mean a more probable class 1.
    """
    rows = calibration_rows(logit, y, weights)
    (slope,) = fit_linear(rows.logit[:, np.newaxis], np.zeros(1), rows).tolist()
    return Calibration("temperature", np.array([slope, 0.0]))

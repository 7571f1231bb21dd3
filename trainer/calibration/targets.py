"""What rows say, softened: no finite number of rows proves that an outcome is impossible."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.errors import DataError
from core.sigmoid import LOGIT_CLIP, Floats
from trainer.metrics.weighting import row_weights
from trainer.table import Labels


@dataclass(frozen=True, eq=False)
class CalibrationRows:
    """Rows as a calibration is fitted to them."""

    logit: Floats  #: (n,) clipped, as reported losses clip them
    y: Labels  #: (n,)
    weights: Floats  #: (n,)
    class_weights: tuple[float, float]  #: summed weights of class 0 and class 1

    @property
    def bounds(self) -> tuple[float, float]:
        """Platt's targets for class 0 and class 1: 1 / (N0 + 2) and (N1 + 1) / (N1 + 2) (Platt 1999, eq. 9).

        They are Laplace's rule of succession, so that separable rows have a finite optimum.
        """
        class_0, class_1 = self.class_weights
        return 1.0 / (class_0 + 2.0), (class_1 + 1.0) / (class_1 + 2.0)

    @property
    def targets(self) -> Floats:
        """(n,) the bound of each row's class."""
        class_0, class_1 = self.bounds
        return np.where(self.y == 1, class_1, class_0)


def calibration_rows(logit: Floats, y: Labels, weights: Floats | None = None) -> CalibrationRows:
    """Logits (n,) of rows that the model was not trained on, their outcomes (n,) and weights (n,).

    Raises
    ------
    DataError
        No rows, logits that are not finite, weights that are none, or rows of one class.
    """
    w = row_weights(len(logit), weights)
    if not np.isfinite(logit).all():
        raise DataError("the logit of a row is not finite; check the units of the features")
    class_weights = float(w[y == 0].sum()), float(w[y == 1].sum())
    for label, weight in enumerate(class_weights):
        if not weight:
            raise DataError(f"no row is of class {label}; rows of both classes are needed to calibrate")
    return CalibrationRows(np.clip(logit, -LOGIT_CLIP, LOGIT_CLIP), y, w, class_weights)

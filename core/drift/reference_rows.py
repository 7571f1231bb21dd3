"""The training rows as the calibration needs them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.drift.transform import Columns, Transform, fit_transform
from core.model import Floats


@dataclass(frozen=True, eq=False)
class ReferenceRows:
    """N training rows of d features, v of which vary."""

    x: Floats  #: (N, d)
    probability: Floats  #: (N,) of class 1, as the model gives it
    index: NDArray[np.int64]  #: (v,) columns that vary
    autocorrelation: Floats | None = None  #: (v + 1,), the probability last; None where the rows have no order
    before: Floats | None = None  #: (N, v + 1) record before each in time, probability last; nan where unknown

    @property
    def dependent(self) -> bool:
        """Whether rows depend on the row before them."""
        return self.autocorrelation is not None and bool(self.autocorrelation.any())

    @property
    def values(self) -> Floats:
        """(N, v + 1) what is watched of the rows: the features that vary, then the probability."""
        return np.column_stack([self.x[:, self.index], self.probability])

    @property
    def known(self) -> NDArray[np.bool_]:
        """(N,) rows whose predecessor in time is known."""
        if self.before is None:
            return np.zeros(len(self.x), dtype=np.bool_)
        return np.asarray(~np.isnan(self.before).any(axis=1))

    def fit(self, *, hold_out: bool = True) -> tuple[Transform, Floats]:
        """The transform that these rows give, and the (1, n) radius of each row that was used."""
        return fit_transform(
            self.x, self.probability, self.index, self.autocorrelation, self.before, hold_out=hold_out
        )

    def columns(self, transform: Transform) -> Columns:
        """The rows' own columns (c, n); of dependent rows those whose predecessor is known."""
        standardised = transform.standardised(self.x, self.probability)
        if not self.dependent or self.before is None:
            return transform.from_innovations(standardised, standardised)
        known = self.known
        before = transform.standardised_values(self.before[known])
        e = standardised[:, known] - transform.autocorrelation[:, None] * before
        return transform.from_innovations(standardised[:, known], e / transform.innovation[:, None])

    def drawn(self, rows: NDArray[np.int64]) -> ReferenceRows:
        """Some of the rows, without their order."""
        return ReferenceRows(self.x[rows], self.probability[rows], self.index)

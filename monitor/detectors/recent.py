"""The last records, for what is said of an alarm: how far which feature has moved."""

from __future__ import annotations

import numpy as np

from core.drift.statistics import SCALES
from core.drift.transform import FEATURE_CLIP, LARGEST_Z, Transform
from core.model import Floats
from monitor.detectors.base import Evidence

#: Records kept: as many as the longest scale looks back.
KEPT_RECORDS = max(SCALES)


class RecentRecords:
    """The standardised last records, in float32 here as in the state, so that storing them changes nothing."""

    def __init__(self, transform: Transform) -> None:
        self._transform = transform
        self._rows = np.zeros((len(transform.mean) + 1, 0), dtype=np.float32)
        precision = transform.whitening @ transform.whitening
        # of innovations: a lasting shift of z is (1 - r) / SD of the innovations of it
        unit = (1.0 - transform.autocorrelation[:-1]) / transform.innovation[:-1]
        self._alone: Floats = precision / np.diag(precision)[:, None] * (unit / unit[:, None])
        self._size = (transform.feature_scale**2 + transform.feature_mean**2)[:-1]

    def add(self, standardised: Floats) -> None:
        """Add records (v + 1, n): features, then probability."""
        rows = standardised[:, -KEPT_RECORDS:].astype(np.float32)
        missing = KEPT_RECORDS - rows.shape[1]
        if missing:
            rows = np.concatenate([self._rows[:, -missing:], rows], axis=1)
        self._rows = rows

    def evidence(self, back: int, whitened: Floats) -> Evidence:
        """Means over the last ``back`` records, as far as they are kept; ``whitened`` is (v,) of whitened ones."""
        count = min(back, self._rows.shape[1])
        rows = self._rows[:, self._rows.shape[1] - count :].astype(np.float64)
        means = rows.sum(axis=1) / max(1, count)
        clipped = np.clip(rows[:-1], -FEATURE_CLIP, FEATURE_CLIP)
        factor = self._transform.probability_factor
        return Evidence(
            records=count,
            z=means[:-1],
            size=(clipped * clipped).sum(axis=1) / max(1, count) - self._size,
            adjusted=self._transform.adjusting @ whitened,
            likelihood=float((whitened * whitened).sum()),
            alone=self._alone @ means[:-1],
            probability=self._transform.probability_mean + (float(means[-1]) / factor if factor else 0.0),
        )

    def state(self) -> bytes:
        """The records, little-endian float32 (v + 1, m)."""
        return self._rows.astype("<f4").tobytes()

    def restore(self, data: bytes) -> None:
        """Go on from a state. Raises ValueError for one that does not fit."""
        rows = np.frombuffer(data, "<f4").reshape(len(self._rows), -1).astype(np.float32)
        if rows.shape[1] > KEPT_RECORDS or not (np.abs(rows) <= LARGEST_Z).all():
            raise ValueError(f"the state holds {rows.shape[1]} recent records, or ones beyond {LARGEST_Z:g} SD")
        self._rows = rows

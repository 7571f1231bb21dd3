"""Sums over a pane: the records between two windows. They do not depend on how the records were read."""

from __future__ import annotations

import msgspec
import numpy as np

from core.model import Floats
from core.profile import TrainingProfile

#: Rows are summed in chunks of this size, counted from the pane's first row, whatever the reads were.
CHUNK_ROWS = 256
#: One record counts at most this many training standard deviations, so that sums stay finite.
LARGEST_Z = 1e6


class PaneSums(msgspec.Struct, frozen=True):
    """What a window needs of a closed pane."""

    n: int
    skipped: int
    z_sum: list[float]  #: (d,)
    constant_changed: list[int]  #: (d,)
    p_sum: float
    first: str  #: id of the first record ('' where none was usable)
    last: str
    first_entry: str
    last_entry: str


class PaneAccumulator:
    """Adds rows up in a fixed order: chunks of :data:`CHUNK_ROWS`, then the rest."""

    def __init__(self, profile: TrainingProfile) -> None:
        self._profile = profile
        self._chunk = np.empty((CHUNK_ROWS, len(profile.features) + 1))
        self._filled = 0
        self._sums = np.zeros(len(profile.features) + 1)
        self._constant = ~profile.varies
        self._changed = np.zeros(len(profile.features), dtype=np.int64)
        self.n = 0

    def add(self, x: Floats, probability: Floats) -> None:
        """Add rows ``x`` (n, d) and their probabilities (n,)."""
        z = np.clip(self._profile.standardise(x), -LARGEST_Z, LARGEST_Z)
        if self._constant.any():
            self._changed += ((x != self._profile.mean) & self._constant).sum(axis=0)
        position = 0
        while position < len(x):
            step = min(CHUNK_ROWS - self._filled, len(x) - position)
            rows = self._chunk[self._filled : self._filled + step]
            rows[:, :-1] = z[position : position + step]
            rows[:, -1] = probability[position : position + step]
            self._filled += step
            position += step
            if self._filled == CHUNK_ROWS:
                self._sums += self._chunk.sum(axis=0)
                self._filled = 0
        self.n += len(x)

    def sums(self) -> tuple[Floats, float, list[int]]:
        """(d,) sum of z, sum of the probabilities, (d,) records that left a constant."""
        total = self._sums + self._chunk[: self._filled].sum(axis=0)
        return total[:-1], float(total[-1]), self._changed.tolist()

"""The dummy: it alarms at a rate and never looks at the data."""

from __future__ import annotations

import numpy as np

from core.model import Floats


class AlwaysFire:
    """Alarms after a number of records drawn anew at each start, geometric with the mean asked for.

    It shows what a delay is worth: at one alarm in N records any change is "found", after N records in the mean.
    A fixed period would have the same run length; a delay of it would depend on the length of the warm-up alone.
    """

    name = "always fire"

    def __init__(self, mean_records: float, generator: np.random.Generator) -> None:
        self._mean_records = mean_records
        self._generator = generator
        self._left = 0
        self.restart()

    def restart(self) -> None:
        """Draw when to alarm."""
        self._left = int(self._generator.geometric(1.0 / self._mean_records))

    def feed(self, x: Floats) -> int | None:
        """Count the rows."""
        if self._left <= len(x):
            return self._left - 1
        self._left -= len(x)
        return None

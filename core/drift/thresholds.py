"""Thresholds of the record-by-record statistics: lines in the logarithm of the budget."""

from __future__ import annotations

import math
from dataclasses import dataclass

from core.drift.statistics import SCALES
from core.model import Floats

#: The statistics that are calibrated together, in the order of the arrays.
CHANNELS = (*(f"mean_shift_{scale}" for scale in SCALES), "feature", "adjusted", "probability", "radius")
#: Where each begins: the scales of the likelihood ratio come first.
FEATURE, ADJUSTED, PROBABILITY, RADIUS = (len(SCALES) + place for place in range(4))


@dataclass(frozen=True, eq=False)
class Thresholds:
    """One line a channel: threshold = intercept + slope * ln(budget).

    For sums of bounded, independent terms the run length to a threshold h grows as exp(c h), so that the threshold
    is a line in the logarithm of the run length (Siegmund 1985, *Sequential Analysis*, ch. 2 and 10).
    """

    intercept: Floats  #: (len(CHANNELS),)
    slope: Floats  #: (len(CHANNELS),)

    def at(self, budget: float) -> Floats:
        """(len(CHANNELS),) thresholds for one false alarm in ``budget`` records, over all channels together."""
        thresholds: Floats = self.intercept + self.slope * math.log(budget)
        return thresholds

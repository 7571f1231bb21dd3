"""A CUSUM of the distance from the centre: spread or correlation changes, and the means need not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.drift.transform import Columns
from core.model import Floats
from monitor.detectors.base import Alarm, Evidence
from monitor.detectors.two_sided import Channel

#: Name in metrics and verdicts, and of its channel.
NAME, RADIUS = "spread", "radius"


@dataclass(frozen=True)
class Spread:
    """A two-sided CUSUM of the standardised Mahalanobis radius."""

    channels: tuple[Channel]  #: RADIUS
    name = NAME

    def select(self, columns: Columns) -> tuple[Floats]:
        """The standardised radius."""
        return (columns.radius,)

    def blame(self, alarm: Alarm, evidence: Evidence) -> Floats:  # noqa: ARG002  (there is one channel)
        """By how far each feature's own spread is from what it was in training.

        Where the correlation alone has changed no feature's is, and the order says little.
        """
        return np.abs(evidence.size)

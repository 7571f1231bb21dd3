"""A CUSUM of what the model says: the share of class 1 moves, whatever made it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.drift.transform import Columns
from core.model import Floats
from monitor.detectors.base import Alarm, Evidence
from monitor.detectors.two_sided import Channel

#: Name in metrics and verdicts, and of its channel.
NAME, PROBABILITY = "prediction", "probability"


@dataclass(frozen=True)
class Prediction:
    """A two-sided CUSUM of the standardised probability of class 1."""

    channels: tuple[Channel]  #: PROBABILITY
    name = NAME

    def select(self, columns: Columns) -> tuple[Floats]:
        """The standardised probability."""
        return (columns.probability,)

    def blame(self, alarm: Alarm, evidence: Evidence) -> Floats:  # noqa: ARG002  (there is one channel)
        """By the size of the features' own shifts: what moves the mean probability is a mean that moved."""
        return np.abs(evidence.z)

"""CUSUMs of each feature: small shifts of one or a few features, which last."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.drift.transform import Columns
from core.model import Floats
from monitor.detectors.base import Alarm, Evidence
from monitor.detectors.two_sided import Channel

#: Name in metrics and verdicts.
NAME = "cusum"
#: Names of its channels: the feature itself, and what the other features do not explain of it.
FEATURE, ADJUSTED = "feature", "adjusted"


@dataclass(frozen=True)
class Cusum:
    """Two-sided CUSUMs of the clipped features and of their regression-adjusted scores (Hawkins 1991)."""

    channels: tuple[Channel, Channel]  #: FEATURE, ADJUSTED
    name = NAME

    def select(self, columns: Columns) -> tuple[Floats, ...]:
        """Features, then adjusted scores."""
        return columns.feature, columns.adjusted

    def blame(self, alarm: Alarm, evidence: Evidence) -> Floats:
        """The winning feature first, then by the size of the mean in the winning channel."""
        blame = np.abs(evidence.adjusted if alarm.channel == ADJUSTED else evidence.z)
        blame[alarm.column] = np.inf
        return blame

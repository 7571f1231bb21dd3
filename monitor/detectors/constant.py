"""Features that were constant in training and are no longer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.profile import TrainingProfile
from monitor.detectors.base import Alarm, DetectorState, PaneVerdict, Reading
from monitor.detectors.bernoulli import BernoulliCusum
from monitor.pane import Window

#: Name in metrics and verdicts, and of its channel.
NAME, DEPARTURES = "constant", "departures"
#: Confidence that the share of departures in training was no larger than taken, none having been seen.
_CONFIDENCE = 0.95
#: The share it is quickest to find: of ten records at p0 at least one departs; and at least this one.
_RECORDS, _LEAST = 10, 0.05


class Constant:
    """A Bernoulli CUSUM a constant feature, of the records that left the only value it had in training."""

    name = NAME

    def __init__(self, profile: TrainingProfile, threshold: float, calm: float) -> None:
        self._index: NDArray[np.int64] = np.flatnonzero(~profile.varies)
        self._d = len(profile.features)
        p0, p1 = departure_shares(profile.rows)
        self._cusum = BernoulliCusum(np.full(len(self._index), p0), np.full(len(self._index), p1))
        self._threshold, self._calm = threshold, calm

    def judge(self, window: Window) -> PaneVerdict:
        """See :class:`monitor.detectors.base.PaneDetector`."""
        blame = np.zeros(self._d)
        if not len(self._index):
            return PaneVerdict(Reading(NAME, 0.0, self._threshold, False, True), None, blame)
        cusum = self._cusum
        cusum.add(window.pane_changed, window.pane.n, window.pane.n)
        column = int(cusum.height.argmax())
        statistic = float(cusum.height[column])
        alarmed = window.judged and statistic >= self._threshold
        reading = Reading(NAME, statistic, self._threshold, alarmed, statistic < self._calm)
        if not alarmed:
            return PaneVerdict(reading, None, blame)
        blame[self._index] = cusum.height
        events, records, usable = cusum.since[:, column].tolist()
        alarm = Alarm(
            NAME, DEPARTURES, statistic, self._threshold, back=max(1, usable), events=events, records=records
        )
        cusum.restart()
        return PaneVerdict(reading, alarm, blame)

    def state(self) -> DetectorState:
        """See :class:`monitor.detectors.base.PaneDetector`."""
        return self._cusum.state()

    def restore(self, state: DetectorState) -> None:
        """See :class:`monitor.detectors.base.PaneDetector`."""
        self._cusum.restore(state)


def departure_shares(rows: int) -> tuple[float, float]:
    """p0 and p1 for N training rows, none of which departed.

    p0 is the exact 95 % bound 1 - .05^(1/N), near 3/N (rule of three; Hanley and Lippman-Hand 1983, *JAMA*
    249:1743), p1 is near ten times that, and at least .05.

    >>> [round(share, 4) for share in departure_shares(720)]
    [0.0042, 0.05]
    """
    stays = (1.0 - _CONFIDENCE) ** (1.0 / rows)
    return 1.0 - stays, max(_LEAST, 1.0 - stays**_RECORDS)

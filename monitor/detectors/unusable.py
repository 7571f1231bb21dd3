"""Records that could not be used: rejected ones, and those of them that lacked a feature."""

from __future__ import annotations

import numpy as np

from core.model import Floats
from monitor.detectors.base import Alarm, DetectorState, PaneVerdict, Reading
from monitor.detectors.bernoulli import BernoulliCusum
from monitor.pane import Window

#: Name in metrics and verdicts.
NAME = "unusable"
#: Its channels.
REJECTED, MISSING = "rejected", "missing"
#: The share it is quickest to find, as a multiple of the tolerated one, and at least.
_MULTIPLE, _LEAST = 5.0, 0.05


class Unusable:
    """Bernoulli CUSUMs of both shares against a tolerated one.

    They count every record that came, so that a stream without a single usable record alarms too.
    """

    name = NAME

    def __init__(self, width: int, tolerated: float, min_records: int, threshold: float, calm: float) -> None:
        shares = np.full(2, tolerated)
        self._cusum = BernoulliCusum(shares, alternative(shares))
        self._blame = np.zeros(width)
        self._min_records = min_records
        self._threshold, self._calm = threshold, calm

    def judge(self, window: Window) -> PaneVerdict:
        """See :class:`monitor.detectors.base.PaneDetector`."""
        pane, cusum = window.pane, self._cusum
        cusum.add(np.array([pane.skipped, pane.missing]), pane.n + pane.skipped, pane.n)
        judged = window.judged or cusum.since[1].max() >= self._min_records
        column = int(cusum.height.argmax())
        statistic = float(cusum.height[column])
        alarmed = bool(judged) and statistic >= self._threshold
        reading = Reading(NAME, statistic, self._threshold, alarmed, statistic < self._calm)
        if not alarmed:
            return PaneVerdict(reading, None, self._blame)
        events, records, usable = cusum.since[:, column].tolist()
        alarm = Alarm(
            NAME,
            (REJECTED, MISSING)[column],
            statistic,
            self._threshold,
            back=max(1, usable),
            events=events,
            records=records,
        )
        cusum.restart()
        return PaneVerdict(reading, alarm, self._blame)

    def state(self) -> DetectorState:
        """See :class:`monitor.detectors.base.PaneDetector`."""
        return self._cusum.state()

    def restore(self, state: DetectorState) -> None:
        """See :class:`monitor.detectors.base.PaneDetector`."""
        self._cusum.restore(state)


def alternative(tolerated: Floats) -> Floats:
    """The shares that are found the quickest."""
    return np.minimum((1.0 + tolerated) / 2.0, np.maximum(_LEAST, _MULTIPLE * tolerated))

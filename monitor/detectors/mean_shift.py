"""The sliding likelihood ratio: any shift of the means, over a few records to two hundred."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.drift.statistics import SCALES, cumulative, from_ticks, sliding_likelihood_ratios, to_ticks
from core.drift.transform import Columns
from core.model import Floats
from monitor.detectors.base import Alarm, DetectorState, Evidence, Reading

#: Name in metrics and verdicts.
NAME = "mean_shift"
_LONGEST = max(SCALES)


@dataclass(frozen=True, eq=False)
class _Examined:
    """What an examination found."""

    sums: Floats  #: (v, <= _LONGEST + 1 + n)
    peaks: Floats  #: (scales,) the largest of the judged records
    alarmed: bool


class MeanShift:
    """|sum of the last L whitened records|^2 / L for each L of ``SCALES``, each against a threshold of its own.

    ``thresholds`` and ``calm`` are (scales,); v is the number of features that vary.
    """

    def __init__(self, width: int, thresholds: Floats, calm: Floats) -> None:
        self._width = width
        self._thresholds, self._calm = thresholds, calm
        self._peaks = np.zeros(len(SCALES))  # the pane's largest
        self._sums = np.zeros((width, 1))  # running sums of the last records, 0 after the last one
        self._alarmed = False
        self._examined: _Examined

    def examine(self, columns: Columns, unjudged: int) -> int:
        """See :class:`monitor.detectors.base.RecordDetector`."""
        n: int = columns.whitened.shape[1]
        sums = np.concatenate([self._sums[:, :-1], cumulative(self._sums[:, -1], columns.whitened)], axis=1)
        first, peaks = n, np.zeros(len(SCALES))
        if unjudged < n:
            ratios = sliding_likelihood_ratios(sums, n - unjudged)
            peaks = np.maximum.reduce(ratios, axis=1)
            if (peaks > self._thresholds).any():
                first = unjudged + int((ratios > self._thresholds[:, None]).any(axis=0).argmax())
        self._examined = _Examined(sums, peaks, first < n)
        return first

    def accept(self) -> None:
        """See :class:`monitor.detectors.base.RecordDetector`."""
        examined = self._examined
        last = examined.sums[:, -_LONGEST - 1 :]
        self._sums = last - last[:, -1:]
        np.maximum(self._peaks, examined.peaks, out=self._peaks)
        self._alarmed = examined.alarmed

    def begin_pane(self) -> None:
        """See :class:`monitor.detectors.base.RecordDetector`."""
        self._peaks.fill(0.0)

    def restart(self) -> None:
        """See :class:`monitor.detectors.base.RecordDetector`."""
        self._sums = np.zeros((self._width, 1))
        self._alarmed = False

    def readings(self) -> list[Reading]:
        """See :class:`monitor.detectors.base.RecordDetector`."""
        place = int((self._peaks / self._thresholds).argmax())
        statistic, threshold = float(self._peaks[place]), float(self._thresholds[place])
        calm = bool((self._peaks < self._calm).all())
        return [Reading(NAME, statistic, threshold, statistic > threshold, calm)]

    def alarm(self) -> Alarm | None:
        """See :class:`monitor.detectors.base.RecordDetector`.

        The change point maximises the likelihood over all of the last 200 records, not over the scales alone.
        """
        if not self._alarmed:
            return None
        now = sliding_likelihood_ratios(self._sums, 1)[:, 0]
        place = int((now / self._thresholds).argmax())
        later = self._sums[:, :-1]  # with the opposite sign: the sums end at 0
        lengths = np.arange(later.shape[1], 0, -1)
        likelihood = (later * later).sum(axis=0) / lengths
        return Alarm(
            NAME,
            f"{NAME}_{SCALES[place]}",
            float(now[place]),
            float(self._thresholds[place]),
            back=int(lengths[likelihood.argmax()]),
        )

    def blame(self, alarm: Alarm, evidence: Evidence) -> Floats:  # noqa: ARG002  (all scales see all features)
        """By what the others do not explain, where one feature moved alone; else by how far each has moved."""
        return np.abs(evidence.adjusted if evidence.single else evidence.z)

    def mean(self, records: int) -> Floats:
        """(v,) mean of the last whitened records: at most as many as there were since a restart; 0 for none."""
        count = min(records, self._sums.shape[1] - 1)
        mean: Floats = -self._sums[:, -1 - count] / max(1, count)
        return mean

    def state(self) -> DetectorState:
        """See :class:`monitor.detectors.base.RecordDetector`.

        Values are the last whitened records in ticks, int32 (v, m): the clip keeps them far below 2^31 ticks.
        """
        return DetectorState(to_ticks(np.diff(self._sums)).astype("<i4").tobytes())

    def restore(self, state: DetectorState) -> None:
        """See :class:`monitor.detectors.base.RecordDetector`."""
        ticks = np.frombuffer(state.values, "<i4").reshape(self._width, -1)
        if ticks.shape[1] > _LONGEST:
            raise ValueError(f"the likelihood ratio looks back {ticks.shape[1]} records")
        sums = cumulative(np.zeros(self._width), from_ticks(ticks.astype(np.int64)))
        self._sums = sums - sums[:, -1:]

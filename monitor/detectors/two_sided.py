"""Two-sided CUSUMs, record by record: what several detectors share, and compute together, since calls cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from core.drift.statistics import TICK, from_ticks, to_ticks, two_sided_cusum_ticks
from core.drift.transform import Columns
from core.model import Floats
from monitor.detectors.base import LARGEST_COUNT, Alarm, DetectorState, Evidence, Reading

Ticks = NDArray[np.int64]

#: The last zero is first looked for among so many records: excursions of a CUSUM in control are shorter as a rule.
_NEAR_RECORDS = 128


@dataclass(frozen=True)
class Channel:
    """Columns that are judged by one threshold."""

    name: str
    width: int  #: columns
    threshold: float
    calm: float  #: threshold of the calm level


class Watched(Protocol):
    """A detector by two-sided CUSUMs: which columns it watches, and which features it blames."""

    @property
    def name(self) -> str:
        """As in readings and metrics."""
        ...

    @property
    def channels(self) -> Sequence[Channel]:
        """What its columns are judged by, in their order."""
        ...

    def select(self, columns: Columns) -> Sequence[Floats]:
        """The columns of each channel (width, n)."""
        ...

    def blame(self, alarm: Alarm, evidence: Evidence) -> Floats:
        """(v,) how much each varying feature is to blame for an alarm; only the order matters."""
        ...


@dataclass(frozen=True, eq=False)
class _Examined:
    """What an examination found."""

    heights: Ticks  #: (2, c, n)
    peaks: Ticks  #: (2, c) the largest of the judged records
    alarmed: bool


class TwoSided:
    """Detectors that alarm when a column of theirs has moved up or down for long enough."""

    def __init__(self, watched: Sequence[Watched]) -> None:
        self._watched = watched
        self._owners = [
            (detector, channel, column)
            for detector in watched
            for channel in detector.channels
            for column in range(channel.width)
        ]
        widths = [sum(channel.width for channel in detector.channels) for detector in watched]
        self._columns = [slice(*pair) for pair in pairwise(accumulate(widths, initial=0))]  # of each detector
        self._begins = np.array([columns.start for columns in self._columns])
        self._thresholds = np.array([channel.threshold for _, channel, _ in self._owners])
        self._calm = np.array([channel.calm for _, channel, _ in self._owners])
        self._ticks = np.floor(self._thresholds / TICK).astype(np.int64)  # the same thresholds
        shape = (2, len(self._owners))
        self._peaks = np.zeros(shape, dtype=np.int64)  # the pane's largest
        self._height = np.zeros(shape, dtype=np.int64)
        self._since = np.zeros(shape, dtype=np.int64)  # records since each was 0
        self._alarmed = False
        self._examined: _Examined

    def examine(self, columns: Columns, unjudged: int) -> int:
        """See :class:`monitor.detectors.base.RecordDetector`."""
        selected = [part for detector in self._watched for part in detector.select(columns)]
        heights = two_sided_cusum_ticks(self._height, to_ticks(np.concatenate(selected)))
        n: int = heights.shape[2]
        first, peaks = n, self._peaks  # which stay where nothing is judged
        if unjudged < n:
            judged = heights[:, :, unjudged:]
            peaks = np.maximum.reduce(judged, axis=2)
            if (peaks > self._ticks).any():
                first = unjudged + int((judged > self._ticks[:, None]).any(axis=(0, 1)).argmax())
        self._examined = _Examined(heights, peaks, first < n)
        return first

    def accept(self) -> None:
        """See :class:`monitor.detectors.base.RecordDetector`."""
        examined = self._examined
        self._since = _since_zero(examined.heights, self._since)
        self._height = examined.heights[:, :, -1].copy()
        np.maximum(self._peaks, examined.peaks, out=self._peaks)
        self._alarmed = examined.alarmed

    def begin_pane(self) -> None:
        """See :class:`monitor.detectors.base.RecordDetector`."""
        self._peaks.fill(0)

    def restart(self) -> None:
        """See :class:`monitor.detectors.base.RecordDetector`."""
        self._height = np.zeros_like(self._height)
        self._since = np.zeros_like(self._since)
        self._alarmed = False

    def readings(self) -> list[Reading]:
        """See :class:`monitor.detectors.base.RecordDetector`."""
        peaks = from_ticks(np.maximum.reduce(self._peaks, axis=0))
        ratios = peaks / self._thresholds
        calm = np.logical_and.reduceat(peaks < self._calm, self._begins).tolist()
        readings = []
        for detector, columns, quiet in zip(self._watched, self._columns, calm, strict=True):
            column = columns.start + int(ratios[columns].argmax())
            statistic, threshold = float(peaks[column]), float(self._thresholds[column])
            readings.append(Reading(detector.name, statistic, threshold, statistic > threshold, quiet))
        return readings

    def alarm(self) -> Alarm | None:
        """See :class:`monitor.detectors.base.RecordDetector`.

        The first suspected record is the one after the CUSUM's last zero.
        """
        if not self._alarmed:
            return None
        height = from_ticks(self._height)
        side, place = divmod(int((height / self._thresholds).argmax()), len(self._owners))
        detector, channel, column = self._owners[place]
        return Alarm(
            detector.name,
            channel.name,
            float(height[side, place]),
            channel.threshold,
            back=int(self._since[side, place]),
            column=column,
            upwards=side == 0,
        )

    def blame(self, alarm: Alarm, evidence: Evidence) -> Floats:
        """See :class:`monitor.detectors.base.RecordDetector`."""
        detector = next(detector for detector in self._watched if detector.name == alarm.detector)
        return detector.blame(alarm, evidence)

    def state(self) -> DetectorState:
        """See :class:`monitor.detectors.base.RecordDetector`."""
        return DetectorState(counts=np.array([self._height, self._since], dtype="<i8").tobytes())

    def restore(self, state: DetectorState) -> None:
        """See :class:`monitor.detectors.base.RecordDetector`."""
        carried = np.frombuffer(state.counts, "<i8").reshape(2, 2, len(self._owners)).astype(np.int64)
        if (carried < 0).any() or (carried > LARGEST_COUNT).any():
            raise ValueError("a CUSUM is negative or too large")
        self._height, self._since = carried


def _since_zero(heights: Ticks, since: NDArray[np.int64]) -> NDArray[np.int64]:
    """(2, c) records since each CUSUM was last 0, of ``heights`` (2, c, n) and of what it was before them."""
    n: int = heights.shape[2]
    near = min(n, _NEAR_RECORDS)
    nearest, found = _nearest_zero(heights[:, :, n - near :])
    if near < n and not found.all():
        nearest, found = _nearest_zero(heights)
    return np.where(found, nearest, since + n)


def _nearest_zero(heights: Ticks) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """(2, c) records after the last 0 of each CUSUM, of ``heights`` (2, c, n), and whether there was one."""
    zero = np.equal(heights[:, :, ::-1], 0, order="C")
    nearest: NDArray[np.int64] = zero.argmax(axis=2)
    return nearest, zero[:, :, 0] | (nearest > 0)

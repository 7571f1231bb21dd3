"""What is said of the windows of a file: the verdicts of the stream, with lines in the place of ids."""

from __future__ import annotations

import math

import msgspec

from core.drift_window import Alarm, DriftWindow, Reading, WindowState
from core.label_figures import LabelFigures
from monitor.detectors import concept
from monitor.detectors.panel import DETECTORS
from streamgauge.drift.source import line_of

#: Names of all that read a window, in the order of the readings: the feature detectors, and that of the labels.
READERS = (*DETECTORS, concept.NAME)


class FileAlarm(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm; see :class:`core.drift_window.Alarm`. Lines count from 1, the header's."""

    line: int | None  #: of the row at which it was raised; None: no row could be used until then
    first_line: int | None  #: of the first suspected row
    records: int  #: usable rows from that one to the other; of an alarm of the labels: those of them with a label
    detector: str
    statistic: float
    threshold: float
    effect: float
    blame: list[str]
    shift: dict[str, float]
    sentence: str


class FileWindow(msgspec.Struct, frozen=True, kw_only=True):
    """A window; see :class:`core.drift_window.DriftWindow`."""

    window: int
    state: WindowState
    first_line: int | None  #: of the first usable row; None: there is none
    last_line: int | None
    n: int
    skipped: int
    score: float
    threshold: float
    p_mean: float
    p_raw_mean: float | None
    z: dict[str, float]
    blame: list[str]
    constant_changed: dict[str, int]
    episode: int | None
    alarm: FileAlarm | None
    readings: list[Reading]
    labels: LabelFigures | None = None  #: None while no row had one

    @property
    def nearest(self) -> Reading:
        """The reading that is nearest to its threshold, or farthest beyond."""
        return max(self.readings, key=ratio)


def ratio(reading: Reading) -> float:
    """Statistic in units of its threshold; 1 is an alarm.

    That of the labels multiplies, label by label, where the others add: it and its threshold count by their
    logarithms, as log(1 + statistic) / log(1 + threshold).

    >>> ratio(Reading("concept", 99.0, 9_999.0, False, True)), ratio(Reading("spread", 99.0, 9_900.0, False, True))
    (0.5, 0.01)
    """
    if reading.detector == concept.NAME:
        return math.log1p(reading.statistic) / math.log1p(reading.threshold)
    return reading.statistic / reading.threshold


def file_window(drift: DriftWindow) -> FileWindow:
    """The window of a file, from the one that the monitor would have published."""
    return FileWindow(
        window=drift.window,
        state=drift.state,
        first_line=_line(drift.first),
        last_line=_line(drift.last),
        n=drift.n,
        skipped=drift.skipped,
        score=drift.score,
        threshold=drift.threshold,
        p_mean=drift.p_mean,
        p_raw_mean=drift.p_raw_mean,
        z=drift.z,
        blame=drift.blame,
        constant_changed=drift.constant_changed,
        episode=drift.episode,
        alarm=None if drift.alarm is None else _file_alarm(drift.alarm),
        readings=drift.readings,
        labels=drift.labels,
    )


def _file_alarm(alarm: Alarm) -> FileAlarm:
    return FileAlarm(
        line=_line(alarm.record),
        first_line=_line(alarm.first),
        records=alarm.records,
        detector=alarm.detector,
        statistic=alarm.statistic,
        threshold=alarm.threshold,
        effect=alarm.effect,
        blame=alarm.blame,
        shift=alarm.shift,
        sentence=alarm.sentence,
    )


def _line(record_id: str) -> int | None:
    return line_of(record_id) if record_id else None

"""The course of a whole file in bounded memory: neighbouring windows become one where there are too many."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from core.model import Floats
from streamgauge.drift.file_labels import FileLabels
from streamgauge.drift.file_window import READERS, FileWindow, ratio

#: Columns of a picture that an eye can tell apart.
MOST_COLUMNS = 256
#: Alarms kept; beyond, they are counted.
MOST_ALARMS = 1_024


@dataclass(frozen=True)
class Mark:
    """Where an alarm was raised."""

    line: int
    detector: str


@dataclass
class History:
    """Windows as columns; a column of several shows each statistic where it was largest."""

    features: tuple[str, ...]
    windows: int = 0
    alarms: int = 0
    records: int = 0  #: usable rows, when the whole file is judged
    skipped: int = 0  #: rows that could not be used
    labels: FileLabels | None = None  #: when the whole file is judged; None where it has no column of them
    marks: list[Mark] = field(default_factory=list)
    _columns: list[_Column] = field(default_factory=list)
    _first_line: int = 1
    _together: int = 1  # windows in a column
    _filled: int = 0  # of them, in the last column

    def add(self, window: FileWindow) -> None:
        """The next window."""
        self.windows += 1
        alarm = window.alarm
        if alarm is not None:
            self.alarms += 1
            if alarm.line is not None and len(self.marks) < MOST_ALARMS:
                self.marks.append(Mark(alarm.line, alarm.detector))
        if window.first_line is None or window.last_line is None:
            return
        by_name = {reading.detector: ratio(reading) for reading in window.readings}
        ratios = np.array([by_name[name] for name in READERS])
        column = _Column(window.last_line, ratios, np.array([window.z[name] for name in self.features]))
        if not self._columns:
            self._first_line = window.first_line
        if self._columns and self._filled < self._together:
            self._columns[-1] = self._columns[-1].joined(column)
            self._filled += 1
            return
        self._columns.append(column)
        self._filled = 1
        if len(self._columns) > MOST_COLUMNS:
            self._halve()

    @property
    def edges(self) -> Floats:
        """(columns + 1,) lines at which columns begin, and at which the last one ends."""
        return np.array([self._first_line, *(column.last_line + 1 for column in self._columns)], dtype=np.float64)

    @property
    def ratios(self) -> Floats:
        """(readers, columns) statistics in units of their thresholds, in the order of ``READERS``."""
        return np.array([column.ratios for column in self._columns]).reshape(-1, len(READERS)).T

    @property
    def z(self) -> Floats:
        """(d, columns) mean shift of each feature in training SD."""
        return np.array([column.z for column in self._columns]).reshape(-1, len(self.features)).T

    def _halve(self) -> None:
        """Put every two columns together; an odd one at the end goes on filling."""
        odd = len(self._columns) % 2
        joined = [one.joined(other) for one, other in zip(self._columns[::2], self._columns[1::2], strict=False)]
        self._columns = joined + self._columns[-1:] * odd
        self._together *= 2
        self._filled = self._filled if odd else self._together


@dataclass(frozen=True, eq=False)
class _Column:
    last_line: int
    ratios: Floats  #: (readers,)
    z: Floats  #: (d,)

    def joined(self, later: _Column) -> _Column:
        """Both as one: of each pair of values the one that is farther from 0."""
        return _Column(
            later.last_line,
            np.maximum(self.ratios, later.ratios),
            np.where(np.abs(later.z) > np.abs(self.z), later.z, self.z),
        )

"""What detectors have in common: two protocols, and what they say.

Record detectors judge after every record, and alarm at one; pane detectors judge a window when its last pane ends.
Neither knows of ids, of panes' time limits or of Redis: :class:`monitor.drift_engine.DriftEngine` feeds them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import msgspec
import numpy as np

from core.drift.transform import Columns
from core.model import Floats
from monitor.pane import Window

#: A state holds no larger count, nor one of ticks: they are exact as floats, and room is left to go on counting.
LARGEST_COUNT = 2**53


class Reading(msgspec.Struct, frozen=True):
    """What one detector says at the end of a pane.

    Of a record detector it is the largest of what the pane's records gave (at its alarm, if it alarmed), of a pane
    detector the window's. A detector with several channels shows the one nearest to its threshold.
    """

    detector: str
    statistic: float
    threshold: float
    alarm: bool  #: the statistic reached the threshold, and was judged
    calm: bool  #: well inside the threshold, see ``core.drift.budget.CALM_PANES``


@dataclass(frozen=True, eq=False)
class Crossing:
    """The alarm of a pane. Records are usable ones, counted back from the one at which it was raised."""

    detector: str
    channel: str  #: which of the detector's statistics, such as ``mean_shift_12``
    statistic: float
    threshold: float
    back: int  #: records from the first suspected one to the alarm's, both included; at least 1
    blame: tuple[int, ...]  #: all d features by number, the most blamed first
    shift: Floats  #: (d,) mean shift over the suspected records (the last 200 of them) in training SD
    words: str  #: one sentence


class DetectorState(msgspec.Struct, frozen=True):
    """What a detector carries from pane to pane; bytes are little-endian."""

    values: bytes = b""  #: what is not counted, as the detector says
    counts: bytes = b""  #: int64


#: Share of the likelihood ratio of any shift that the shift of one feature alone must reach to be named alone.
_EXPLAINED = 0.5


@dataclass(frozen=True)
class Alarm:
    """What a detector knows of its own alarm."""

    detector: str
    channel: str
    statistic: float
    threshold: float
    back: int  #: as in :class:`Crossing`
    column: int = -1  #: winning column of the channel, where there is one
    upwards: bool = True  #: the side that won, where there are two
    events: int = 0  #: of detectors that count events: how many there were ...
    records: int = 0  #: ... in so many records


@dataclass(frozen=True, eq=False)
class Evidence:
    """Means over the suspected records, the last 200 of them; what blame is put by."""

    records: int  #: how many they are
    z: Floats  #: (v,) of the distances from the training mean in training SD
    size: Floats  #: (v,) of min(z^2, 9), less what it is in training
    adjusted: Floats  #: (v,) of the regression-adjusted scores; 0 where a restart has forgotten them
    likelihood: float  #: |mean of the whitened ones|^2; of the shift of one feature alone it is its ``adjusted``^2
    alone: Floats  #: (v,) the same of ``z``, less what the other features lead one to expect: least squares
    probability: float  #: of the probability of class 1

    @property
    def single(self) -> bool:
        """Whether the shift of one feature alone explains most of what moved."""
        adjusted = float(np.abs(self.adjusted).max(initial=0.0))
        return adjusted > np.abs(self.z).max(initial=0.0) and adjusted**2 >= _EXPLAINED * self.likelihood


class RecordDetector(Protocol):
    """Judges after every record; one or several detectors that are computed together.

    Records come in pieces of any size; what is said of them does not depend, to the bit, on the pieces. A piece is
    examined first; then it is accepted, or a shorter one in its place is examined and accepted.
    """

    def examine(self, columns: Columns, unjudged: int) -> int:
        """Index of the first of n records that alarms, n if none does; the first ``unjudged`` never do."""
        ...

    def accept(self) -> None:
        """Keep what the last examination found."""
        ...

    def begin_pane(self) -> None:
        """Take what is carried as the new beginning of all sums, and forget the largest statistics."""
        ...

    def restart(self) -> None:
        """Forget every record; the largest statistics stay until the pane ends."""
        ...

    def readings(self) -> list[Reading]:
        """One a detector, over the records accepted since the pane began."""
        ...

    def alarm(self) -> Alarm | None:
        """The alarm at the last record that was accepted, None where there is none."""
        ...

    def blame(self, alarm: Alarm, evidence: Evidence) -> Floats:
        """(v,) how much each varying feature is to blame for an alarm; only the order matters."""
        ...

    def state(self) -> DetectorState:
        """What is carried, right after ``begin_pane``."""
        ...

    def restore(self, state: DetectorState) -> None:
        """Go on from a state. Raises ValueError for one that does not fit."""
        ...


@dataclass(frozen=True, eq=False)
class PaneVerdict:
    """What a pane detector says of a window."""

    reading: Reading
    alarm: Alarm | None
    blame: Floats  #: (d,) how much each feature is to blame; only the order matters


class PaneDetector(Protocol):
    """Judges a window when its last pane closes."""

    @property
    def name(self) -> str:
        """As in readings and metrics."""
        ...

    def judge(self, window: Window) -> PaneVerdict:
        """The verdict; called exactly once a pane. An alarm restarts what the detector carries."""
        ...

    def state(self) -> DetectorState:
        """What is carried from pane to pane."""
        ...

    def restore(self, state: DetectorState) -> None:
        """Go on from a state. Raises ValueError for one that does not fit."""
        ...

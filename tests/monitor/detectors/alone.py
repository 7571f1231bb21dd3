"""Each detector by itself: what the drift engine does with all of them, done with one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import msgspec
import numpy as np

from core.drift.transform import Columns
from core.model import Floats, LogisticModel
from core.model_file import ModelFile
from core.schema import Schema
from monitor.detectors.base import Alarm, DetectorState, PaneDetector, Reading, RecordDetector
from monitor.detectors.panel import build_panel
from monitor.detectors.two_sided import TwoSided
from monitor.pane import PaneAccumulator, PaneSums, Window
from tests.drift_references import quick_model_file

FEATURES = ("length", "width", "roundness", "flag")
SLIDE, MIN_RECORDS = 250, 50


def draw(generator: np.random.Generator, n: int) -> Floats:
    """Records without a change: two features that go together, one apart, and a flag that is always 4."""
    x = generator.normal(size=(n, len(FEATURES)))
    x[:, 1] = 0.9 * x[:, 0] + np.sqrt(0.19) * x[:, 1]
    x[:, 3] = 4.0
    return x


@cache
def model_file() -> ModelFile:
    """A model of 500 such records."""
    model = LogisticModel(
        Schema(FEATURES, ("no", "yes")), np.array([0.8, -0.3, 0.5, 0.0]), 0.2, np.zeros(4), np.ones(4)
    )
    return quick_model_file(model, draw(np.random.default_rng(7), 500))


def probability(x: Floats) -> Floats:
    """Of class 1."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.nan_to_num(model_file().model.score(x).probability, nan=0.5)


@dataclass(frozen=True)
class Case:
    """A detector, and the change that it is for."""

    name: str
    changed: Callable[[Floats], Floats]
    skipped_share: float = 0.0  #: records of the changed stream that could not be used


def _higher(x: Floats, shift: list[float]) -> Floats:
    higher: Floats = x + np.array(shift)
    return higher


def _all_higher(x: Floats) -> Floats:
    return _higher(x, [0.6, 0.6, 0.6, 0.0])


def _one_higher(x: Floats) -> Floats:
    return _higher(x, [0.0, 0.0, 0.6, 0.0])


def _more_likely(x: Floats) -> Floats:
    return _higher(x, [1.0, -0.3, 0.7, 0.0])


def _wider(x: Floats) -> Floats:
    wider: Floats = x * np.array([1.6, 1.6, 1.6, 1.0])
    return wider


def _two_valued(x: Floats) -> Floats:
    """The same mean and SD of the third feature, and another distribution."""
    return np.column_stack([x[:, :2], np.sign(x[:, 2]), x[:, 3]])


def _flag_off(x: Floats) -> Floats:
    x = x.copy()
    x[::4, 3] = 5.0
    return x


CASES = (
    Case("mean_abs_z", _all_higher),
    Case("mean_shift", _all_higher),
    Case("cusum", _one_higher),
    Case("prediction", _more_likely),
    Case("spread", _wider),
    Case("distribution", _two_valued),
    Case("unusable", np.copy, skipped_share=0.25),
    Case("constant", _flag_off),
)


class Alone:
    """One detector, fed like the drift engine feeds it: an alarm inside a pane restarts it, and it rests."""

    def __init__(
        self, name: str, budget: float = 10_000.0, panes: int = 1, min_records: int = MIN_RECORDS
    ) -> None:
        file = model_file()
        self.transform = file.drift.transform
        self._panel = build_panel(file.profile, file.drift, budget, SLIDE, min_records, 0.01)
        self._min_records, self._panes_a_window = min_records, panes
        self._record, self._judge = self._pick(name)
        self._pane = PaneAccumulator(file.profile, file.drift.bins, SLIDE)
        self._panes: list[PaneSums] = []
        self.seen = 0
        self._resting = False
        self.alarms: list[tuple[int, Alarm]] = []  #: records seen, and the alarm
        self.blamed: Floats  #: (d,) by the last verdict of a pane detector

    def _pick(self, name: str) -> tuple[RecordDetector | None, PaneDetector | None]:
        if name == "mean_shift":
            return self._panel.mean_shift, None
        for detector in self._panel.pane:
            if detector.name == name:
                return None, detector
        together = self._panel.record[1]
        assert isinstance(together, TwoSided)
        return TwoSided([watched for watched in together._watched if watched.name == name]), None

    @property
    def detector(self) -> RecordDetector | PaneDetector:
        """Whichever it is."""
        detector = self._record or self._judge
        assert detector is not None
        return detector

    def take(self, x: Floats, *, stop: bool = False) -> int:
        """Take records of the open pane; with ``stop`` those up to an alarm. Returns how many."""
        taken = 0
        while taken < len(x):
            rest = x[taken:]
            columns = self.transform.columns(rest, probability(rest))
            alarm = None
            if self._record is not None and not self._resting:
                unjudged = min(len(rest), max(0, self._min_records - 1 - self.seen))
                first = self._record.examine(columns, unjudged)
                rest, columns = rest[: first + 1], _first(columns, first + 1)
                self._record.examine(columns, unjudged)
                self._record.accept()
                alarm = self._record.alarm()
            self._pane.add(columns, rest, probability(rest))
            taken += len(rest)
            self.seen += len(rest)
            if self._record is not None and alarm is not None:
                self.alarms.append((self.seen, alarm))
                self._record.restart()
                self._resting = True
                if stop:
                    break
        return taken

    def close(self, skipped: int = 0, missing: int = 0) -> Reading:
        """Close the pane."""
        pane, marks = self._pane.close(skipped, missing)
        self._panes = [*self._panes, pane][-self._panes_a_window :]
        self._resting = False
        if self._record is not None:
            [reading] = self._record.readings()
            self._record.begin_pane()
            return reading
        assert self._judge is not None
        enough = self.seen >= self._min_records
        records = sum(closed.n for closed in self._panes)
        window = Window(self._panes, marks, self._pane.apart, enough, enough and records >= self._min_records)
        verdict = self._judge.judge(window)
        self.blamed = verdict.blame
        if verdict.alarm is not None:
            self.alarms.append((self.seen, verdict.alarm))
        return verdict.reading

    def state(self) -> tuple[DetectorState, list[PaneSums], int]:
        """Between two panes: all that is carried."""
        kept = self._panes_a_window - 1
        return self.detector.state(), self._panes[-kept:] if kept else [], self.seen

    def restore(self, state: tuple[DetectorState, list[PaneSums], int]) -> None:
        """Go on from there."""
        carried, self._panes, self.seen = state
        self.detector.restore(carried)


def play(alone: Alone, x: Floats, case: Case, cuts: Iterable[int] = ()) -> list[bytes]:
    """Feed panes, in pieces that end at ``cuts``; everything that was said and is carried, as bytes."""
    transcript = []
    places = sorted({cut for cut in cuts if 0 < cut < len(x)} | {*range(0, len(x), SLIDE), len(x)})
    for begin, end in pairwise(places):
        alone.take(x[begin:end])
        if end % SLIDE == 0 or end == len(x):
            reading = alone.close(int(case.skipped_share * SLIDE), int(case.skipped_share * SLIDE) // 2)
            transcript.append(msgspec.msgpack.encode((reading, alone.state())))
    transcript.append(repr(alone.alarms).encode())
    return transcript


def _first(columns: Columns, count: int) -> Columns:
    return Columns(*(part[:, :count] for part in vars(columns).values()))

"""All feature detectors of one model over the merged order of usable records; it knows neither ids nor Redis."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.drift.reference import DriftReference
from core.drift.transform import LARGEST_Z, Columns
from core.errors import StreamError
from core.model import Floats
from core.profile import TrainingProfile
from monitor.detectors.base import (
    Alarm,
    Crossing,
    DetectorState,
    Evidence,
    PaneDetector,
    PaneVerdict,
    Reading,
    RecordDetector,
)
from monitor.detectors.panel import DETECTORS, build_panel
from monitor.detectors.recent import RecentRecords
from monitor.detectors.words import sentence
from monitor.pane import PaneAccumulator, PaneSums, Window, check_pane

#: Records worked on at once, at most, and values: their columns stay in a core's cache.
_PIECE_RECORDS = 2048
_PIECE_VALUES = 65_536
_LEAST_PIECE_RECORDS = 64


@dataclass(frozen=True)
class Limits:
    """What the user sets."""

    budget: float  #: records to one false alarm, on average, over all detectors (ARL0)
    slide: int  #: records a full pane
    panes: int = 1  #: panes a window
    min_records: int = 50  #: usable records since this model began, and in a window, before anything is judged
    unusable_share: float = 0.01  #: tolerated share of rejected records, and of those with missing features


@dataclass(frozen=True, eq=False)
class Judgement:
    """The verdict on the window that ends with the pane just closed."""

    readings: tuple[Reading, ...]  #: one a detector, in the order of ``monitor.detectors.panel.DETECTORS``
    crossing: Crossing | None  #: the pane's alarm: the first by record, else that of a pane detector
    judged: bool  #: False: too few records yet (no alarm then, and no calm)
    calm: bool  #: judged, no alarm, and every statistic well inside its threshold
    n: int  #: usable records in the window
    skipped: int  #: records in it that could not be used
    missing: int  #: those of them that lacked a feature
    score: float  #: headline: mean |z| over the features that vary
    threshold: float  #: headline's
    z: Floats  #: (d,) mean shift of each feature in training SD; 0 for constant features
    p_mean: float  #: mean probability of class 1, before calibration
    calibrated_mean: float | None  #: after it; None of a model without calibration
    constant_changed: NDArray[np.int64]  #: (d,) records that left the only value seen in training


class EngineState(msgspec.Struct, frozen=True):
    """All that decides later verdicts; asked for right after ``close_pane``. Bytes are little-endian."""

    seen: int  #: usable records since this model began
    previous: bytes  #: float64 (v + 1,): standardised record before the next one; empty at the beginning
    recent: bytes  #: float32 (v + 1, m): the last m <= 200 standardised records
    panes: list[PaneSums]  #: closed panes that the next window still holds, the oldest first
    detectors: list[DetectorState]  #: record detectors, then pane detectors, each in the order of the readings


class DriftEngine:
    """Feed it a pane's records with ``take``, close the pane, and so on; after a promotion begin a new engine.

    What it says depends on the records, their order and the panes alone, to the bit, not on how ``take`` got them.
    An alarm of a record detector restarts all of them; they rest then until the pane's end. What is watched is
    the probability before calibration; of a model that is ``calibrated`` the sentences say so.

    Raises
    ------
    StreamError
        A state that does not belong to the profile.
    """

    def __init__(
        self,
        profile: TrainingProfile,
        reference: DriftReference,
        limits: Limits,
        state: EngineState | None = None,
        *,
        calibrated: bool = False,
    ) -> None:
        self._profile, self._limits, self._calibrated = profile, limits, calibrated
        self._transform = reference.transform
        self._constant = np.flatnonzero(~profile.varies)
        self._panel = build_panel(
            profile, reference, limits.budget, limits.slide, limits.min_records, limits.unusable_share
        )
        self._detectors: list[RecordDetector | PaneDetector] = [*self._panel.record, *self._panel.pane]
        self._recent = RecentRecords(self._transform)
        self._pane = PaneAccumulator(profile, reference.bins, limits.slide)
        self._panes: list[PaneSums] = []
        self._previous: Floats | None = None
        self._seen = 0
        self._crossing: Crossing | None = None
        width = max(1, len(self._transform.index))
        self._piece = min(_PIECE_RECORDS, max(_LEAST_PIECE_RECORDS, _PIECE_VALUES // width))
        if state is not None:
            self._restore(state)

    @property
    def pane_records(self) -> int:
        """Usable records of the open pane."""
        return self._pane.n

    @property
    def alarmed(self) -> bool:
        """Whether a record detector alarmed in the open pane; they rest then until it is closed."""
        return self._crossing is not None

    def take(self, x: Floats, probability: Floats, calibrated: Floats | None = None, *, stop: bool) -> int:
        """Take the next records ``x`` (n, d) of the open pane, with their probabilities (n,).

        ``calibrated`` (n,) are what a calibrated model makes of these: their mean is told, and they are not
        watched.

        Returns how many were taken: all n; with ``stop`` only those up to and including the one at which a record
        detector alarmed (``alarmed`` is True then), after which the caller closes the pane. Without ``stop`` an
        alarm is noted, and all n are taken. The engine does not count to ``slide``: the caller knows what a pane
        holds.
        """
        taken = 0
        while taken < len(x):
            piece = slice(taken, taken + self._piece)
            resting = self.alarmed
            shown = None if calibrated is None else calibrated[piece]
            taken += self._take_piece(x[piece], probability[piece], shown)
            if stop and self.alarmed and not resting:
                break
        return taken

    def close_pane(self, skipped: int, missing: int) -> Judgement:
        """Close the pane, judge the window that ends with it, and begin the next pane.

        ``skipped`` records of the pane could not be used, ``missing`` of them for want of a feature. A pane
        without a usable record is closed like any other.
        """
        pane, marks = self._pane.close(skipped, missing)
        self._panes = [*self._panes, pane][-self._limits.panes :]
        enough = self._seen >= self._limits.min_records
        n = sum(closed.n for closed in self._panes)
        window = Window(self._panes, marks, self._pane.apart, enough, enough and n >= self._limits.min_records)
        verdicts = [detector.judge(window) for detector in self._panel.pane]
        if self._crossing is None:
            self._crossing = self._pane_crossing(verdicts)
            if self._crossing is not None:
                self._restart()
        judgement = self._judgement(window, verdicts)
        for detector in self._panel.record:
            detector.begin_pane()
        self._crossing = None
        return judgement

    def state(self) -> EngineState:
        """The state between two panes. Raises ValueError while a pane holds records."""
        if self._pane.n:
            raise ValueError("a pane is open; close it before asking for the state")
        kept = self._limits.panes - 1
        return EngineState(
            self._seen,
            b"" if self._previous is None else self._previous.astype("<f8").tobytes(),
            self._recent.state(),
            self._panes[-kept:] if kept else [],
            [detector.state() for detector in self._detectors],
        )

    def _take_piece(self, x: Floats, probability: Floats, calibrated: Floats | None) -> int:
        """Take records up to the first alarm among them, or all; returns how many."""
        columns = self._transform.columns(x, probability, self._previous)
        count, watching = len(x), not self.alarmed
        if watching:
            count, columns = self._watch(columns)
        shown = None if calibrated is None else calibrated[:count]
        self._pane.add(columns, x[:count], probability[:count], shown)
        self._recent.add(columns.standardised)
        self._previous = columns.standardised[:, -1].copy()
        self._seen += count
        if watching:
            self._note_alarm()
        return count

    def _watch(self, columns: Columns) -> tuple[int, Columns]:
        """Show records to the record detectors; returns those up to the first alarm, which they have accepted."""
        n = columns.standardised.shape[1]
        unjudged = min(n, max(0, self._limits.min_records - 1 - self._seen))
        detectors = self._panel.record
        first = min(detector.examine(columns, unjudged) for detector in detectors)
        if first < n - 1:
            columns = _first(columns, first + 1)
            for detector in detectors:
                detector.examine(columns, unjudged)
        for detector in detectors:
            detector.accept()
        return columns.standardised.shape[1], columns

    def _note_alarm(self) -> None:
        """The crossing, if a record detector alarmed at the last record; then all of them begin anew."""
        for detector in self._panel.record:
            alarm = detector.alarm()
            if alarm is not None:
                evidence = self._evidence(alarm)
                blame = np.zeros(len(self._profile.features))
                blame[self._transform.index] = detector.blame(alarm, evidence)
                self._crossing = self._assembled(alarm, evidence, blame)
                self._restart()
                return

    def _pane_crossing(self, verdicts: list[PaneVerdict]) -> Crossing | None:
        for verdict in verdicts:
            if verdict.alarm is not None:
                evidence = self._evidence(verdict.alarm)
                return self._assembled(verdict.alarm, evidence, verdict.blame)
        return None

    def _evidence(self, alarm: Alarm) -> Evidence:
        return self._recent.evidence(alarm.back, self._panel.mean_shift.mean(alarm.back))

    def _assembled(self, alarm: Alarm, evidence: Evidence, blame: Floats) -> Crossing:
        ranked = tuple(np.argsort(-blame, kind="stable").tolist())
        shift = np.zeros(len(self._profile.features))
        shift[self._transform.index] = evidence.z
        names = self._profile.features
        words = sentence(alarm, evidence, self._transform, names, ranked, calibrated=self._calibrated)
        return Crossing(
            alarm.detector, alarm.channel, alarm.statistic, alarm.threshold, alarm.back, ranked, shift, words
        )

    def _restart(self) -> None:
        for detector in self._panel.record:
            detector.restart()

    def _judgement(self, window: Window, verdicts: list[PaneVerdict]) -> Judgement:
        said = [verdict.reading for verdict in verdicts]
        for detector in self._panel.record:
            said += detector.readings()
        by_name = {reading.detector: reading for reading in said}
        readings = tuple(by_name[name] for name in DETECTORS)
        judged = window.judged or self._crossing is not None
        means = window.means
        d = len(self._profile.features)
        z, changed = np.zeros(d), np.zeros(d, dtype=np.int64)
        z[self._transform.index] = means[:-1]
        changed[self._constant] = window.changed
        return Judgement(
            readings=readings,
            crossing=self._crossing,
            judged=judged,
            calm=judged and self._crossing is None and all(reading.calm for reading in readings),
            n=window.n,
            skipped=sum(pane.skipped for pane in self._panes),
            missing=sum(pane.missing for pane in self._panes),
            score=readings[0].statistic,
            threshold=readings[0].threshold,
            z=z,
            p_mean=float(means[-1]),
            calibrated_mean=window.calibrated_mean,
            constant_changed=changed,
        )

    def _restore(self, state: EngineState) -> None:
        try:
            self._check(state)
            self._recent.restore(state.recent)
            for detector, carried in zip(self._detectors, state.detectors, strict=True):
                detector.restore(carried)
        except ValueError as error:
            raise StreamError(
                f"the monitor's state does not fit its model ({error}); delete its key to begin anew"
            ) from error
        self._seen = state.seen
        self._previous = np.frombuffer(state.previous, "<f8").astype(np.float64) if state.previous else None
        self._panes = list(state.panes)

    def _check(self, state: EngineState) -> None:
        """Raise ValueError for what no engine of this model wrote."""
        width = len(self._transform.index)
        if state.seen < 0:
            raise ValueError(f"it has seen {state.seen} records")
        for pane in state.panes:
            check_pane(pane, width, len(self._profile.features) - width)
        previous = np.frombuffer(state.previous, "<f8")
        if len(previous) not in {0, width + 1} or not (np.abs(previous) <= LARGEST_Z).all():
            raise ValueError("the record before the next one is none of this model")


def _first(columns: Columns, count: int) -> Columns:
    """The first records."""
    return Columns(
        columns.standardised[:, :count],
        columns.whitened[:, :count],
        columns.feature[:, :count],
        columns.adjusted[:, :count],
        columns.probability[:, :count],
        columns.radius[:, :count],
    )

"""Labels against the model in production: the concept detector tests, one by one, what it said of the rows.

What comes out depends on the merged order alone, to the bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.concept_reference import ConceptReference
from core.drift.budget import calm_budget
from core.errors import StreamError
from core.label_figures import LabelFigures
from core.retention import LABELS
from monitor.detectors import concept
from monitor.detectors.base import Reading
from monitor.detectors.concept import ConceptAlarm, ConceptDetector, ConceptState
from monitor.label_index import LabelIndex
from monitor.label_join import Cut, LabelCounts, LabelJoin, PlacedLabels
from monitor.label_state import LabelState
from monitor.record_run import SampledRows
from monitor.trail import EXACT_RECORDS, Trail

#: Rows and labels that are older than so long before the newest record are let go: as labels themselves are.
HORIZON_MS = LABELS[0]


@dataclass(frozen=True)
class LabelLimits:
    """What the settings tell the watch."""

    budget: float  #: labels to one false alarm, on average
    slide: int  #: records a full pane
    min_records: int  #: no fewer labels show that a change of concept is over
    share: float  #: of the records that are sampled


@dataclass(frozen=True)
class NotedAlarm:
    """An alarm, and where the labelled rows before it stand."""

    alarm: ConceptAlarm
    trail: Trail  #: as it stood with the label of the alarm


@dataclass(frozen=True)
class LabelVerdict:
    """What labels say at the end of a window."""

    reading: Reading
    noted: NotedAlarm | None  #: the alarm since the window before
    figures: LabelFigures | None  #: None while no label ever came
    settled: bool  #: labels enough came since the last alarm to show that the change goes on, if it does


@dataclass(frozen=True)
class _Before:
    """What :meth:`LabelWatch.undo` goes back to, beside the join's."""

    followed: bool
    trail: Trail
    test: ConceptState
    noted: NotedAlarm | None


class LabelWatch:
    """Goes on from a state, with an index that is as it was then; after a promotion begin another one."""

    def __init__(
        self, reference: ConceptReference, limits: LabelLimits, index: LabelIndex, state: LabelState
    ) -> None:
        self._reference, self._limits = reference, limits
        self._join = LabelJoin(index, limits.share, state.labels, state.waiting)
        self._detector = self._detector_of(state.test)
        self._trail = state.trail
        self._patience = state.patience
        self._followed = False  # a label was tested since the window before
        self._noted: NotedAlarm | None = None
        self._before = self._now()

    def after_promotion(self, reference: ConceptReference) -> LabelWatch:
        """A watch of the model that is in production now; labels of rows before are not for its test."""
        self._join.index.change_model()
        state = self.state().after_promotion()
        successor = LabelWatch(reference, self._limits, self._join.index, state)
        successor._join.counts = self._join.counts
        return successor

    @property
    def noted(self) -> NotedAlarm | None:
        """The alarm since the window before; the test rests then until the window is closed."""
        return self._noted

    def take(self, rows: SampledRows | None, labels: Sequence[PlacedLabels], *, stop: bool) -> Cut | None:
        """Take rows and labels in merged order; returns where the detector alarmed, None where it did not.

        With ``stop`` nothing behind that label is taken. :meth:`undo` takes all of it back.
        """
        self._before = self._now()
        found = self._join.find(rows, labels)
        if not found.numbers:
            return None
        alarmed = self._detector.update(*found.outcomes(slice(None)))
        if alarmed is None:
            self._follow(found.numbers)
            return None
        if stop:
            self._join.undo()
            found = self._join.find(rows, labels, alarmed + 1)
        self._follow(found.numbers[: alarmed + 1])
        alarm = self._detector.alarm
        assert alarm is not None  # noqa: S101  (it was just raised; for the type checker)
        self._noted = NotedAlarm(alarm, self._trail)
        rest = slice(alarmed + 1, None)
        if found.numbers[rest]:
            self._detector.update(*found.outcomes(rest))
            self._follow(found.numbers[rest])
        return found.cuts[alarmed]

    def undo(self) -> None:
        """Be as before the last :meth:`take`."""
        self._join.undo()
        before = self._before
        self._followed, self._trail, self._noted = before.followed, before.trail, before.noted
        self._detector = self._detector_of(before.test)

    def close(self, window: int, width: int, newest_ms: int) -> LabelVerdict:
        """Window ``window`` is closed, whose newest entry is of ``newest_ms``; rows have ``width`` features."""
        self._join.close(window, width, newest_ms - HORIZON_MS)
        settled = self._noted is None and self._detector.state().sums.labels >= self._patience
        verdict = LabelVerdict(self._reading(), self._noted, self._figures(), settled)
        if self._noted is not None:
            self._patience = max(self._limits.min_records, self._noted.alarm.since)
            self._detector.reset()
        self._join.counts, self._followed, self._noted = LabelCounts(), False, None
        return verdict

    def state(self) -> LabelState:
        """To be stored with the window that was just closed."""
        index = self._join.index
        return LabelState(
            labels=self._join.labels,
            rows=index.rows,
            judged_rows=index.judged_rows,
            oldest_ms=index.oldest_ms,
            labelled=index.labelled_bits(),
            waiting=self._join.waiting,
            trail=self._trail,
            test=self._detector.state(),
            patience=self._patience,
        )

    def _follow(self, numbers: Sequence[int]) -> None:
        """Note where the rows of tested labels stand."""
        index = self._join.index
        runs = [index.place(number) for number in numbers[-EXACT_RECORDS:]]
        opening = None if self._followed else index.place(numbers[0])
        self._trail = self._trail.extended(len(numbers), runs, opens_pane=opening)
        self._followed = True

    def _now(self) -> _Before:
        return _Before(self._followed, self._trail, self._detector.state(), self._noted)

    def _detector_of(self, test: ConceptState | None) -> ConceptDetector:
        if test is None:
            return ConceptDetector(self._reference, self._limits.budget)
        try:
            return ConceptDetector.from_state(self._reference, self._limits.budget, test)
        except ValueError as error:
            raise StreamError(
                f"the monitor's state cannot be read ({error}); delete its key to begin anew"
            ) from error

    def _reading(self) -> Reading:
        threshold = self._detector.threshold
        statistic = self._detector.statistic if self._noted is None else self._noted.alarm.statistic
        calm = self._noted is None and statistic < min(threshold, calm_budget(self._limits.slide))
        return Reading(concept.NAME, statistic, threshold, self._noted is not None, calm)

    def _figures(self) -> LabelFigures | None:
        counts, index, recent = self._join.counts, self._join.index, self._detector.recent
        if not self._join.labels:
            return None
        return LabelFigures(
            tested=counts.tested,
            early=counts.early,
            stale=counts.stale,
            repeated=counts.repeated,
            left_out=counts.left_out,
            unmatched=counts.unmatched,
            waiting=len(self._join.waiting),
            coverage=int(np.count_nonzero(index.labelled)) / index.rows if index.rows else 0.0,
            delay_s=counts.delay_ms / counts.tested / 1000 if counts.tested else None,
            log_loss=recent.log_loss,
            reference_log_loss=self._reference.log_loss,
            rate_change=recent.surplus,
        )

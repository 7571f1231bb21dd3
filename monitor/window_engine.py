"""Cut the merged stream into panes and windows, and have them judged: entries in, closed windows out, no Redis."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

from core.drift_window import DriftWindow, RetrainEvent
from core.merged_reader import PlacedEntry
from core.record_decoder import RecordDecoder
from core.sample_block import SampleBlock
from core.settings import Settings
from monitor.drift_engine import DriftEngine, Judgement, Limits
from monitor.episode import EpisodeRule, EpisodeState, EpisodeStep
from monitor.model_timeline import JudgingModel
from monitor.open_pane import OpenPane
from monitor.record_run import RecordRun, is_block
from monitor.state import WHOLE, MonitorState, Position
from monitor.trail import Trail, whole
from monitor.verdict import alarm_of, drift_window, judged_window, retrain_event


@dataclass(frozen=True, eq=False)
class ClosedWindow:
    """A window with everything that becomes durable with it."""

    drift: DriftWindow
    samples: SampleBlock | None
    retrain: RetrainEvent | None
    state: MonitorState


class Timeline(Protocol):
    """Which model judges what came in a given millisecond."""

    def at(self, time_ms: int) -> JudgingModel:
        """The model in production then."""


class WindowEngine:
    """Continues from a state; its windows depend on the records and their ids alone.

    A pane holds ``slide`` records, or what came within the time limit of its first entry, or ends with the record
    at which a detector alarmed (see :meth:`EpisodeRule.cuts`). A window is the last ``window_records / slide``
    panes. An engine must not be fed any more once a window could not be made durable: build a new one from the
    stored state then.
    """

    def __init__(self, settings: Settings, state: MonitorState, timeline: Timeline) -> None:
        self._settings = settings
        self._timeline = timeline
        self._rule = EpisodeRule(settings.recovery_windows, int(settings.retrain_cooldown_s * 1000))
        self._limit_ms = int(settings.window_limit_s * 1000)
        self._limits = limits_of(settings)
        same_panes = state.slide == settings.slide
        self._window = state.window
        self._spans = list(state.spans) if same_panes else []
        self._positions = dict(state.positions)
        self._episode: EpisodeState = state.episode
        self._trail: Trail = state.trail
        self._model_id = state.model
        self._stored = state.engine if same_panes else None
        self._model: JudgingModel
        self._detectors: DriftEngine | None = None
        self._decoder: RecordDecoder | None = None
        self._pane: OpenPane | None = None

    def feed(self, entries: list[PlacedEntry]) -> Iterator[ClosedWindow]:
        """Take entries in merged order; yields each window as it closes."""
        for _, group in groupby(entries, key=is_block):
            rest = list(group)
            while rest:
                rest = yield from self._consume(rest)

    def expire(self, watermark_ms: int) -> Iterator[ClosedWindow]:
        """Close the open pane if its time is over and no record can come for it any more."""
        if self._pane is not None and watermark_ms >= self._pane.start_ms + self._limit_ms:
            yield self._close(self._pane)

    def _consume(self, placed: list[PlacedEntry]) -> Generator[ClosedWindow, None, list[PlacedEntry]]:
        """Fill panes from a run; returns what must be decoded anew because the model changed."""
        pane = self._pane or self._open(placed[0])
        decoder = self._decoder_for(self._model)
        run = RecordRun(placed, self._model.file, decoder, self._positions)
        index, row = 0, run.first_row
        while index < len(placed):
            if self._pane is None:
                judging = self._model
                pane = self._open(placed[index])
                if self._model is not judging:
                    return placed[index:]
            end = bisect_left(run.times_ms, pane.start_ms + self._limit_ms, lo=index)
            if end == index:
                yield self._close(pane)
                continue
            index, row = self._fill(pane, run, index, row, end)
            if self._is_over(pane):
                yield self._close(pane)
        return []

    def _fill(self, pane: OpenPane, run: RecordRun, index: int, row: int, end: int) -> tuple[int, int]:
        """Add rows of entries ``index`` to ``end`` while there is room; returns where the next pane goes on."""
        stop = min(run.stops[end - 1], row + self._settings.slide - self._engine.pane_records)
        if stop > row:
            stop = self._take(pane, run, row, stop)
        # a pane that is over ends with the entry of its last row; unusable ones behind it belong to the next
        last = run.entry_of(stop - 1) + 1 if self._is_over(pane) else end
        while index < last and run.stops[index] <= stop:
            self._leave(pane, run, index, None)
            index += 1
        if index < last:
            self._leave(pane, run, index, run.row_number(stop))
        return index, stop

    def _take(self, pane: OpenPane, run: RecordRun, start: int, stop: int) -> int:
        """Show rows to the detectors, until an alarm that ends the pane; returns the row behind the last."""
        while start < stop:
            alarmed = self._engine.alarmed
            x, probability = run.x[start:stop], run.probability[start:stop]
            taken = start + self._engine.take(x, probability, stop=not alarmed)
            self._note(pane, run, start, taken)
            start = taken
            if self._engine.alarmed and not alarmed:
                pane.at_alarm = self._trail
                if pane.cuts:
                    break
        return start

    def _note(self, pane: OpenPane, run: RecordRun, start: int, stop: int) -> None:
        """Rows of the pane: where they stand, and what is kept of them for training."""
        runs = run.runs(start, stop)
        opening = run.runs(start, start + 1)[0] if pane.is_empty else None
        pane.hold(runs[-1], opening)
        self._trail = self._trail.extended(stop - start, runs, opens_pane=opening)
        if self._settings.sample_share > 0:
            pane.keep(run.sample(start, stop, self._settings.sample_share))

    def _is_over(self, pane: OpenPane) -> bool:
        return self._engine.pane_records == self._settings.slide or (pane.cuts and self._engine.alarmed)

    def _leave(self, pane: OpenPane, run: RecordRun, index: int, row: int | None) -> None:
        """This pane holds an entry up to ``row`` (None: to its end); what it could not use counts as skipped."""
        item = run.placed[index]
        before = self._positions.get(item.partition, Position())
        start = before.row if before.row != WHOLE and before.entry_id == item.id else 0
        pane.leave(item.id.ms, run.unusable(index, start, row))
        self._positions[item.partition] = (
            Position(item.id.ms, item.id.seq, WHOLE, before.entries + 1)
            if row is None
            else Position(item.id.ms, item.id.seq, row, before.entries)
        )

    def _open(self, placed: PlacedEntry) -> OpenPane:
        """Begin a pane; a promotion before its first entry takes effect here."""
        model = self._timeline.at(placed.id.ms)
        if model.run_id != self._model_id:
            self._spans = []
            self._episode = self._rule.rearm(self._episode)
            self._model_id = model.run_id
            self._detectors = self._stored = None
        if self._detectors is None:
            profile, drift = model.file.profile, model.file.drift
            self._detectors = DriftEngine(profile, drift, self._limits, self._stored)
        self._model = model
        self._pane = OpenPane(placed.id, cuts=self._rule.cuts(self._episode, placed.id.ms))
        return self._pane

    @property
    def _engine(self) -> DriftEngine:
        """The detectors, which an open pane has."""
        assert self._detectors is not None  # noqa: S101  (opening a pane makes them; for the type checker)
        return self._detectors

    def _decoder_for(self, model: JudgingModel) -> RecordDecoder:
        schema = model.file.model.schema
        if self._decoder is None or self._decoder.schema != schema:
            self._decoder = RecordDecoder(schema, self._settings.max_entry_bytes)
        return self._decoder

    def _close(self, pane: OpenPane) -> ClosedWindow:
        self._pane = None
        self._window += 1
        self._spans = [*self._spans, pane.span][-self._limits.panes :]
        judgement = self._engine.close_pane(pane.skipped, pane.missing)
        drift, retrain = self._judge(pane, judgement)
        state = MonitorState(
            window=self._window,
            slide=self._settings.slide,
            model=self._model_id,
            positions=dict(self._positions),
            spans=self._spans[-(self._limits.panes - 1) :] if self._limits.panes > 1 else [],
            episode=self._episode,
            trail=self._trail,
            engine=self._engine.state(),
        )
        return ClosedWindow(drift, pane.samples(self._window, self._model.file.model.schema), retrain, state)

    def _judge(self, pane: OpenPane, judgement: Judgement) -> tuple[DriftWindow, RetrainEvent | None]:
        """The verdict on the window that ends with ``pane``, and what it asks for."""
        features = self._model.file.profile.features
        alarm = None
        if judgement.crossing is not None:
            trail = pane.at_alarm or self._trail
            alarm = alarm_of(judgement.crossing, trail, features, self._window, self._model_id)
        judged = judged_window(self._window, judgement, alarm, self._limits.min_records)
        step: EpisodeStep = self._rule.step(self._episode, judged, pane.newest_ms)
        self._episode = step.state
        drift = drift_window(judged, judgement, step, whole(self._spans), features, self._model_id)
        if alarm is None or step.asks is None:
            return drift, None
        return drift, retrain_event(alarm, step.asks)


def limits_of(settings: Settings) -> Limits:
    """What the settings tell the detectors."""
    return Limits(
        budget=settings.false_alarm_records,
        slide=settings.slide,
        panes=settings.window_records // settings.slide,
        min_records=settings.window_min_records,
        unusable_share=settings.tolerated_unusable_share,
    )

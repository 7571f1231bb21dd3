"""Cut the merged stream into panes and windows, and have them judged: entries in, closed windows out, no Redis."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Protocol

from core.drift_window import DriftWindow, RetrainEvent, drift_event
from core.entry import EntryId
from core.merged_reader import LABELS, PlacedEntry
from core.record_decoder import RecordDecoder
from core.sample_block import SampleBlock
from core.settings import Settings
from monitor.drift_engine import DriftEngine, Judgement, Limits
from monitor.episode import EpisodeRule, EpisodeState, EpisodeStep
from monitor.label_index import LabelIndex, NoSamples, Samples
from monitor.label_watch import LabelLimits, LabelVerdict, LabelWatch
from monitor.mixed_run import MixedRun, Point, mixed_runs
from monitor.model_timeline import JudgingModel
from monitor.open_pane import OpenPane
from monitor.record_run import RecordRun
from monitor.state import WHOLE, MonitorState, Position
from monitor.trail import Trail, whole
from monitor.verdict import alarm_of, alarm_of_labels, drift_window, judged_window


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
    """Continues from a state; its windows depend on the records, the labels and their ids alone.

    A pane holds ``slide`` records, or what came within the time limit of its first one, or ends with the record or
    label at which a detector alarmed (see :meth:`EpisodeRule.cuts`). A window is the last ``window_records /
    slide`` panes. Records alone open a pane; labels that come between two panes count for the next. An engine must
    not be fed any more once a window could not be made durable: build a new one from the stored state then.

    Parameters
    ----------
    samples
        Where the sampled rows of the windows up to the state's are read again, which labels may still come for;
        needed where there is a state.
    index
        Such rows as an earlier engine left them, so that only newer ones are read.
    """

    def __init__(
        self,
        settings: Settings,
        state: MonitorState,
        timeline: Timeline,
        samples: Samples | None = None,
        index: LabelIndex | None = None,
    ) -> None:
        self._settings = settings
        self._timeline = timeline
        self._samples = samples or NoSamples()
        self._index = LabelIndex() if index is None else index
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
        self._stored_labels = state.labels
        self._model: JudgingModel
        self._detectors: DriftEngine | None = None
        self._label_watch: LabelWatch | None = None
        self._decoder: RecordDecoder | None = None
        self._pane: OpenPane | None = None

    def feed(self, entries: list[PlacedEntry]) -> Iterator[ClosedWindow]:
        """Take entries in merged order; yields each window as it closes."""
        for run in mixed_runs(entries):
            rest = run
            while rest:
                rest = yield from self._consume(rest)

    def expire(self, watermark_ms: int) -> Iterator[ClosedWindow]:
        """Close the open pane if its time is over and nothing can come for it any more."""
        if self._pane is not None and watermark_ms >= self._pane.start_ms + self._limit_ms:
            yield self._close(self._pane)

    def _consume(self, placed: list[PlacedEntry]) -> Generator[ClosedWindow, None, list[PlacedEntry]]:
        """Fill panes from a run; returns what must be decoded anew because the model changed."""
        if self._pane is None:
            self._judge_by(placed[0])
        run = MixedRun(placed, self._model.file, self._decoder_for(self._model), self._positions)
        at = run.begin
        while (item := run.next(at)) is not None:
            pane = self._pane
            if pane is None:
                judged_by = self._model_id
                self._judge_by(item)
                if self._model_id != judged_by:
                    return run.behind(at)
                if item.is_label:
                    at = yield from self._test_between_panes(run, at)
                    continue
                pane = self._pane = OpenPane(item.id, cuts=self._rule.cuts(self._episode, item.id.ms))
            end, label_end = run.within(at, pane.start_ms + self._limit_ms)
            if (end, label_end) == (at.entry, at.label):
                yield self._close(pane)
                continue
            at = self._fill(pane, run, at, end, label_end)
            if self._is_over(pane):
                yield self._close(pane)
        return []

    def _test_between_panes(self, run: MixedRun, at: Point) -> Generator[ClosedWindow, None, Point]:
        """Labels before the next record while no pane is open; an alarm that cuts has a window of its own."""
        stop = at.label + 1
        while stop < len(run.label_entries) and run.records_before[stop] <= at.entry:
            if self._timeline.at(run.label_entries[stop].id.ms).run_id != self._model_id:
                break
            stop += 1
        cut = self._watch.take(None, run.labels(at, stop), stop=True)
        end = at.at_label(stop) if cut is None else at.at_label(at.label + cut.entries, cut.part)
        newest = self._leave_labels(run, at, end)
        if cut is not None and self._rule.cuts(self._episode, newest.ms):
            yield self._close(OpenPane(newest, cuts=True))
        return end

    def _fill(self, pane: OpenPane, run: MixedRun, at: Point, end: int, label_end: int) -> Point:
        """Add what comes before two entries, as far as there is room; returns where the next pane goes on."""
        records = run.records
        room = at.row + self._settings.slide - self._engine.pane_records
        stop = at.row if end == at.entry else min(records.stops[end - 1], room)
        if stop == room:  # what comes behind its last record belongs to the next pane
            label_end = min(label_end, run.label_behind(at, stop))
        reached, last = self._take(pane, run, at, stop, label_end)
        # a pane that is over ends with the entry of its last row; unusable ones behind it belong to the next
        if last is None:
            last = records.entry_of(reached.row - 1) + 1 if self._is_over(pane) else end
        index = min(last, bisect_right(records.stops, reached.row, lo=at.entry))
        self._leave_whole(pane, records, at.entry, index)
        if index < last:
            self._leave(pane, records, index, records.row_number(reached.row))
        if (reached.label, reached.part) != (at.label, at.part):
            pane.reach(self._leave_labels(run, at, reached).ms)
        return reached._replace(entry=index)

    def _take(
        self, pane: OpenPane, run: MixedRun, at: Point, stop: int, label_end: int
    ) -> tuple[Point, int | None]:
        """Show rows and labels to the detectors, until an alarm that ends the pane.

        Returns where that is, and for an alarm at an entry of labels how many record entries come before it. The
        labels go first, so that no row behind an alarm among them is shown; of what is said of them, what comes
        behind an alarm of the records is taken back.
        """
        records, share, shown = run.records, self._settings.sample_share, self._trail.records
        rows = records.sample(at.row, stop, share) if share > 0 and stop > at.row else None
        cut = self._watch.take(rows, run.labels(at, label_end), stop=pane.cuts)
        reached = self._show(pane, records, at.row, stop if cut is None or not pane.cuts else cut.row)
        ended_by_record = pane.cuts and self._engine.alarmed
        if ended_by_record:
            self._watch.undo()
            label_end = min(label_end, run.label_behind(at, reached))
            rows = None if rows is None else rows.before(reached)
            cut = self._watch.take(rows, run.labels(at, label_end), stop=True)
        if rows is not None:
            pane.keep(rows.before(reached), shown - at.row)
        if cut is not None:
            pane.at_label = shown + cut.row - at.row
        end = at._replace(row=reached)
        if cut is None or ended_by_record or not pane.cuts:
            return end.at_label(label_end), None
        end = end.at_label(at.label + cut.entries, cut.part)
        return end, None if cut.own else run.records_before[at.label + cut.entries - (cut.part == 0)]

    def _show(self, pane: OpenPane, records: RecordRun, start: int, stop: int) -> int:
        """Show rows to the feature detectors, until an alarm that ends the pane; returns the row behind them."""
        while start < stop:
            alarmed = self._engine.alarmed
            x, probability = records.x[start:stop], records.probability[start:stop]
            calibrated = None if records.calibrated is None else records.calibrated[start:stop]
            taken = start + self._engine.take(x, probability, calibrated, stop=not alarmed)
            runs = records.runs(start, taken)
            opening = records.runs(start, start + 1)[0] if pane.is_empty else None
            pane.hold(runs[-1], opening)
            self._trail = self._trail.extended(taken - start, runs, opens_pane=opening)
            start = taken
            if self._engine.alarmed and not alarmed:
                pane.at_alarm = self._trail
                if pane.cuts:
                    break
        return start

    def _is_over(self, pane: OpenPane) -> bool:
        alarmed = self._engine.alarmed or pane.at_label is not None
        return self._engine.pane_records == self._settings.slide or (pane.cuts and alarmed)

    def _leave_whole(self, pane: OpenPane, records: RecordRun, first: int, stop: int) -> None:
        """This pane holds entries ``first`` to ``stop`` to their ends."""
        if not records.all_usable:
            for index in range(first, stop):
                self._leave(pane, records, index, None)
        elif first < stop:
            pane.reach(max(records.times_ms[first:stop]))
            newest = {item.partition: item for item in records.placed[first:stop]}
            counts = Counter(item.partition for item in records.placed[first:stop])
            for partition, item in newest.items():
                before = self._positions.get(partition, Position())
                self._positions[partition] = before.past(item.id, None, counts[partition])

    def _leave(self, pane: OpenPane, records: RecordRun, index: int, row: int | None) -> None:
        """This pane holds an entry up to ``row`` (None: to its end); what it could not use counts as skipped."""
        item = records.placed[index]
        before = self._positions.get(item.partition, Position())
        start = before.row if before.row != WHOLE and before.entry_id == item.id else 0
        pane.leave(item.id.ms, records.unusable(index, start, row))
        self._positions[item.partition] = before.past(item.id, row)

    def _leave_labels(self, run: MixedRun, at: Point, end: Point) -> EntryId:
        """Labels from one point to another were looked at; returns the entry of the last."""
        position = self._positions.get(LABELS, Position())
        for label in range(at.label, end.label):
            position = position.past(run.label_entries[label].id, None)
        if end.part:
            position = position.past(run.label_entries[end.label].id, end.part)
        self._positions[LABELS] = position
        return position.entry_id

    def _judge_by(self, placed: PlacedEntry) -> None:
        """A promotion before the first entry of a pane, or before a label between two, takes effect there."""
        model = self._timeline.at(placed.id.ms)
        promoted = model.run_id != self._model_id
        if promoted:
            self._spans = []
            self._episode = self._rule.rearm(self._episode)
            self._model_id = model.run_id
            self._detectors = self._stored = None
        if self._detectors is None:
            profile, drift, calibrated = model.file.profile, model.file.drift, _is_calibrated(model)
            self._detectors = DriftEngine(profile, drift, self._limits, self._stored, calibrated=calibrated)
        if self._label_watch is None:
            self._label_watch = self._first_watch(model, promoted=promoted)
        elif promoted:
            self._label_watch = self._label_watch.after_promotion(model.file.concept)
        self._model = model

    def _first_watch(self, model: JudgingModel, *, promoted: bool) -> LabelWatch:
        """The watch of the labels as of the stored state."""
        state = self._stored_labels
        judged_by = None if promoted else model.file
        self._index.restore(self._window, state.rows, state.judged_rows, state.labelled, self._samples, judged_by)
        if promoted:
            state = state.after_promotion()
        return LabelWatch(model.file.concept, label_limits_of(self._settings), self._index, state)

    @property
    def _engine(self) -> DriftEngine:
        """The detectors, which there are once there is an entry to judge."""
        assert self._detectors is not None  # noqa: S101  (for the type checker)
        return self._detectors

    @property
    def _watch(self) -> LabelWatch:
        """The watch of the labels, as the detectors."""
        assert self._label_watch is not None  # noqa: S101  (for the type checker)
        return self._label_watch

    def _decoder_for(self, model: JudgingModel) -> RecordDecoder:
        schema = model.file.model.schema
        if self._decoder is None or self._decoder.schema != schema:
            self._decoder = RecordDecoder(schema, self._settings.max_entry_bytes)
        return self._decoder

    def _close(self, pane: OpenPane) -> ClosedWindow:
        self._pane = None
        self._window += 1
        self._spans = [*self._spans, pane.span][-self._limits.panes :]
        schema = self._model.file.model.schema
        judgement = self._engine.close_pane(pane.skipped, pane.missing)
        labels = self._watch.close(self._window, schema.width, pane.newest_ms)
        drift, retrain = self._judge(pane, judgement, labels)
        state = MonitorState(
            window=self._window,
            slide=self._settings.slide,
            model=self._model_id,
            positions=dict(self._positions),
            spans=self._spans[-(self._limits.panes - 1) :] if self._limits.panes > 1 else [],
            episode=self._episode,
            trail=self._trail,
            engine=self._engine.state(),
            labels=self._watch.state(),
        )
        return ClosedWindow(drift, pane.samples(self._window, schema), retrain, state)

    def _judge(
        self, pane: OpenPane, judgement: Judgement, labels: LabelVerdict
    ) -> tuple[DriftWindow, RetrainEvent | None]:
        """The verdict on the window that ends with ``pane``, and what it asks for."""
        features, window, model = self._model.file.profile.features, self._window, self._model_id
        alarm = None
        if labels.noted is not None and pane.label_came_first:
            calibrated = _is_calibrated(self._model)
            alarm = alarm_of_labels(labels.noted, features, window, model, calibrated=calibrated)
        elif judgement.crossing is not None:
            alarm = alarm_of(judgement.crossing, pane.at_alarm or self._trail, features, window, model)
        judged = judged_window(window, judgement, labels, alarm, self._limits.min_records)
        step: EpisodeStep = self._rule.step(self._episode, judged, pane.newest_ms)
        self._episode = step.state
        drift = drift_window(judged, judgement, labels, step, whole(self._spans), features, model)
        if alarm is None or step.asks is None:
            return drift, None
        return drift, drift_event(alarm, step.asks.number)


def _is_calibrated(model: JudgingModel) -> bool:
    return model.file.model.calibration is not None


def limits_of(settings: Settings) -> Limits:
    """What the settings tell the detectors."""
    return Limits(
        budget=settings.false_alarm_records,
        slide=settings.slide,
        panes=settings.window_records // settings.slide,
        min_records=settings.window_min_records,
        unusable_share=settings.tolerated_unusable_share,
    )


def label_limits_of(settings: Settings) -> LabelLimits:
    """What the settings tell the watch of the labels."""
    return LabelLimits(
        budget=settings.label_false_alarm_records,
        slide=settings.slide,
        min_records=settings.window_min_records,
        share=settings.sample_share,
    )

"""Cut the merged stream into panes and windows, and judge them: entries in, closed windows out, no Redis."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

import numpy as np

from core.drift_window import DriftWindow, RetrainEvent, WindowState
from core.entry import EntryId
from core.errors import StreamError
from core.merged_reader import PlacedEntry
from core.record_decoder import RecordDecoder
from core.sample_block import SampleBlock
from core.settings import Settings
from monitor.detectors import headline
from monitor.episode import Episode, EpisodeRule, EpisodeState, JudgedWindow
from monitor.model_timeline import JudgingModel
from monitor.pane import PaneAccumulator, PaneSums
from monitor.record_run import RecordRun, SampledRows, is_block
from monitor.state import WHOLE, MonitorState, Position


@dataclass(frozen=True, eq=False)
class ClosedWindow:
    """A window with everything that becomes durable with it."""

    drift: DriftWindow
    samples: SampleBlock | None
    retrain: RetrainEvent | None
    state: MonitorState


class _OpenPane:
    """The pane that is being filled."""

    def __init__(self, model: JudgingModel, start: EntryId) -> None:
        self.start_ms = start.ms
        self.sums = PaneAccumulator(model.file.profile)
        self.skipped = 0
        self.first = self.last = self.first_entry = self.last_entry = ""
        self.samples: list[SampledRows] = []
        self.newest_ms = start.ms

    def closed(self) -> PaneSums:
        z_sum, p_sum, changed = self.sums.sums()
        return PaneSums(
            self.sums.n,
            self.skipped,
            z_sum.tolist(),
            changed,
            p_sum,
            self.first,
            self.last,
            self.first_entry,
            self.last_entry,
        )


class Timeline(Protocol):
    """Which model judges what came in a given millisecond."""

    def at(self, time_ms: int) -> JudgingModel:
        """The model in production then."""


class WindowEngine:
    """Continues from a state; its windows depend on the records and their ids alone.

    A pane holds ``slide`` records, or what came within the time limit of its first entry. A window is the last
    ``window_records / slide`` panes. An engine must not be fed any more once a window could not be made durable:
    build a new one from the stored state then.
    """

    def __init__(self, settings: Settings, state: MonitorState, timeline: Timeline) -> None:
        self._settings = settings
        self._timeline = timeline
        self._rule = EpisodeRule(
            settings.confirm_windows, settings.confirm_of_windows, int(settings.retrain_cooldown_s * 1000)
        )
        self._limit_ms = int(settings.window_limit_s * 1000)
        self._panes_a_window = settings.window_records // settings.slide
        self._window = state.window
        self._panes = list(state.panes) if state.slide == settings.slide else []
        self._positions = dict(state.positions)
        self._episode: EpisodeState = state.episode
        self._model_id = state.model
        self._model: JudgingModel
        self._decoder: RecordDecoder | None = None
        self._pane: _OpenPane | None = None

    def feed(self, entries: list[PlacedEntry]) -> Iterator[ClosedWindow]:
        """Take entries in merged order; yields each window as it closes."""
        for _, group in groupby(entries, key=is_block):
            rest = list(group)
            while rest:
                rest = yield from self._consume(rest)

    def expire(self, watermark_ms: int) -> Iterator[ClosedWindow]:
        """Close the open pane if its time is over and no record can come for it any more."""
        if self._pane is not None and watermark_ms >= self._pane.start_ms + self._limit_ms:
            yield self._close()

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
                yield self._close()
                continue
            index, row = self._fill(pane, run, index, row, end)
            if pane.sums.n == self._settings.slide:
                yield self._close()
        return []

    def _fill(self, pane: _OpenPane, run: RecordRun, index: int, row: int, end: int) -> tuple[int, int]:
        """Add rows of entries ``index`` to ``end`` while there is room; returns where the next pane goes on."""
        room = self._settings.slide - pane.sums.n
        stop = min(run.stops[end - 1], row + room)
        full = stop - row == room
        if stop > row:
            if not pane.sums.n:
                pane.first = _text(run.record_id(row))
                pane.first_entry = str(run.placed[run.entry_of(row)].id)
            pane.sums.add(run.x[row:stop], run.probability[row:stop])
            if self._settings.sample_share > 0:
                pane.samples.append(run.sample(row, stop, self._settings.sample_share))
            pane.last = _text(run.record_id(stop - 1))
            pane.last_entry = str(run.placed[run.entry_of(stop - 1)].id)
        # a full pane ends with the entry of its last row; unusable entries behind it belong to the next one
        last = run.entry_of(stop - 1) + 1 if full else end
        while index < last and run.stops[index] <= stop:
            self._leave(pane, run, index, None)
            index += 1
        if index < last:
            self._leave(pane, run, index, run.row_number(stop))
        return index, stop

    def _leave(self, pane: _OpenPane, run: RecordRun, index: int, row: int | None) -> None:
        """This pane holds an entry up to ``row`` (None: to its end); what it could not use counts as skipped."""
        item = run.placed[index]
        before = self._positions.get(item.partition, Position())
        start = before.row if before.row != WHOLE and before.entry_id == item.id else 0
        pane.skipped += run.skipped(index, start, row)
        pane.newest_ms = item.id.ms
        self._positions[item.partition] = (
            Position(item.id.ms, item.id.seq, WHOLE, before.entries + 1)
            if row is None
            else Position(item.id.ms, item.id.seq, row, before.entries)
        )

    def _open(self, placed: PlacedEntry) -> _OpenPane:
        """Begin a pane; a promotion before its first entry takes effect here."""
        model = self._timeline.at(placed.id.ms)
        if model.run_id != self._model_id:
            self._panes = []
            self._episode = self._rule.rearm(self._episode)
            self._model_id = model.run_id
        width = len(model.file.profile.features)
        if any({len(pane.z_sum), len(pane.constant_changed)} != {width} for pane in self._panes):
            raise StreamError(
                f"the monitor's state holds panes of another width than the {width} features of run "
                f"{model.run_id!r}; delete its key to begin anew"
            )
        self._model = model
        self._pane = _OpenPane(model, placed.id)
        return self._pane

    def _decoder_for(self, model: JudgingModel) -> RecordDecoder:
        schema = model.file.model.schema
        if self._decoder is None or self._decoder.schema != schema:
            self._decoder = RecordDecoder(schema, self._settings.max_entry_bytes)
        return self._decoder

    def _close(self) -> ClosedWindow:
        pane = self._pane
        assert pane is not None  # noqa: S101  (only an open pane is closed; for the type checker)
        self._pane = None
        self._window += 1
        self._panes = [*self._panes, pane.closed()][-self._panes_a_window :]
        drift, opened = self._judge(pane)
        retrain = None if opened is None else _event(drift, opened)
        state = MonitorState(
            window=self._window,
            slide=self._settings.slide,
            model=self._model_id,
            positions=dict(self._positions),
            panes=self._panes[-(self._panes_a_window - 1) :] if self._panes_a_window > 1 else [],
            episode=self._episode,
        )
        return ClosedWindow(drift, self._samples(pane), retrain, state)

    def _judge(self, pane: _OpenPane) -> tuple[DriftWindow, Episode | None]:
        """The verdict on the window that ends with ``pane``."""
        profile = self._model.file.profile
        filled = [closed for closed in self._panes if closed.n]
        n = sum(closed.n for closed in filled)
        d = len(profile.features)
        z_sum = np.array([closed.z_sum for closed in filled]).reshape(-1, d).sum(axis=0)
        changed = np.array([closed.constant_changed for closed in filled]).reshape(-1, d).sum(axis=0)
        verdict = headline.judge_window(profile, max(n, 1), z_sum, changed, self._settings.window_false_alarm_rate)
        first, last = (filled[0], filled[-1]) if filled else (pane.closed(), pane.closed())
        window_state: WindowState = "insufficient"
        opened = None
        if n >= self._settings.window_min_records:
            judged = JudgedWindow(self._window, verdict.drifted, verdict.calm, first.first, first.first_entry)
            step = self._rule.step(self._episode, judged, self._model_id, pane.newest_ms)
            self._episode, window_state, opened = step.state, step.window_state, step.opened
        order = np.argsort(-np.abs(verdict.z), kind="stable")
        episode = self._episode.episode
        drift = DriftWindow(
            window=self._window,
            state=window_state,
            detector=headline.NAME,
            score=verdict.score,
            threshold=verdict.threshold,
            n=n,
            skipped=sum(closed.skipped for closed in self._panes),
            first=first.first,
            last=last.last,
            first_entry=first.first_entry,
            last_entry=last.last_entry,
            model=self._model_id,
            p_mean=sum(closed.p_sum for closed in filled) / n if n else 0.0,
            z=dict(zip(profile.features, verdict.z.tolist(), strict=True)),
            blame=[profile.features[index] for index in order],
            constant_changed={
                name: int(count) for name, count in zip(profile.features, changed, strict=True) if count
            },
            episode=None if episode is None else episode.number,
        )
        return drift, opened

    def _samples(self, pane: _OpenPane) -> SampleBlock | None:
        parts = [part for part in pane.samples if part.ids]
        if not parts:
            return None
        return SampleBlock(
            self._window,
            self._model.file.model.schema.fingerprint,
            np.concatenate([part.x for part in parts]),
            np.concatenate([part.y for part in parts]),
            [record_id for part in parts for record_id in part.ids],
            np.concatenate([part.positions for part in parts]),
        )


def _event(drift: DriftWindow, episode: Episode) -> RetrainEvent:
    return RetrainEvent(
        reason="drift",
        model=drift.model,
        window=drift.window,
        episode=episode.number,
        since=episode.since,
        first=episode.first,
        score=drift.score,
        threshold=drift.threshold,
        blame=drift.blame,
        z=drift.z,
    )


def _text(record_id: bytes) -> str:
    """An opaque id as text; bytes that are no UTF-8 are escaped."""
    return record_id.decode("utf-8", "backslashreplace")

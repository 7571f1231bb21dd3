"""The monitor: follows the records from its own position, closes windows, exports what operators look at.

Two of them may run, and one may die at any point: windows close by compare-and-set, and whoever loses reloads.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

import msgspec

from core.connection import Connection
from core.drift_window import DriftWindow
from core.entry import EntryId, entries_of
from core.errors import RecordError, ServerUnavailable
from core.fields import decode_fields
from core.http import Routes
from core.keys import MONITORS, is_shadow_group
from core.merged_reader import LABELS, MergedReader
from core.pipeline_config import PipelineConfig, agree_again
from core.retention import DRIFT, SAMPLES
from core.scripts.close_window import Closed
from core.scripts.trim import trim
from core.service import Service
from core.settings import Settings
from core.stream_lag import stream_lags
from monitor.alert_webhook import AlertWebhook
from monitor.display import Display
from monitor.label_index import LabelIndex
from monitor.marker import create_marker, first_position, has_marker, made_anew, move_marker
from monitor.model_timeline import ModelTimeline
from monitor.page.composer import StateComposer
from monitor.page.routes import page_routes
from monitor.poison import PoisonGuard
from monitor.publication import write_window
from monitor.sample_history import SampleHistory
from monitor.state import MonitorState
from monitor.stored_state import load_state
from monitor.trail import Trail
from monitor.window_engine import ClosedWindow, WindowEngine
from monitor.window_span import trace_window

#: Port where http_port is unset.
DEFAULT_HTTP_PORT = 8001
#: Longest wait for a record in one step.
BLOCK_MS = 500
#: How often backlog figures are taken.
LAG_EVERY_S = 2.0

_NO_MODEL = "there is no model in production yet; run streamgauge fit"


class Monitor(Service):
    """The monitor of one pipeline."""

    name = "monitor"

    def __init__(self, settings: Settings) -> None:
        url = settings.required_redis_url(self.name)
        self._connection, self._probe = Connection(url), Connection(url)
        self._keys = settings.keys
        self._config: PipelineConfig
        self._agreed: PipelineConfig | None = None
        self._streams: dict[int, str] = {}  # what is read, by partition; LABELS for the labels
        self._reader: MergedReader | None = None
        self._read_to: dict[int, EntryId] = {}  # of each stream, as far as this process read it
        self._timeline: ModelTimeline
        self._engine: WindowEngine | None = None
        self._index = LabelIndex()  # outlives an engine
        self._oldest_sample = ""  # id from which on the samples are needed again at a restart
        self._guard: PoisonGuard | None = None
        self._cooldown_ms = round(settings.retrain_cooldown_s * 1000)
        self._window = 0  # the newest that this process has seen
        self._incarnation = b""  # of the stored state that it continues
        self._obstacle: str | None = "Redis has not answered yet"
        self._next_lag_s = self._next_trim_s = 0.0
        super().__init__(settings, DEFAULT_HTTP_PORT)
        self._display = Display(self.telemetry, self.log)

    def routes(self) -> Routes:
        """Alertmanager and Grafana may ask to retrain; people look at the live page."""
        self._webhook = AlertWebhook(self.settings, self.telemetry, self.log)
        self._composer = StateComposer(self.settings, self.log)
        page = page_routes(self._composer.newest, self._composer.wake)
        return {("POST", "/alerts"): self._webhook.answer, **page}

    def start(self) -> None:
        """Agree on the pipeline's set-up; from now on nothing is trimmed unread."""
        self._config = self._agreed = agree_again(self._connection, self.settings, self._agreed)
        self._timeline = ModelTimeline(self._connection, self._keys)
        self._streams = {partition.number: partition.records for partition in self._config.partitions}
        self._streams[LABELS] = self._keys.labels
        for stream in self._streams.values():
            create_marker(self._connection, stream)

    def step(self) -> None:
        """Read on, and make each window that closes durable before the next one is cut."""
        try:
            if self._engine is not None or self._load():
                self._read_on()
        except Exception as error:
            # what is in memory may be ahead of what is stored; begin again from there
            self._engine, self._index = None, LabelIndex()
            self._obstacle = str(error)
            raise
        self._housekeeping()
        if self._obstacle is not None:
            self.stopping.wait(BLOCK_MS / 1000)

    def not_ready(self) -> str | None:
        """Without a model to judge by, or without Redis."""
        if self._obstacle is not None:
            return self._obstacle
        try:
            self._probe.require()
        except ServerUnavailable as error:
            return str(error)
        return None

    def close(self) -> None:
        """Nothing is held: the state is in Redis as of the last window."""
        self._composer.close()
        if self._reader is not None:
            self._reader.close()
        self._webhook.close()
        self._connection.close()
        self._probe.close()

    def _load(self) -> bool:
        """Continue from the stored state; False while there is no model to judge by."""
        state, incarnation, converted = load_state(self._connection, self._keys)
        if self._incarnation not in {b"", incarnation}:
            self.log.warning("the stored state is gone; beginning anew", window=state.window, before=self._window)
            self.start()
            self._index = LabelIndex()
        self._incarnation = incarnation
        self._keep_samples(state)
        if converted:
            self.log.warning(
                "the stored state is of an older version; windows go on from its positions, detectors begin anew",
                window=state.window,
            )
        self._timeline.reread()
        if not self._timeline.known():
            self._obstacle = _NO_MODEL
            return False
        self._guard = self._guard or PoisonGuard(self._connection, self._keys, self.settings, self.log)
        read_bytes = 1 if self._guard.careful else self.settings.read_bytes  # 1: as few entries as can be
        if self._reader is not None:
            self._reader.close()
        # promotions count too: a pane is judged by the model in production when its first record came
        clocks, skew_ms = (self._keys.promotions,), self.settings.cluster_skew_ms
        self._reader = MergedReader(
            self._connection, self._config.partitions, read_bytes, clocks, skew_ms, self._keys.labels
        )
        for number, stream in self._streams.items():
            create_marker(self._connection, stream)
            state = self._with_position(state, number, stream)
            self._reader.seek(number, state.positions[number].done)
        self._read_to = {number: position.done for number, position in state.positions.items()}
        self._move_markers(state)
        samples = SampleHistory(self._connection, self._keys, read_bytes)
        self._engine = WindowEngine(self.settings, state, self._timeline, samples, self._index)
        self._window, self._obstacle = state.window, None
        self._show_newest()
        self.log.info("continuing", window=state.window, model=state.model)
        return True

    def _with_position(self, state: MonitorState, number: int, stream: str) -> MonitorState:
        """The state with a position in this stream: the stored one, or the beginning of a new stream."""
        position, episode, trail = state.positions.get(number), state.episode, state.trail
        last = None if position is None else made_anew(self._connection, stream, position.entry_id)
        if position is not None and last is None:
            return state
        if position is not None and last is not None:
            self.log.warning(
                "a stream was made anew; it is read from its beginning",
                stream=stream,
                position=str(position.entry_id),
                last=str(last),
            )
            if number != LABELS:
                # a cooldown counts by ids, and would last until the new ones get to where the old ones were; and
                # no new record would come behind a suspected one of the old stream
                episode, trail = msgspec.structs.replace(episode, last_asked_ms=None), Trail()
        positions = {**state.positions, number: first_position(self._connection, stream)}
        return msgspec.structs.replace(state, positions=positions, episode=episode, trail=trail)

    def _read_on(self) -> None:
        engine, guard, reader = self._engine, self._guard, self._reader
        assert engine is not None  # noqa: S101  (step loads it first; for the type checker)
        assert guard is not None  # noqa: S101  (as above)
        assert reader is not None  # noqa: S101  (as above)
        read = reader.read(BLOCK_MS)
        self._read_to |= {item.partition: item.id for item in read.entries}
        self._timeline.refresh()
        for part in guard.parts(read.entries, self._streams, self._timeline.production):
            if not self._write_all(engine.feed(part)):
                return
        self._write_all(engine.expire(read.watermark_ms))

    def _write_all(self, windows: Iterable[ClosedWindow]) -> bool:
        return all(self._write(closed) for closed in windows)

    def _write(self, closed: ClosedWindow) -> bool:
        """Make a window durable, then show it; the marker group moves last, since trimming follows it."""
        written = write_window(self._connection, self._keys, closed, self._incarnation, self._cooldown_ms)
        if not written:
            self.log.info("another monitor was first", window=closed.drift.window)
            self._engine = None
            return False
        self._window = closed.drift.window
        self._keep_samples(closed.state)
        self._display.show_closed(closed, asked_before=written is Closed.ASKED_BEFORE)
        if self.tracer is not None:
            trace_window(self.tracer, closed.drift)
        self._move_markers(closed.state)
        if self._guard is not None and self._guard.closed_window():
            self._engine = None  # reads may be large again
        return True

    def _move_markers(self, state: MonitorState) -> None:
        for number, stream in self._streams.items():
            move_marker(self._connection, stream, state.positions[number])

    def _keep_samples(self, state: MonitorState) -> None:
        """Trim no samples of which a monitor that goes on from this state needs the rows.

        They were written after their records came, by a clock that on a cluster may be behind by the skew.
        """
        oldest_ms = state.labels.oldest_ms
        skew_ms = 0 if self._connection.one_clock else self.settings.cluster_skew_ms
        self._oldest_sample = "" if oldest_ms is None else f"{max(0, oldest_ms - skew_ms)}-0"

    def _show_newest(self) -> None:
        """Show the window that was closed last, by an earlier process or by another monitor."""
        for entry in entries_of(self._connection.call("XREVRANGE", self._keys.drift, "+", "-", "COUNT", 1)):
            try:
                self._display.show_window(decode_fields(entry, DriftWindow))
            except RecordError as error:
                self.log.warning("the newest window cannot be shown", error=str(error))

    def _housekeeping(self) -> None:
        now_s = time.monotonic()
        if now_s >= self._next_lag_s:
            self._next_lag_s = now_s + LAG_EVERY_S
            self._show_backlog()
        if now_s >= self._next_trim_s:
            self._next_trim_s = now_s + self.settings.trim_every_ms / 1000
            trim(self._connection, self._keys.drift, *DRIFT)
            trim(self._connection, self._keys.samples, *SAMPLES, floor=self._oldest_sample)

    def _read_beyond_the_end(self) -> bool:
        """Whether a stream ends before what was read of it, though its group is there: another monitor made it."""
        return any(
            made_anew(self._connection, stream, self._read_to[number]) is not None
            for number, stream in self._streams.items()
        )

    def _show_backlog(self) -> None:
        lags = stream_lags(self._connection, self._config.partitions)
        self._display.show_lags([lag for lag in lags if not is_shadow_group(lag.group)])
        marked = {lag.partition for lag in lags if lag.group == MONITORS}
        if len(marked) < len(self._config.partitions) or not has_marker(self._connection, self._keys.labels):
            self.log.warning("the marker group is gone", group=MONITORS)
            self._engine = None  # a flush took it, or a hand: look at what is stored, and make it again
        if self._engine is not None and self._read_beyond_the_end():
            self._engine = None  # loading says that the stream is new, or finds the stored position still good
        production = self._timeline.production()
        if production is None:
            self.telemetry.production_info.clear()
        else:
            self.telemetry.set_production(*production)

"""The monitor: follows the records from its own position, closes windows, exports what operators look at.

Two of them may run, and one may die at any point: windows close by compare-and-set, and whoever loses reloads.
"""

from __future__ import annotations

import time

from redis.exceptions import ResponseError

from core.connection import Connection
from core.entry import EntryId
from core.errors import ServerUnavailable
from core.keys import MONITORS
from core.merged_reader import MergedReader
from core.pipeline_config import PipelineConfig, agree
from core.retention import DRIFT, SAMPLES
from core.scripts.trim import trim
from core.service import Service
from core.settings import Settings
from core.stream_lag import stream_lags
from monitor.model_timeline import ModelTimeline
from monitor.publication import show_window, write_window
from monitor.state import MonitorState, Position, decode_state
from monitor.window_engine import ClosedWindow, WindowEngine

#: Port where http_port is unset.
DEFAULT_HTTP_PORT = 8001
#: Longest wait for a record in one step.
BLOCK_MS = 500
#: How often backlog figures are taken.
LAG_EVERY_S = 2.0


class Monitor(Service):
    """The monitor of one pipeline."""

    name = "monitor"

    def __init__(self, settings: Settings) -> None:
        if settings.redis_url is None:
            raise ServerUnavailable("the monitor needs Redis; set redis_url (--redis-url)")
        self._connection = Connection(settings.redis_url)
        self._probe = Connection(settings.redis_url)
        self._keys = settings.keys
        self._config: PipelineConfig
        self._reader: MergedReader
        self._timeline: ModelTimeline
        self._engine: WindowEngine | None = None
        self._next_lag_s = self._next_trim_s = 0.0
        super().__init__(settings, DEFAULT_HTTP_PORT)

    def start(self) -> None:
        """Agree on the pipeline's set-up."""
        self._config = agree(self._connection, self.settings)
        self._timeline = ModelTimeline(self._connection, self._keys)

    def step(self) -> None:
        """Read on, and make each window that closes durable before the next one is cut."""
        if self._engine is None and not self._load():
            self.stopping.wait(BLOCK_MS / 1000)
            return
        try:
            self._read_on()
        except Exception:
            self._engine = None  # what is in memory may be ahead of what is stored; begin again from there
            raise
        self._housekeeping()

    def not_ready(self) -> str | None:
        """Without a model to judge by, or without Redis."""
        if self._engine is None:
            return "there is no model in production yet; run streamgauge fit"
        try:
            self._probe.require()
        except ServerUnavailable as error:
            return str(error)
        return None

    def close(self) -> None:
        """Nothing is held: the state is in Redis as of the last window."""
        self._connection.close()
        self._probe.close()

    def _load(self) -> bool:
        """Continue from the stored state; False while there is no model to judge by."""
        self._timeline.refresh()
        if not self._timeline.known():
            return False
        state = decode_state(self._connection.call("HGET", self._keys.monitor, "state"))
        self._reader = MergedReader(self._connection, self._config.partitions, self.settings.read_bytes)
        for partition in self._config.partitions:
            position = state.positions.get(partition.number, Position())
            self._reader.seek(partition.number, position.done)
            self._create_marker(partition.records)
        self._move_markers(state)
        self._engine = WindowEngine(self.settings, state, self._timeline)
        self.log.info("continuing", window=state.window, model=state.model)
        return True

    def _read_on(self) -> None:
        engine = self._engine
        assert engine is not None  # noqa: S101  (step loads it first; for the type checker)
        read = self._reader.read(BLOCK_MS)
        self._timeline.refresh()
        for windows in (engine.feed(read.entries), engine.expire(read.watermark_ms)):
            for closed in windows:
                if not self._write(closed):
                    return

    def _write(self, closed: ClosedWindow) -> bool:
        """Make a window durable, then show it; the marker group moves last, since trimming follows it."""
        if not write_window(self._connection, self._keys, closed):
            self.log.info("another monitor was first", window=closed.drift.window)
            self._engine = None
            return False
        show_window(self.telemetry, self.log, closed)
        self._move_markers(closed.state)
        return True

    def _create_marker(self, records: str) -> None:
        try:
            self._connection.call("XGROUP", "CREATE", records, MONITORS, "0", "MKSTREAM")
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    def _move_markers(self, state: MonitorState) -> None:
        for partition in self._config.partitions:
            position = state.positions.get(partition.number)
            if position is not None and position.done > EntryId(0, 0):
                self._connection.call(
                    "XGROUP",
                    "SETID",
                    partition.records,
                    MONITORS,
                    str(position.done),
                    "ENTRIESREAD",
                    position.entries,
                )

    def _housekeeping(self) -> None:
        now_s = time.monotonic()
        if now_s >= self._next_lag_s:
            self._next_lag_s = now_s + LAG_EVERY_S
            self._show_lag()
        if now_s >= self._next_trim_s:
            self._next_trim_s = now_s + self.settings.trim_every_ms / 1000
            trim(self._connection, self._keys.drift, *DRIFT)
            trim(self._connection, self._keys.samples, *SAMPLES)

    def _show_lag(self) -> None:
        pipeline = self.settings.pipeline
        for lag in stream_lags(self._connection, self._config.partitions):
            labels = (pipeline, str(lag.partition), lag.group)
            self.telemetry.stream_lag_entries.labels(*labels).set(lag.lag_entries)
            self.telemetry.stream_pending_entries.labels(*labels).set(lag.pending_entries)
            self.telemetry.oldest_unread_seconds.labels(*labels).set(lag.oldest_s)
        production = self._timeline.production()
        if production is not None:
            self.telemetry.set_production(*production)

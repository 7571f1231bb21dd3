"""Composes the answer of ``GET /api/state`` in the background, while somebody asks for it."""

from __future__ import annotations

import threading
import time
from typing import NamedTuple

import msgspec
from structlog.typing import FilteringBoundLogger

from core.advice import advice
from core.connection import Connection, RedisError
from core.errors import StreamgaugeError
from core.package_version import package_version
from core.settings import Settings
from monitor.live.drift_view import DriftView
from monitor.live.flow import Flow
from monitor.live.prediction_view import PredictionsView
from monitor.live.reader import LiveReader
from monitor.live.state import LiveState
from monitor.live.text import SENTENCE_CHARACTERS, shown

#: How often a state is composed while somebody asks.
EVERY_S = 1.0
#: Nobody has asked for so long: nothing is composed any more until somebody does.
ASKED_WITHIN_S = 5.0
#: How long a first request, or one after a pause, waits for a fresh state before it takes what there is.
FIRST_S = 2.0
#: Share of a core that looks may take: after one that took much the next comes later, up to the longest pause.
MOST_SHARE, LONGEST_PAUSE_S = 0.02, 4.0
#: How long an end waits for a look that is under way.
CLOSE_S = 2.0
#: What a state's JSON begins with, which is replaced when it is sent.
_AGE = b'{"age_s":0.0,'


class _Composed(NamedTuple):
    """A state as it is sent."""

    rest: bytes  #: its JSON, without its beginning
    looked_s: float  #: monotonic time of the last look that succeeded


class StateComposer:
    """Keeps the newest state as JSON.

    The thread begins with the first request and ends with :meth:`close`. It has a connection of its own, so that a
    server that hangs keeps neither the monitor nor more than one request waiting.
    """

    def __init__(self, settings: Settings, log: FilteringBoundLogger) -> None:
        self._settings = settings
        self._log = log
        self._connection = Connection(settings.required_redis_url("monitor"))
        self._reader = LiveReader(self._connection, settings)
        self._state = LiveState(
            pipeline=settings.pipeline,
            version=package_version(),
            now_ms=0,
            problem="Redis has not answered yet",
            flow=Flow(),
            drift=DriftView(false_alarm_records=float(settings.false_alarm_records)),
            predictions=PredictionsView(),
        )
        self._began_s = time.monotonic()
        self._composed = _encode(self._state, self._began_s)
        self._asked_s = float("-inf")
        self._asked = threading.Event()
        self._fresh = threading.Event()
        self._closing = threading.Event()
        self._waiting = threading.Lock()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._complaint = ""

    def newest(self) -> bytes:
        """The newest state as JSON, with its age; waits for one where the newest is old, as nobody has asked."""
        self.wake()
        stale = not (self._fresh.is_set() or self._closing.is_set())
        if stale and self._waiting.acquire(blocking=False):  # one request waits, never all
            try:
                self._fresh.wait(FIRST_S)
            finally:
                self._waiting.release()
        composed = self._composed
        return b'{"age_s":%.3f,' % (time.monotonic() - composed.looked_s) + composed.rest

    def wake(self) -> None:
        """Compose, as somebody is about to ask: the first look, which takes long, is under way when they do."""
        now_s = time.monotonic()
        if min(now_s - self._asked_s, now_s - self._composed.looked_s) > ASKED_WITHIN_S:
            self._fresh.clear()
        self._asked_s = now_s
        self._asked.set()
        self._start()

    def close(self) -> None:
        """Stop composing."""
        self._closing.set()
        self._asked.set()
        self._fresh.set()
        if self._thread is not None:
            self._thread.join(CLOSE_S)
        self._connection.close()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None and not self._closing.is_set():
                self._thread = threading.Thread(target=self._run, name="live state", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._closing.is_set():
            if time.monotonic() - self._asked_s > ASKED_WITHIN_S:
                self._asked.clear()
                if time.monotonic() - self._asked_s > ASKED_WITHIN_S:  # nobody asked in between
                    self._asked.wait()
                continue
            began_s, worked_s = time.monotonic(), time.thread_time()
            self._compose()
            self._fresh.set()
            worked_s = time.thread_time() - worked_s
            pause_s = min(LONGEST_PAUSE_S, max(EVERY_S, worked_s / MOST_SHARE))
            self._closing.wait(max(0.0, began_s + pause_s - time.monotonic()))

    def _compose(self) -> None:
        looked_s = time.monotonic()
        try:
            state = self._reader.read()
            self._composed = _encode(state, looked_s)
            self._state = state
        except (RedisError, StreamgaugeError) as error:
            remedy = advice(error, self._settings.redis_url or "")
            self._keep(f"{error}; {remedy}" if remedy else str(error))
            return
        except Exception as error:  # noqa: BLE001  (told and logged; the page must say that it is not fresh)
            # what the reader keeps may be what it stumbles over
            self._reader = LiveReader(self._connection, self._settings)
            self._keep(f"this is a fault of the monitor ({type(error).__name__}); its log says more", fault=True)
            return
        self._complaint = ""

    def _keep(self, problem: str, *, fault: bool = False) -> None:
        """Keep the last good state, and say why it is not fresh; of a ``fault`` the log tells where it is."""
        if problem != self._complaint:
            self._log.warning("live state not fresh", error=problem, exc_info=fault)
            self._complaint = problem
        self._state = msgspec.structs.replace(self._state, problem=shown(problem, SENTENCE_CHARACTERS))
        self._composed = _encode(self._state, self._composed.looked_s)


def _encode(state: LiveState, looked_s: float) -> _Composed:
    return _Composed(msgspec.json.encode(state).removeprefix(_AGE), looked_s)

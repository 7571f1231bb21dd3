"""The thread that publishes what has waited for company long enough, whether or not anybody sends again."""

from __future__ import annotations

import logging
import math
import threading
import time

from core.connection import RedisError
from producer.lanes import Lanes

_log = logging.getLogger(__name__)


class Linger:
    """One thread for all lanes of a producer, started with the first record that waits.

    It never waits for room or for a disk while it holds the lock, so that ``flush`` keeps its time limit.
    """

    def __init__(self, lanes: Lanes, lock: threading.RLock) -> None:
        self._lanes = lanes
        self._condition = threading.Condition(lock)
        self._thread: threading.Thread | None = None
        self._wakes_s = math.inf
        self._closed = False

    def expect(self, due_s: float) -> None:
        """There is something to do at ``due_s`` (monotonic clock); the caller holds the lock."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="streamgauge-producer", daemon=True)
            self._thread.start()
        # a thread that wakes in time by itself is left asleep: waking it for each batch takes a tenth of the speed
        elif due_s < self._wakes_s:
            self._condition.notify()

    def close(self) -> None:
        """End the thread; the caller does not hold the lock."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        with self._condition:
            while not self._closed:
                due_s = self._lanes.due_s()
                self._wakes_s = math.inf if due_s is None else due_s
                delay_s = self._wakes_s - time.monotonic()
                if delay_s > 0:
                    self._condition.wait(None if due_s is None else delay_s)
                    continue
                try:
                    self._lanes.publish_due()
                except RedisError as error:
                    # the records stay buffered, and the next send or flush meets the same error in its caller
                    _log.debug("a batch could not be published yet: %s", error)

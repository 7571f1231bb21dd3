"""Looks at a pipeline, one a second, beside whoever shows them: a server that hangs must not freeze the screen."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Self

from core.connection import CONNECTION_ERRORS, RedisError, without_password
from core.errors import StreamgaugeError
from monitor.live.state import LiveState
from streamgauge.watch.look import Look

#: Between two looks.
EVERY_S = 1.0


class Looks:
    """A thread that reads the live state again and again; whatever fails is said, and tried again.

    Parameters
    ----------
    read
        Reads the state once.
    url
        The server, as sentences name it.
    notify
        Called after each look, from the thread.
    """

    def __init__(self, read: Callable[[], LiveState], url: str, notify: Callable[[], None]) -> None:
        self._read = read
        self._place = without_password(url)
        self._notify = notify
        self._stopping = threading.Event()
        self._newest = Look()
        self._failed: Exception | None = None
        self._read_s = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="looks", daemon=True)

    def newest(self) -> Look:
        """What is known now. Raises what nobody foresaw and ended the looks: the caller must not wait for more."""
        if self._failed is not None:
            raise self._failed
        return replace(self._newest, age_s=time.monotonic() - self._read_s)

    def look(self) -> None:
        """Read once."""
        before = self._newest
        state, lost = before.state, None
        try:
            state = self._read()
        except CONNECTION_ERRORS as error:
            lost = f"{self._place} does not answer ({error})"
        except (RedisError, StreamgaugeError) as error:
            lost = str(error)
        else:
            self._read_s = time.monotonic()
        self._newest = Look(state, lost, number=before.number + 1)
        self._notify()

    def _run(self) -> None:
        while not self._stopping.is_set():
            began_s = time.monotonic()
            try:
                self.look()
            except Exception as error:  # noqa: BLE001  (raised in the caller's thread, who would wait for ever)
                self._failed = error
                self._notify()
                return
            self._stopping.wait(max(EVERY_S - (time.monotonic() - began_s), 0.0))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Asks it to end; a look that waits for a server ends with the process."""
        self._stopping.set()

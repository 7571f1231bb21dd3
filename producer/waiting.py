"""Waiting for a server that is away or full: growing pauses, said once, ended at a deadline or by an interrupt."""

from __future__ import annotations

import time
from collections.abc import Callable

#: First pause after a refusal, and the longest.
FIRST_PAUSE_S = 0.01
LONGEST_PAUSE_S = 1.0
#: How soon a pause notices an interrupt. An event would be sooner, but a signal handler must not set one that its
#: own thread waits for: it can find the event's lock held.
_SLICE_S = 0.05


class Waiter:
    """The pauses of one producer.

    Parameters
    ----------
    notify
        Told once a trouble why the producer waits.
    sleep
        Lets seconds pass, and other threads in.
    """

    def __init__(self, notify: Callable[[str], None], sleep: Callable[[float], object]) -> None:
        self._notify = notify
        self._sleep = sleep
        self._said: dict[str, str] = {}
        self.waited_s = 0.0
        self.interrupted = False  #: set from anywhere, a signal handler included

    def say(self, sentence: str, about: str) -> None:
        """Pass a sentence on unless it is the one said last about the same stream."""
        if self._said.get(about) != sentence:
            self._said[about] = sentence
            self._notify(sentence)

    def relieved(self, about: str) -> None:
        """The trouble with a stream is over: the next one is said again."""
        self._said.pop(about, None)

    def pause(self, attempt: int, deadline_s: float | None = None) -> bool:
        """Wait after failed attempt ``attempt`` (from 0); False where an interrupt or the deadline ended it."""
        began_s = time.monotonic()
        until_s = began_s + min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(attempt, 16))
        end_s = until_s if deadline_s is None else min(until_s, deadline_s)
        now_s = began_s
        while now_s < end_s and not self.interrupted:
            self._sleep(min(_SLICE_S, end_s - now_s))
            now_s = time.monotonic()
        self.waited_s += now_s - began_s
        return not self.interrupted and end_s == until_s

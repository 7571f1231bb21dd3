"""The terminal while the screen is shown: single keys, changes of size, Ctrl-Z; all is put back at the end."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import tty
from contextlib import ExitStack
from types import FrameType, TracebackType
from typing import Self

#: Keys that end the screen; Ctrl-C does, too.
QUIT = frozenset(b"qQ")
#: Bytes read of the wake-up pipe and of the keyboard at once.
_MANY = 1_024


class Waker:
    """A pipe that ends a wait, from a signal handler or another thread."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        os.set_blocking(self.reading, False)
        os.set_blocking(self.writing, False)

    def wake(self) -> None:
        """End the wait; a pipe that is full ends it anyway."""
        try:
            os.write(self.writing, b"w")
        except BlockingIOError:
            return
        except OSError:  # closed: the screen has ended, and a late look has nobody to tell
            return

    def clear(self) -> None:
        """The next wait waits again."""
        try:
            while os.read(self.reading, _MANY):
                pass
        except BlockingIOError:
            return

    def close(self) -> None:
        """Close both ends."""
        reading, writing = self.reading, self.writing
        self.reading = self.writing = -1
        os.close(reading)
        os.close(writing)


class Terminal:
    """Keys one by one and unechoed, and signals as wake-ups; leaving it puts the terminal back as it was.

    Only for the main thread, where signals arrive.
    """

    def __init__(self, waker: Waker, *, keys: bool = True) -> None:
        self._waker = waker
        self._wants_keys = keys
        self._keyboard: int | None = None
        self._stack = ExitStack()
        self._ended_keys = False
        self.suspended = False  #: Ctrl-Z was pressed

    def wait(self, timeout_s: float) -> bool:
        """Wait for a key, a wake-up or the time; whether to go on."""
        sources = [self._waker.reading]
        if self._keyboard is not None and not self._ended_keys:
            sources.append(self._keyboard)
        ready, _, _ = select.select(sources, [], [], timeout_s)
        self._waker.clear()
        if self._keyboard in ready and self._keyboard is not None:
            keys = os.read(self._keyboard, _MANY)
            self._ended_keys = not keys
            return not QUIT.intersection(keys)
        return True

    @property
    def has_keys(self) -> bool:
        """Whether somebody can press one."""
        return self._keyboard is not None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            if self._wants_keys and sys.stdin is not None and sys.stdin.isatty():
                self._keyboard = sys.stdin.fileno()
                before = termios.tcgetattr(self._keyboard)
                stack.callback(termios.tcsetattr, self._keyboard, termios.TCSADRAIN, before)
                tty.setcbreak(self._keyboard, termios.TCSADRAIN)
            handlers = {signal.SIGWINCH: _nothing, signal.SIGTSTP: self._suspend} if self._wants_keys else {}
            for number, handler in handlers.items():
                stack.callback(signal.signal, number, signal.signal(number, handler))
            stack.callback(
                signal.set_wakeup_fd, signal.set_wakeup_fd(self._waker.writing, warn_on_full_buffer=False)
            )
            self._stack = stack.pop_all()
        return self

    def _suspend(self, _number: int, _frame: FrameType | None) -> None:
        self.suspended = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()


def stop_here() -> None:
    """Stop this process as Ctrl-Z does, until it is told to go on."""
    signal.raise_signal(signal.SIGSTOP)


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """A handler, so that the signal wakes a wait."""

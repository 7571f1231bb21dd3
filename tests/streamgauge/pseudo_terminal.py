"""A command on a terminal of its own, as a person runs it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.servers import PATIENCE_S
from tests.streamgauge.conftest import command_environment


class PseudoTerminal:
    """The person's side: what is shown, and keys."""

    def __init__(self, descriptor: int, other_side: int, process: subprocess.Popen[bytes]) -> None:
        self._descriptor = descriptor
        self._other_side = other_side
        self.process = process
        self.shown = b""
        self._looked = 0

    def wait_for(self, what: str) -> None:
        """Wait until something is shown that was not waited for before; fails after a while."""
        sought, deadline_s = what.encode(), time.monotonic() + PATIENCE_S
        while True:
            place = self.shown.find(sought, self._looked)
            if place >= 0:
                self._looked = place + len(sought)
                return
            assert time.monotonic() < deadline_s, f"{what!r} was not shown: {self.shown[-2_000:]!r}"
            if not self._read(0.2):
                assert self.process.poll() is None, f"it ended without {what!r}: {self.shown[-2_000:]!r}"

    def press(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._descriptor, keys)

    def resize(self, width: int, height: int) -> None:
        """Change the size of the terminal, which signals it."""
        resize(self._descriptor, width, height)

    def ended(self) -> int:
        """Wait for the end; the exit status."""
        deadline_s = time.monotonic() + PATIENCE_S
        while self.process.poll() is None:
            assert time.monotonic() < deadline_s, f"it did not end: {self.shown[-2_000:]!r}"
            self._read(0.1)
        while self._read(0.1):
            continue
        return self.process.returncode

    def modes(self) -> list[Any]:
        """How the terminal treats keys: echo, lines, signals."""
        return termios.tcgetattr(self._other_side)

    def _read(self, timeout_s: float) -> bool:
        ready, _, _ = select.select([self._descriptor], [], [], timeout_s)
        if ready:
            self.shown += os.read(self._descriptor, 65_536)
        return bool(ready)


def resize(descriptor: int, width: int, height: int) -> None:
    """Set the size of a terminal."""
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))


@contextmanager
def on_terminal(
    folder: Path, arguments: Sequence[str], *, size: tuple[int, int] = (80, 24), term: str = "xterm-256color"
) -> Iterator[PseudoTerminal]:
    """Run ``streamgauge ...`` on a terminal of this size; it is killed at the end if it still runs."""
    descriptor, other_side = pty.openpty()
    resize(descriptor, *size)
    environment = {**command_environment(), "TERM": term}
    for name in ("COLUMNS", "LINES", "NO_COLOR"):
        environment.pop(name, None)
    process = subprocess.Popen(
        [sys.executable, "-m", "streamgauge", *arguments],
        cwd=folder,
        env=environment,
        stdin=other_side,
        stdout=other_side,
        stderr=other_side,
        start_new_session=True,
        preexec_fn=_take_terminal,  # noqa: PLW1509  (one call to the kernel, which takes no lock)
    )
    try:
        yield PseudoTerminal(descriptor, other_side, process)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(descriptor)
        os.close(other_side)


def _take_terminal() -> None:
    """In the new process: the terminal is its own, so that keys such as Ctrl-C signal it."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)

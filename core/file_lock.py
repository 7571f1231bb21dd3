"""A lock between the processes of one machine, as a file that is never removed."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from core.atomic_file import explained_failure
from core.errors import UsageError

#: What is locked takes a few flushes to the disk. A holder that takes longer is stopped or hangs, and to wait for
#: it without end would hang every command with it.
LOCK_WAIT_S = 30.0
#: Between two looks at a lock that is taken; a promotion takes as long.
_LOOK_EVERY_S = 0.005


@contextmanager
def locked(path: Path, wait_s: float = LOCK_WAIT_S) -> Iterator[None]:
    """Hold the lock ``path``, made where there is none, in a directory that there is.

    The kernel releases it with the process, however that ends. A lock file that somebody removed meanwhile is not
    the lock any more: then the one that stands there now is taken.

    Raises
    ------
    UsageError
        The file cannot be written, or another process has held the lock for ``wait_s``.
    """
    deadline = time.monotonic() + wait_s
    while True:
        with explained_failure(path):
            file = path.open("ab")
        with file:
            if _taken(path, file, deadline, wait_s):
                yield  # closing the file releases the lock
                return


def _taken(path: Path, file: BinaryIO, deadline: float, wait_s: float) -> bool:
    """Wait for the lock on an open file; False where it is not the file at ``path`` any more."""
    while True:
        with explained_failure(path), suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return _stands(path, file)
        if time.monotonic() > deadline:
            raise UsageError(
                f"another process has held {path} for {wait_s:.0f} s; end it if it hangs, then try again"
            )
        time.sleep(_LOOK_EVERY_S)


def _stands(path: Path, file: BinaryIO) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False

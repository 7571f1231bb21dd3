"""The ``.streamgauge`` folder: where ``up`` keeps its data and tells the other commands its server."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from core.atomic_file import write_atomically
from core.errors import ServerUnavailable, UsageError
from core.settings import Settings

#: The folder, in the working directory.
FOLDER = Path(".streamgauge")
#: How long to try for the lock: another command may be looking at it.
LOCK_S = 1.0


class Running(msgspec.Struct, frozen=True):
    """What ``up`` left for the other commands."""

    redis_url: str
    pipeline: str
    pid: int


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold ``.streamgauge/<name>.lock``; the kernel lets go of it, however this process ends.

    Raises
    ------
    UsageError
        Another process holds it.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(FOLDER / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        deadline_s = time.monotonic() + LOCK_S
        while not _try_lock(descriptor, fcntl.LOCK_EX):
            if time.monotonic() > deadline_s:
                raise UsageError(f"streamgauge {name} runs here already; stop that one, or use another folder")
            time.sleep(LOCK_S / 20)
        yield
    finally:
        os.close(descriptor)


def announce_running(running: Running) -> None:
    """Tell the other commands where the server is; only while holding the lock ``up``."""
    write_atomically(_path(), msgspec.json.encode(running), private=True)


def withdraw_running() -> None:
    """Nothing runs here any more; only while holding the lock ``up``."""
    _path().unlink(missing_ok=True)


def find_running() -> Running | None:
    """What ``up`` announced, if it still holds its lock."""
    try:
        running = msgspec.json.decode(_path().read_bytes(), type=Running)
        descriptor = os.open(FOLDER / "up.lock", os.O_RDONLY | os.O_CLOEXEC)
    except (OSError, msgspec.MsgspecError):
        return None
    try:
        return None if _try_lock(descriptor, fcntl.LOCK_SH) else running
    finally:
        os.close(descriptor)


def with_server(settings: Settings) -> Settings:
    """The settings with a server: their own, else the one that ``up`` runs.

    Raises
    ------
    ServerUnavailable
        There is neither.
    """
    if settings.redis_url is not None:
        return settings
    running = find_running()
    if running is None:
        raise ServerUnavailable("no Redis is set and none runs here; start streamgauge up, or set --redis-url")
    pipeline = settings.pipeline if settings.pipeline != Settings().pipeline else running.pipeline
    return msgspec.structs.replace(settings, redis_url=running.redis_url, pipeline=pipeline)


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _path() -> Path:
    return FOLDER / "running.json"

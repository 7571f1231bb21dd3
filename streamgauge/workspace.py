"""The ``.streamgauge`` folder: where ``up`` keeps its data and tells the other commands its server."""

from __future__ import annotations

from pathlib import Path

import msgspec

from core.atomic_file import write_atomically
from core.errors import ServerUnavailable
from core.settings import Settings
from streamgauge.local_pipeline import alive

#: The folder, in the working directory.
FOLDER = Path(".streamgauge")


class Running(msgspec.Struct, frozen=True):
    """What ``up`` left for the other commands."""

    redis_url: str
    pipeline: str
    pid: int


def announce_running(running: Running) -> None:
    """Tell the other commands where the server is."""
    FOLDER.mkdir(exist_ok=True)
    write_atomically(_path(), msgspec.json.encode(running))


def withdraw_running() -> None:
    """Nothing runs here any more."""
    _path().unlink(missing_ok=True)


def find_running() -> Running | None:
    """What ``up`` announced, if its process is still there."""
    try:
        running = msgspec.json.decode(_path().read_bytes(), type=Running)
    except (OSError, msgspec.MsgspecError):
        return None
    return running if alive(running.pid) else None


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


def _path() -> Path:
    return FOLDER / "running.json"

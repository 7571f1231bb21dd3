"""Close a window: the one step in which the monitor's work becomes durable."""

from __future__ import annotations

from enum import IntEnum

from core.connection import Connection
from core.keys import PipelineKeys
from core.scripts.script import Script

_script = Script("close_window", shared=("asked",))


class Closed(IntEnum):
    """What became of a window; false where nothing was written."""

    TOO_LATE = 0  #: another monitor was first
    WRITTEN = 1
    ASKED_BEFORE = 2  #: written but for the retrain event: an alert has asked for the same


def close_window(
    connection: Connection,
    keys: PipelineKeys,
    expected_window: int,
    state: bytes,
    drift: list[bytes],
    samples: list[list[bytes]],
    retrain: list[list[bytes]],
    incarnation: bytes = b"",
    *,
    episode: int | None = None,
    model: str = "",
    cooldown_ms: int = 0,
) -> Closed:
    """Write window ``expected_window + 1`` with everything that belongs to it, if nobody has.

    ``incarnation`` is the stored field of that name (empty where there is none), by which a state that was begun
    anew is told apart. Where it is too late nothing was written: reload the state. ``episode`` is the one that is
    open with this window, ``model`` the run that judged it; by them, and by ``cooldown_ms``, the shortest time
    between two events, it is told whether an alert has asked for the same retraining before.
    """
    arguments: list[str | bytes | int] = [expected_window, incarnation, expected_window + 1, state]
    arguments += ["" if episode is None else episode, model, cooldown_ms]
    for stream, entries in enumerate(([drift], samples, retrain), start=1):
        for fields in entries:
            arguments += (stream, len(fields), *fields)
    return Closed(_script.run(connection, (keys.monitor, keys.drift, keys.samples, keys.retrain), arguments))

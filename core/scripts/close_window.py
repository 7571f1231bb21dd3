"""Close a window: the one step in which the monitor's work becomes durable."""

from __future__ import annotations

from core.connection import Connection
from core.keys import PipelineKeys
from core.scripts.script import Script

_script = Script("close_window")


def close_window(
    connection: Connection,
    keys: PipelineKeys,
    expected_window: int,
    state: bytes,
    drift: list[bytes],
    samples: list[list[bytes]],
    retrain: list[list[bytes]],
    incarnation: bytes = b"",
) -> bool:
    """Write window ``expected_window + 1`` with everything that belongs to it, if nobody has.

    ``incarnation`` is the stored field of that name (empty where there is none), by which a state that was begun
    anew is told apart. Returns False, having written nothing, where another monitor was first: reload the state.
    """
    arguments: list[bytes | int] = [expected_window, incarnation, expected_window + 1, state]
    for stream, entries in enumerate(([drift], samples, retrain), start=1):
        for fields in entries:
            arguments += (stream, len(fields), *fields)
    return bool(_script.run(connection, (keys.monitor, keys.drift, keys.samples, keys.retrain), arguments))

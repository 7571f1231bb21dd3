"""A closed window made durable."""

from __future__ import annotations

from core.connection import Connection
from core.fields import encode_fields
from core.keys import PipelineKeys
from core.scripts.close_window import Closed, close_window
from monitor.state import encode_state
from monitor.window_engine import ClosedWindow


def write_window(
    connection: Connection,
    keys: PipelineKeys,
    closed: ClosedWindow,
    incarnation: bytes = b"",
    cooldown_ms: int = 0,
) -> Closed:
    """Write a window with its state, samples and retrain event in one step.

    It is too late where another monitor closed it first, or the stored state is of another incarnation; nothing
    was written then. The event is left out where an alert asked for the same before, unanswered or less than
    ``cooldown_ms`` ago.
    """
    return close_window(
        connection,
        keys,
        closed.drift.window - 1,
        encode_state(closed.state),
        encode_fields(closed.drift),
        list(closed.samples.encode()) if closed.samples is not None else [],
        [encode_fields(closed.retrain)] if closed.retrain is not None else [],
        incarnation,
        episode=closed.drift.episode,
        model=closed.drift.model,
        cooldown_ms=cooldown_ms,
    )

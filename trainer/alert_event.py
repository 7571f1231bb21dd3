"""The event that an alert wrote, and what the monitor has found since.

An alert says that something is wrong, not since when. If the monitor sees a drift soon after, it writes no event
of its own (core/scripts/close_window.lua), and the alert's stands for the episode: it is answered as the monitor's
would be. Otherwise it is answered like one by hand: on all rows that production's run would take, and without harm
to its holdout.
"""

from __future__ import annotations

import msgspec

from core.connection import Connection
from core.drift_window import UNMENDED, DriftWindow, RetrainEvent, drift_event
from core.entry import Entry, entries_of, parse_entry_id
from core.errors import RecordError
from core.fields import decode_fields
from core.keys import PipelineKeys

#: How many windows of the episode are looked at: the first one has the alarm, unless that was of records that
#: cannot be used.
LOOK_AHEAD_WINDOWS = 100


def as_of_drift(connection: Connection, keys: PipelineKeys, event_id: bytes, event: RetrainEvent) -> RetrainEvent:
    """The event as the monitor would have written it, if it stands for the open episode; else as it is."""
    if event.reason != "alert":
        return event
    episode = open_episode(connection, keys)
    if episode is None or event.episode not in {None, episode}:
        return event
    began_ms = _first_of(connection, keys, episode, parse_entry_id(event_id).ms)
    reply = connection.call("XRANGE", keys.drift, began_ms, "+", "COUNT", LOOK_AHEAD_WINDOWS)
    for entry in entries_of(reply):
        window = _window(entry)
        if window is None or window.episode != episode or window.model != event.model or window.alarm is None:
            continue
        if window.alarm.detector not in UNMENDED:
            return msgspec.structs.replace(drift_event(window.alarm, episode), alert=event.alert)
    return event


def open_episode(connection: Connection, keys: PipelineKeys) -> int | None:
    """The episode of the newest window; None where none is open, or nothing can be told."""
    newest = entries_of(connection.call("XREVRANGE", keys.drift, "+", "-", "COUNT", 1))
    window = _window(newest[0]) if newest else None
    return None if window is None else window.episode


def _first_of(connection: Connection, keys: PipelineKeys, episode: int, from_ms: int) -> int:
    """The millisecond, ``from_ms`` at the least, in or behind which the first window of an episode was written.

    By halves, as there may be any number of windows in between: an event waits for as long as no trainer is there.
    An episode has the number of the window that opened it. Windows of one millisecond are not told apart.
    """
    beyond_ms = connection.now_ms(keys.drift) + 1
    while beyond_ms - from_ms > 1:
        middle_ms = (from_ms + beyond_ms) // 2
        entries = entries_of(connection.call("XRANGE", keys.drift, middle_ms, "+", "COUNT", 1))
        window = _window(entries[0]) if entries else None
        if window is not None and window.window < episode:
            from_ms = middle_ms
        else:
            beyond_ms = middle_ms
    return from_ms


def _window(entry: Entry) -> DriftWindow | None:
    try:
        return decode_fields(entry, DriftWindow)
    except RecordError:
        return None

"""The marker group: shows trimming and lag figures how far the monitor is, which owns its position itself."""

from __future__ import annotations

from core.connection import Connection, ServerError
from core.entry import EntryId, field_map
from core.keys import MONITORS
from core.last_id import last_id
from monitor.state import Position


def create_marker(connection: Connection, stream: str) -> None:
    """Make the group where it is missing, before every entry: nothing is trimmed that is not read yet."""
    try:
        connection.call("XGROUP", "CREATE", stream, MONITORS, "0", "MKSTREAM")
    except ServerError as error:
        if "BUSYGROUP" not in str(error):
            raise


def move_marker(connection: Connection, stream: str, position: Position) -> None:
    """Let the group stand behind what is wholly read, so that the server knows its lag."""
    connection.call("XGROUP", "SETID", stream, MONITORS, str(position.done), "ENTRIESREAD", position.entries)


def has_marker(connection: Connection, stream: str) -> bool:
    """Whether the group is there."""
    try:
        groups = connection.call("XINFO", "GROUPS", stream)
    except ServerError as error:
        if "no such key" in str(error):
            return False
        raise
    return any(field_map(group)[b"name"] == MONITORS.encode() for group in groups)


def first_position(connection: Connection, stream: str) -> Position:
    """Before every entry; entries trimmed before there was a monitor count as read, or the lag would keep them."""
    info = field_map(connection.call("XINFO", "STREAM", stream))
    return Position(entries=max(0, int(info[b"entries-added"]) - int(info[b"length"])))


def made_anew(connection: Connection, stream: str, position: EntryId) -> EntryId | None:
    """The last id of a stream that never reached a position, which an older one did; None where it is the same.

    On a cluster the position is kept on another server, and a failover may lose the newest entries of a stream
    that is the same. New ones come behind the position then, as it is not ahead of the clock.
    """
    last = last_id(connection, stream)
    if position <= last:
        return None
    if not connection.one_clock and position.ms <= connection.now_ms(stream):
        return None
    return last

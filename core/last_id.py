"""The last id that a stream gave out, which trimming leaves alone: what lies beyond it is of an older stream."""

from __future__ import annotations

from core.connection import Connection, ServerError
from core.entry import ORIGIN, EntryId, field_map, parse_entry_id


def last_id(connection: Connection, stream: str) -> EntryId:
    """The last id that a stream gave out, even of an entry that is gone; 0-0 where there is no such stream."""
    try:
        return parse_entry_id(field_map(connection.call("XINFO", "STREAM", stream))[b"last-generated-id"])
    except ServerError as error:
        if "no such key" in str(error):
            return ORIGIN
        raise

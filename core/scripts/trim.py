"""Trim: bounded memory without losing what a reader still needs."""

from __future__ import annotations

from collections.abc import Sequence

from core.connection import Connection
from core.scripts.script import Script

_script = Script("trim")


def trim(
    connection: Connection,
    stream: str,
    keep_ms: int,
    keep_bytes: int,
    required_groups: Sequence[str] = (),
    floor: str = "",
    floor_key: str | None = None,
) -> int:
    """Drop entries older than ``keep_ms`` or beyond ``keep_bytes``, never past the floor; returns how many.

    The floor is the smallest of ``floor`` (an entry id) and, for each required group, its oldest pending entry,
    else the entry after its last delivered one. A required group that is missing means that nothing is trimmed.
    """
    keys = (stream,) if floor_key is None else (stream, floor_key)
    reply = _script.run(connection, keys, (keep_ms, keep_bytes, floor, *required_groups))
    return int(reply[0])

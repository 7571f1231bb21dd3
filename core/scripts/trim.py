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
    remember: tuple[str, str] | None = None,
) -> int:
    """Drop entries older than ``keep_ms`` or beyond ``keep_bytes``, never past the floor; returns how many.

    Bytes are those of the server's memory. The floor is the smallest of ``floor`` (an entry id) and, for each
    required group, its oldest pending entry, else the entry after its last delivered one. A required group that is
    missing means that nothing is trimmed. ``remember`` is a group and a key: the first entry that the group still
    needs is written there.
    """
    group, *keys = remember or ("",)
    return _trim(connection, (stream, *keys), keep_ms, keep_bytes, floor, group, *required_groups)


def trim_results(
    connection: Connection, stream: str, keep_ms: int, keep_bytes: int, remembered: str, records: str | None = None
) -> int:
    """As :func:`trim`, but results of entries that the remembered group still needs stay, and those after them.

    A lost group is made again from there, by what has a result. Where nothing is remembered, nothing is trimmed.
    ``records`` is the stream whose results these are: where the group needs nothing of it, all may go.
    """
    keys = (stream, remembered) if records is None else (stream, remembered, records)
    return _trim(connection, keys, keep_ms, keep_bytes, "", "")


def _trim(connection: Connection, keys: tuple[str, ...], *arguments: str | int) -> int:
    return int(_script.run(connection, keys, arguments)[0])

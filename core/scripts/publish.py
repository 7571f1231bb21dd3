"""Publish: append records once per sequence, unless the readers are too far behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.channel import Channel
from core.connection import Connection
from core.errors import BacklogFull, StreamError
from core.keys import REQUIRED_GROUPS
from core.scripts.script import Script

#: How long the server remembers a producer's sequence.
SEQUENCE_KEPT_S = 24 * 3600
#: Entries a call may carry: the server works on nothing else meanwhile.
MAX_CALL_ENTRIES = 500

Argument = str | bytes | int

_script = Script("publish")


class SequenceGap(StreamError):
    """The server does not have the sequence before this one; resend in order, or start under a new producer id."""

    def __init__(self, last: int) -> None:
        super().__init__(f"the server last saw sequence {last} of this producer; resend from {last + 1}")
        self.last = last


def publish(
    connection: Connection,
    records: str,
    sequence_key: str,
    sequence: int,
    entries: list[list[bytes]],
    max_backlog_entries: int,
    max_backlog_bytes: int,
    groups: Sequence[str] = REQUIRED_GROUPS,
) -> bytes | None:
    """Append ``entries`` as sequence number ``sequence`` of a producer; repeating a sequence writes nothing.

    Returns the id of the last entry, or None where this sequence had been written before.

    Raises
    ------
    BacklogFull
        More unread entries, or bytes as estimated from the newest entries, than the caps; nothing was written.
    SequenceGap
        A sequence before this one is missing; nothing was written.
    ValueError
        No entries.
    redis.exceptions.ResponseError
        An entry of more names and values than a script can send (7,900; use a block); nothing was written.
    redis.exceptions.OutOfMemoryError
        The server is at ``maxmemory``; nothing was written.
    """
    packed: list[Argument] = []
    for fields in entries:
        packed.append(len(fields))
        packed += fields
    arguments = _arguments(sequence, packed, max_backlog_entries, max_backlog_bytes, groups)
    return read_answer(_script.run(connection, (records, sequence_key), arguments))


def submit_publish(
    channel: Channel,
    records: str,
    sequence_key: str,
    sequence: int,
    packed: Sequence[Argument],
    max_backlog_entries: int,
    max_backlog_bytes: int,
    groups: Sequence[str] = REQUIRED_GROUPS,
    *,
    with_text: bool = False,
) -> None:
    """Send what :func:`publish` sends ahead of its answer, which :func:`read_answer` reads.

    ``packed`` holds for each entry the number of its names and values, then those. Calls may follow one another
    before the first is answered: where one is refused, those behind it are answered with a gap. ``with_text``
    sends the script itself, to a server that has answered that it does not know it.

    Raises
    ------
    ValueError
        No entries.
    redis.exceptions.ConnectionError, redis.exceptions.TimeoutError
        The connection is lost; the server may have run the call.
    """
    command, script = ("EVAL", _script.text) if with_text else ("EVALSHA", _script.digest)
    arguments = _arguments(sequence, packed, max_backlog_entries, max_backlog_bytes, groups)
    channel.submit(command, script, 2, records, sequence_key, *arguments)


def read_answer(reply: Any) -> bytes | None:
    """The id of the last entry written, or None where the sequence had been written before.

    Raises
    ------
    BacklogFull, SequenceGap
        As :func:`publish`.
    """
    if reply[0] == b"FULL":
        raise BacklogFull(reply[1].decode())
    if reply[0] == b"GAP":
        raise SequenceGap(int(reply[1]))
    return bytes(reply[1]) if reply[0] == b"OK" else None


def _arguments(
    sequence: int,
    packed: Sequence[Argument],
    max_backlog_entries: int,
    max_backlog_bytes: int,
    groups: Sequence[str],
) -> list[Argument]:
    if not packed:
        raise ValueError("a call publishes at least one entry; an empty one would use up its sequence")
    return [
        sequence,
        max_backlog_entries,
        max_backlog_bytes,
        SEQUENCE_KEPT_S,
        len(groups),
        *groups,
        *packed,
    ]

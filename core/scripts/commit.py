"""Commit: acknowledge entries and publish what came of them in one atomic step."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

from core.connection import Connection, ServerError
from core.errors import GroupMissing
from core.scripts.script import Script

#: Bytes of results in one call: the server works on nothing else meanwhile.
MAX_CALL_BYTES = 4 * 1024 * 1024
#: Entries in one call, for the same reason.
MAX_CALL_ENTRIES = 1_000
#: Fewer results than this are not worth comparing.
MIN_ALIKE_ENTRIES = 8

_script = Script("commit")

#: Output fields by number of the output stream (1 is the first).
Output = tuple[int, list[bytes]]


class EntryResult(NamedTuple):
    """What is to be published for one entry; no outputs means: acknowledge only."""

    id: bytes
    deliveries: int  #: how often the entry was handed out, kept where it must be put back
    outputs: list[Output]


class Committed(NamedTuple):
    """What a commit did."""

    committed: int
    late: int  #: entries that another worker had answered already
    ts_ms: int  #: the server's clock
    late_ids: frozenset[bytes]


def commit(
    connection: Connection,
    source: str,
    group: str,
    consumer: str,
    outputs: tuple[str, ...],
    results: list[EntryResult],
) -> Committed:
    """Acknowledge ``results`` in ``source`` and publish their outputs, in chunks; safe to repeat as a whole.

    Each entry is acknowledged and published in one script, so it has exactly one result: whoever commits second is
    late and publishes nothing. Where a write fails, its entry is pending again and the error is raised.

    Raises
    ------
    GroupMissing
        The stream or its group is gone; nothing of this chunk was published.
    redis.exceptions.ResponseError
        An output that cannot be written, or has too many fields for a script; with the server's words.
    """
    committed = ts_ms = 0
    late: list[bytes] = []
    for chunk in _chunks(results):
        try:
            reply = _script.run(
                connection, (source, *outputs), (group, consumer, *(_alike(chunk) or _each(chunk)))
            )
        except ServerError as error:
            if "NOGROUP" in str(error):
                raise GroupMissing(f"group {group!r} of {source} is gone; it is made again") from error
            raise
        committed += reply[0]
        late += reply[1]
        ts_ms = int(reply[2])
    return Committed(committed, len(late), ts_ms, frozenset(late))


def _chunks(results: list[EntryResult]) -> Iterator[list[EntryResult]]:
    chunk: list[EntryResult] = []
    size = 0
    for result in results:
        result_bytes = sum([sum(map(len, fields)) for _, fields in result.outputs])
        if chunk and (size + result_bytes > MAX_CALL_BYTES or len(chunk) >= MAX_CALL_ENTRIES):
            yield chunk
            chunk, size = [], 0
        chunk.append(result)
        size += result_bytes
    if chunk:
        yield chunk


def _each(chunk: list[EntryResult]) -> list[bytes]:
    """Results of any shape, as the script reads them; ``ts`` is filled in there, by the server's clock."""
    arguments = [b"each"]
    for entry_id, deliveries, outputs in chunk:
        arguments += (entry_id, b"%d" % deliveries, b"%d" % len(outputs))
        for stream, fields in outputs:
            arguments += (b"%d" % stream, b"%d" % (len(fields) + 2))
            arguments += fields
            arguments += (b"ts", b"")
    return arguments


def _alike(chunk: list[EntryResult]) -> list[bytes] | None:
    """Results that differ in some values only, as predictions of plain records do: the common part is sent once.

    None where they are not alike. For seven features this sends 7 arguments a record instead of 27.
    """
    if len(chunk) < MIN_ALIKE_ENTRIES or any(len(result.outputs) != 1 for result in chunk):
        return None
    stream, first = chunk[0].outputs[0]
    rows = [result.outputs[0][1] for result in chunk if result.outputs[0][0] == stream]
    if len(rows) != len(chunk) or any(len(row) != len(first) for row in rows):
        return None
    columns = list(zip(*rows, strict=True))
    ids = tuple(result.id for result in chunk)
    own = next((place for place, column in enumerate(columns, start=1) if column == ids), 0)
    varying = [
        place
        for place, column in enumerate(columns, start=1)
        if place != own and column.count(column[0]) != len(column)
    ]
    arguments = [b"alike", b"%d" % stream, b"%d" % len(first), b"%d" % len(varying)]
    arguments += [b"%d" % place for place in [*varying, own]]
    arguments += first
    deliveries = [b"%d" % result.deliveries for result in chunk]
    arguments += chain.from_iterable(zip(ids, deliveries, *(columns[place - 1] for place in varying), strict=True))
    return arguments

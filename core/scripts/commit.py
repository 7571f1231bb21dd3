"""Commit: acknowledge entries and publish what came of them in one atomic step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from core.byte_columns import Bytes, side_by_side
from core.channel import Channel, Packed
from core.connection import Connection, ServerError
from core.errors import GroupMissing
from core.scripts.script import Script

#: Bytes of results in one call: the server works on nothing else meanwhile.
MAX_CALL_BYTES = 4 * 1024 * 1024
#: Entries in one call, for the same reason.
MAX_CALL_ENTRIES = 1_000

_script = Script("commit")
_msgpack = msgspec.msgpack.Encoder()

#: Output fields by number of the output stream (1 is the first).
Output = tuple[int, list[bytes]]


class EntryResult(NamedTuple):
    """What is to be published for one entry; no outputs means: acknowledge only."""

    id: bytes
    deliveries: int  #: how often the entry was handed out, kept where it must be put back
    outputs: list[Output]


@dataclass(frozen=True, eq=False)
class AlikeResults:
    """Results of entries that were delivered once and have one output each, of the same shape.

    What they share is sent once. The values that differ come as the script can take them with the least work.
    """

    ids: list[bytes]
    output: int  #: number of the output stream
    fields: Sequence[bytes]  #: names and values in turn, as all have them; what differs is filled in
    places: Sequence[int]  #: where the values that differ stand in ``fields``; the first field's place is 1
    own: int  #: where the entry's own id stands; 0: nowhere
    form: bytes  #: ``values``, ``texts``, or a format of Lua's struct; see commit.lua
    #: The values, ``len(places)`` for each entry in turn; of the form ``values`` a column (entries, bytes) each.
    values: bytes | Sequence[Bytes]

    def __post_init__(self) -> None:
        if not isinstance(self.values, bytes) and any(len(column) != len(self.ids) for column in self.values):
            raise ValueError(f"there are not {len(self.ids)} values in each column")


class Committed(NamedTuple):
    """What a commit did."""

    committed: int
    late: int  #: entries that another worker had answered already
    ts_ms: int  #: the server's clock
    late_ids: frozenset[bytes]


class CommitCall:
    """One call of the script that is sent ahead; sent again, it publishes only what is still to be published."""

    def __init__(
        self,
        source: str,
        group: str,
        consumer: str,
        outputs: tuple[str, ...],
        results: list[EntryResult] | AlikeResults,
    ) -> None:
        self.source = source
        self.group = group
        self.consumer = consumer
        self.outputs = outputs
        self.alike = results if isinstance(results, AlikeResults) else None
        if isinstance(results, AlikeResults):
            self.ids = results.ids
            form = _alike(results)
        else:
            self.ids = [result.id for result in results]
            form = _each(results)
        keys = (source, *outputs)
        self._arguments: tuple[str | bytes | int, ...] = (len(keys), *keys, group, consumer, *form)

    def submit(self, channel: Channel, *, with_text: bool = False) -> None:
        """Send it; ``with_text``: to a server that may not know the script."""
        script = ("EVAL", _script.text) if with_text else ("EVALSHA", _script.digest)
        channel.submit(*script, *self._arguments, packed=None if self.alike is None else _packed(self.alike))

    def collect(self, channel: Channel) -> Committed:
        """What it did.

        Raises
        ------
        GroupMissing
            The stream or its group is gone; nothing was published.
        redis.exceptions.NoScriptError
            The server does not know the script (any more); nothing was published.
        redis.exceptions.ResponseError
            An output that cannot be written; its entry and those behind it are pending.
        """
        try:
            return read_reply(channel.collect())
        except ServerError as error:
            raise _told_apart(error, self.group, self.source) from error


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
    late: frozenset[bytes] = frozenset()
    for chunk in chunks(results):
        try:
            done = read_reply(_script.run(connection, (source, *outputs), (group, consumer, *_each(chunk))))
        except ServerError as error:
            raise _told_apart(error, group, source) from error
        committed += done.committed
        late |= done.late_ids
        ts_ms = done.ts_ms
    return Committed(committed, len(late), ts_ms, late)


def chunks(results: list[EntryResult]) -> Iterator[list[EntryResult]]:
    """The results in pieces for one call each."""
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


def read_reply(reply: tuple[int, list[bytes], bytes]) -> Committed:
    """What a commit did, as its script says it."""
    return Committed(reply[0], len(reply[1]), int(reply[2]), frozenset(reply[1]))


def _told_apart(error: ServerError, group: str, source: str) -> Exception:
    if "NOGROUP" in str(error):
        return GroupMissing(f"group {group!r} of {source} is gone; it is made again")
    return error


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


def _alike(results: AlikeResults) -> list[bytes]:
    """The same for results of one shape, without values that are sent packed."""
    numbers = (results.output, len(results.fields), len(results.places), *results.places, results.own)
    arguments = [b"alike", *(b"%d" % number for number in numbers), *results.fields]
    arguments += (_msgpack.encode([entry_id.decode() for entry_id in results.ids]), results.form)
    if isinstance(results.values, bytes):
        arguments.append(results.values)
    return arguments


def _packed(results: AlikeResults) -> Packed | None:
    """The rest of them. Columns are copied only here, as most are sent natively."""
    if isinstance(results.values, bytes):
        return None
    columns = results.values
    headed = [piece for column in columns for piece in (b"$%d\r\n" % column.shape[1], column, b"\r\n")]
    return Packed(len(columns) * len(results.ids), side_by_side(headed, len(results.ids)))

"""Where predictions are read from: positions of one's own, or a consumer group."""

from __future__ import annotations

import re
import time
from typing import Any, Literal, NamedTuple, Protocol

from redis.exceptions import ResponseError

from core.connection import CONNECTION_ERRORS, Connection
from core.entry import ORIGIN, Entry, EntryId, entries_of, parse_entry_id, streams_of
from core.errors import GroupMissing, SettingsError
from core.group_reader import GroupReader, consumer_name
from core.last_id import last_id
from core.read_size import ReadSize
from core.stream_waiter import StreamWaiter
from core.takeover import GroupBatch

#: Target size of one read.
READ_BYTES = 1024 * 1024
#: Handled entries are acknowledged together: after this many, after this long, and before the next read.
ACKNOWLEDGE_ENTRIES = 100
ACKNOWLEDGE_S = 0.1
#: A result never takes a reader down so often that it must be kept from the others.
_NEVER = 2**31

_ENTRY_ID = re.compile(r"[0-9]{1,19}(-[0-9]{1,19})?")

Start = Literal["now", "start"] | EntryId


class Found(NamedTuple):
    """One entry and the predictions stream that it stands in."""

    stream: str
    entry: Entry


class PredictionSource(Protocol):
    """One way to read; every method may raise what a lost connection raises."""

    def add(self, stream: str, start: Start) -> None:
        """Read this stream too, from ``start`` on."""

    def read(self, block_ms: int) -> list[Found]:
        """The next entries, or none within ``block_ms``. Raises GroupMissing."""

    def done(self, found: Found) -> None:
        """The caller has handled this entry."""

    def resume(self, *, group_lost: bool) -> None:
        """Go on after a lost connection or a lost group."""

    def close(self) -> None:
        """End in order."""


def parse_start(text: str) -> Start:
    """Read "now", "start" or an entry id. Raises SettingsError for anything else."""
    if text == "now":
        return "now"
    if text == "start":
        return "start"
    if not _ENTRY_ID.fullmatch(text):
        raise SettingsError(f"start is {text!r}; give now, start, or an entry id such as 1700000000000-0")
    return parse_entry_id(text)


class PositionSource:
    """Read with positions of one's own: every such reader gets every result."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._positions: dict[str, EntryId] = {}
        self._size = ReadSize(READ_BYTES)
        self._waiter = StreamWaiter(connection)

    def add(self, stream: str, start: Start) -> None:
        """Read this stream too; "now" is the last entry that it ever had, so that nothing later is missed."""
        if start == "now":
            self._positions[stream] = last_id(self._connection, stream)
        else:
            self._positions[stream] = ORIGIN if start == "start" else start

    def read(self, block_ms: int) -> list[Found]:
        """The next entries, or none within ``block_ms``."""
        groups = self._connection.groups(tuple(self._positions))
        if len(groups) == 1:
            return self._taken([self._connection.call(*self._read_command(groups[0], "BLOCK", block_ms))])
        found = self._read_each(groups)
        if not found:
            after = {stream: str(position) for stream, position in self._positions.items()}
            self._waiter.wait(after, block_ms)
            found = self._read_each(groups)
        return found

    def _read_each(self, groups: list[tuple[str, ...]]) -> list[Found]:
        """The next entries of each group, without waiting."""
        replies = self._connection.pipeline([self._read_command(group) for group in groups])
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return self._taken(replies)

    def _read_command(self, streams: tuple[str, ...], *wait: str | int) -> tuple[str | int, ...]:
        positions = (str(self._positions[stream]) for stream in streams)
        return ("XREAD", "COUNT", self._size.entries, *wait, "STREAMS", *streams, *positions)

    def _taken(self, replies: list[Any]) -> list[Found]:
        """The entries of replies, whose positions are passed."""
        found: list[Found] = []
        for name, entries in (item for reply in replies for item in streams_of(reply).items()):
            stream = name.decode()
            self._size.learn(entries)
            found += [Found(stream, entry) for entry in entries]
            if entries:
                self._positions[stream] = parse_entry_id(entries[-1].id)
        return found

    def done(self, found: Found) -> None:
        """Nothing is acknowledged without a group."""

    def resume(self, *, group_lost: bool) -> None:
        """The positions are known here."""

    def close(self) -> None:
        """Nothing is held on the server."""
        self._waiter.close()


class GroupSource:
    """Read as one consumer of a group; what was handled is acknowledged, what the dead held is taken over."""

    def __init__(self, connection: Connection, group: str, consumer: str | None, takeover_idle_s: float) -> None:
        self._connection = connection
        self._group = group
        self._consumer = consumer or consumer_name()
        self._takeover_idle_ms = max(1, round(takeover_idle_s * 1000))
        self._streams: tuple[str, ...] = ()
        self._readers: list[GroupReader] = []  # one for the streams that one command may read
        self._waiter = StreamWaiter(connection)
        self._own_pending: dict[str, bytes] = {}  #: where to go on reading what this consumer had already
        self._handled: dict[str, list[bytes]] = {}
        self._handled_entries = 0
        self._handled_since_s = 0.0

    def add(self, stream: str, start: Start) -> None:
        """Read this stream too; ``start`` counts where the group is new."""
        self._streams += (stream,)
        self._readers = [self._make_reader(group) for group in self._connection.groups(self._streams)]
        self._readers[0].create_group(stream, {"now": "$", "start": "0"}.get(str(start), str(start)))
        self._own_pending[stream] = b"0"

    def read(self, block_ms: int) -> list[Found]:
        """Own pending entries first, then those of dead consumers, then new ones."""
        self._acknowledge()
        return self._read_own() or [
            Found(batch.stream, entry)
            for batch in self._next_batches(min(block_ms, self._takeover_idle_ms))  # or a takeover comes late
            for entry in batch.entries
        ]

    def done(self, found: Found) -> None:
        """Acknowledge soon; while the server is away it is remembered here."""
        if not self._handled_entries:
            self._handled_since_s = time.monotonic()
        self._handled.setdefault(found.stream, []).append(found.entry.id)
        self._handled_entries += 1
        late = time.monotonic() - self._handled_since_s >= ACKNOWLEDGE_S
        if late or self._handled_entries >= ACKNOWLEDGE_ENTRIES:
            try:
                self._acknowledge()
            except CONNECTION_ERRORS:
                return  # the next read meets the same error, and acknowledges first once it is over

    def resume(self, *, group_lost: bool) -> None:
        """After a lost connection, entries whose reply was lost are pending here; a lost group begins anew."""
        if group_lost:
            for stream in self._streams:
                self._readers[0].create_group(stream)
        self._own_pending = dict.fromkeys(self._streams, b"0")

    def close(self) -> None:
        """Acknowledge what was handled; the consumer stays only if it holds something."""
        self._waiter.close()
        self._acknowledge()
        for reader in self._readers:
            reader.leave()

    def _next_batches(self, block_ms: int) -> list[GroupBatch]:
        """What is taken over or new on any server, waiting for the first on all."""
        if len(self._readers) == 1:
            return self._readers[0].read(block_ms)
        batches = self._batches_now()
        if not batches:
            # first where the streams end, then whether there is more: what comes later ends the wait
            after = {stream: str(last_id(self._connection, stream)) for stream in self._streams}
            batches = self._batches_now()
            if not batches:
                self._waiter.wait(after, block_ms)
                batches = self._batches_now()
        return batches

    def _batches_now(self) -> list[GroupBatch]:
        return [batch for reader in self._readers for batch in reader.read(0)]

    def _make_reader(self, streams: tuple[str, ...]) -> GroupReader:
        return GroupReader(
            self._connection,
            streams,
            self._group,
            self._consumer,
            takeover_idle_ms=self._takeover_idle_ms,
            read_bytes=READ_BYTES,
            poison_deliveries=_NEVER,
            poison_lone_deaths=_NEVER,
        )

    def _acknowledge(self) -> None:
        while self._handled:
            stream, ids = next(iter(self._handled.items()))
            self._connection.call("XACK", stream, self._group, *ids)
            del self._handled[stream]
            self._handled_entries -= len(ids)

    def _read_own(self) -> list[Found]:
        """What this consumer was given before; entries trimmed meanwhile can never be handled and are let go."""
        while self._own_pending:
            stream, cursor = next(iter(self._own_pending.items()))
            try:
                reply = self._connection.call(
                    "XREADGROUP", "GROUP", self._group, self._consumer, "COUNT", 100, "STREAMS", stream, cursor
                )  # fmt: skip  (as the command reads)
            except ResponseError as error:
                if "NOGROUP" in str(error):
                    raise GroupMissing(f"group {self._group!r} of {stream} is gone") from error
                raise
            items = reply[0][1] if reply else []
            gone = [item[0] for item in items if item[1] is None]
            if gone:
                self._connection.call("XACK", stream, self._group, *gone)
            if not items:
                del self._own_pending[stream]
                continue
            self._own_pending[stream] = items[-1][0]
            found = [Found(stream, entry) for entry in entries_of(items)]
            if found:
                return found
        return []

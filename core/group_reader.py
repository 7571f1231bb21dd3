"""Read a stream as one of many consumers: new entries, and those that a dead worker left pending.

Takeover happens inside the reading loop and without locks: the idle time guards. The reader hands out one batch at
a time and holds nothing beyond it.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from dataclasses import dataclass

from redis.exceptions import ResponseError

from core.connection import MAX_BLOCK_MS, Connection
from core.entry import Entry, entries_of, streams_of
from core.errors import GroupMissing
from core.read_size import ReadSize
from core.scripts.hold_entries import hold_entries
from core.scripts.leave_group import leave_group, remove_dead_consumers

#: Entries looked at in one takeover.
TAKEOVER_ENTRIES = 100
#: A consumer that holds nothing and was silent for this many takeover times is removed.
DEAD_AFTER_TAKEOVERS = 2


def consumer_name() -> str:
    """A name that no other consumer has, and that tells a person where it runs."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


@dataclass(frozen=True)
class GroupBatch:
    """Entries of one stream that are pending for this consumer until they are committed."""

    stream: str
    entries: list[Entry]
    deliveries: dict[bytes, int]  #: delivery count of entries that were taken over; others have 1
    poison: bool = False  #: the one entry took a worker down each time it was processed alone


class GroupReader:
    """One consumer of one group over one or more streams of a server."""

    def __init__(
        self,
        connection: Connection,
        streams: tuple[str, ...],
        group: str,
        consumer: str,
        *,
        takeover_idle_ms: int,
        read_bytes: int,
        poison_deliveries: int,
        poison_lone_deaths: int,
    ) -> None:
        self._connection = connection
        self._streams = streams
        self._group = group
        self.consumer = consumer
        self._takeover_idle_ms = takeover_idle_ms
        self._size = ReadSize(read_bytes)
        self._poison_deliveries = poison_deliveries
        self._poison_after = poison_deliveries + poison_lone_deaths
        self._next_takeover_s = 0.0
        self.taken_over_entries = 0

    def create_group(self, stream: str, start: str = "0") -> bool:
        """Create the group (and the stream) where it is missing; returns whether it was made."""
        try:
            self._connection.call("XGROUP", "CREATE", stream, self._group, start, "MKSTREAM")
        except ResponseError as error:
            if "BUSYGROUP" in str(error):
                return False
            raise
        return True

    def read(self, block_ms: int = MAX_BLOCK_MS) -> list[GroupBatch]:
        """The next batches: taken over ones first, else new ones, else nothing within ``block_ms`` (0: at once).

        Raises
        ------
        GroupMissing
            A stream or its group is gone.
        """
        try:
            return self._take_over() or self._read_new(block_ms)
        except ResponseError as error:
            if "NOGROUP" in str(error):
                raise GroupMissing(f"group {self._group!r} is gone from one of {self._streams}") from error
            raise

    def hold(self, stream: str, ids: list[bytes]) -> None:
        """Keep entries from being taken over while they cannot be committed; those no longer ours are left alone.

        Each takeover raises an entry's delivery count, so a result that cannot be written would make it poison.
        """
        hold_entries(self._connection, stream, self._group, self.consumer, ids)

    def leave(self) -> None:
        """Remove this consumer where it holds nothing; called at the end of an orderly stop."""
        for stream in self._streams:
            leave_group(self._connection, stream, self._group, self.consumer)

    def _read_new(self, block_ms: int) -> list[GroupBatch]:
        reply = self._connection.call(
            "XREADGROUP",
            "GROUP",
            self._group,
            self.consumer,
            "COUNT",
            self._size.entries,
            *(("BLOCK", min(block_ms, MAX_BLOCK_MS)) if block_ms > 0 else ()),  # to the server, 0 is for ever
            "STREAMS",
            *self._streams,
            *(">" for _ in self._streams),
        )  # fmt: skip  (as the command reads)
        batches = [GroupBatch(name.decode(), entries, {}) for name, entries in streams_of(reply).items()]
        for batch in batches:
            self._size.learn(batch.entries)
        return batches

    def _take_over(self) -> list[GroupBatch]:
        """Claim what has been pending for too long; look again at once while there was something."""
        now_s = time.monotonic()
        if now_s < self._next_takeover_s:
            return []
        for stream in self._streams:
            batch = self._claim(stream)
            if batch is not None:
                self.taken_over_entries += len(batch.entries)
                return [batch]
        for stream in self._streams:
            idle_ms = DEAD_AFTER_TAKEOVERS * self._takeover_idle_ms
            remove_dead_consumers(self._connection, stream, self._group, max(idle_ms, 2 * MAX_BLOCK_MS))
        self._next_takeover_s = now_s + self._takeover_idle_ms / 4000
        return []

    def _claim(self, stream: str) -> GroupBatch | None:
        pending = self._connection.call(
            "XPENDING", stream, self._group, "IDLE", self._takeover_idle_ms, "-", "+", TAKEOVER_ENTRIES
        )
        if not pending:
            return None
        counts = {item[0]: int(item[3]) for item in pending}
        suspects = [entry_id for entry_id, count in counts.items() if count >= self._poison_deliveries]
        innocents = [entry_id for entry_id in counts if entry_id not in set(suspects)]
        wanted = innocents[: self._size.entries] or suspects[:1]
        claimed = entries_of(
            self._connection.call("XCLAIM", stream, self._group, self.consumer, self._takeover_idle_ms, *wanted)
        )
        if not claimed:
            return None  # another worker was faster, or they were trimmed
        self._size.learn(claimed)
        poison = not innocents and counts[claimed[0].id] >= self._poison_after
        return GroupBatch(stream, claimed, {entry.id: counts[entry.id] + 1 for entry in claimed}, poison)

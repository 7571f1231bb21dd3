"""Read a stream as one of many consumers: new entries, and those that a dead worker left pending.

One batch at a time, each answered before the next is read. The scorer, which reads ahead, has lanes instead.
"""

from __future__ import annotations

import os
import secrets
import socket

from redis.exceptions import ResponseError

from core.connection import MAX_BLOCK_MS, Connection
from core.entry import streams_of
from core.errors import GroupMissing
from core.scripts.hold_entries import hold_entries
from core.scripts.leave_group import leave_group
from core.takeover import GroupBatch, Takeover


def consumer_name() -> str:
    """A name that no other consumer has, and that tells a person where it runs."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


def read_arguments(
    group: str, consumer: str, streams: tuple[str, ...], count: int, block_ms: int
) -> list[str | bytes | int]:
    """The command that reads new entries, waiting for the first at most ``block_ms`` (0: not at all)."""
    block = ("BLOCK", min(block_ms, MAX_BLOCK_MS)) if block_ms > 0 else ()  # to the server, 0 is for ever
    places = ("STREAMS", *streams, *(">" for _ in streams))
    return ["XREADGROUP", "GROUP", group, consumer, "COUNT", count, *block, *places]


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
        self._takeover = Takeover(
            connection,
            streams,
            group,
            consumer,
            takeover_idle_ms=takeover_idle_ms,
            read_bytes=read_bytes,
            poison_deliveries=poison_deliveries,
            poison_lone_deaths=poison_lone_deaths,
        )

    @property
    def taken_over_entries(self) -> int:
        """How many entries were taken over so far."""
        return self._takeover.taken_over_entries

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
            taken_over = self._takeover.next_batch()
            return [taken_over] if taken_over else self._read_new(block_ms)
        except ResponseError as error:
            raise group_missing(error, self._group, self._streams) from error

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
        size = self._takeover.size
        reply = self._connection.call(
            *read_arguments(self._group, self.consumer, self._streams, size.entries, block_ms)
        )
        batches = [GroupBatch(name.decode(), entries, {}) for name, entries in streams_of(reply).items()]
        for batch in batches:
            size.learn(batch.entries)
        return batches


def group_missing(error: ResponseError, group: str, streams: tuple[str, ...]) -> Exception:
    """The error, told apart where it says that a stream or its group is gone."""
    if "NOGROUP" in str(error):
        return GroupMissing(f"group {group!r} is gone from one of {streams}")
    return error

"""Which rejections are meant: all of them, or those of a reason, a time, a partition, an id."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

import msgspec

from core.connection import Connection
from core.entry import ORIGIN, Entry, default_record_id, entries_of, parse_entry_id
from core.errors import SettingsError
from core.keys import PartitionKeys
from core.last_id import last_id
from core.listing import listed
from core.number import shown
from core.read_size import ReadSize
from core.rejection import REASONS, Rejection, decode_rejection

#: Target size of one read.
READ_BYTES = 2 * 1024 * 1024

_ENTRY_ID = re.compile(rb"[0-9]{1,20}-[0-9]{1,20}")
_AGO = re.compile(r"([0-9]{1,9})(s|m|h|d)")
_AGO_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


@dataclass(frozen=True, eq=False)
class RejectedEntry:
    """One entry of a rejected stream."""

    partition: PartitionKeys
    entry_id: bytes
    rejection: Rejection

    @property
    def record_ids(self) -> list[bytes]:
        """Ids of the records that it refuses, the default where they brought none; a whole entry has one."""
        rejection, rows = self.rejection, self.rejection.block_rows
        if rows is None:
            return [rejection.id or default_record_id(self.partition.number, rejection.record, 0)]
        if rows.ids is not None:
            return list(rows.ids)
        return [default_record_id(self.partition.number, rejection.record, int(row)) for row in rows.rows]


@dataclass(frozen=True)
class DamagedEntry:
    """An entry of a rejected stream that is no rejection, or holds no record."""

    partition: PartitionKeys
    entry_id: bytes
    why: str


@dataclass(frozen=True)
class Selection:
    """What was asked for; everything by default.

    Raises
    ------
    SettingsError
        A reason that there is not.
    """

    reasons: Sequence[str] = ()
    partition: int | None = None
    since_ms: int = 0
    until_ms: int | None = None
    record_ids: Sequence[str] = ()

    def __post_init__(self) -> None:
        for reason in self.reasons:
            if reason not in REASONS:
                raise SettingsError(f"there is no reason {reason!r}; choose of {listed(REASONS)}")

    @classmethod
    def parse(
        cls,
        reasons: Sequence[str] | None,
        partition: int | None,
        since: str | None,
        until: str | None,
        record_ids: Sequence[str] | None,
        now_ms: int,
    ) -> Self:
        """Read the options of the command. Raises SettingsError."""
        return cls(
            reasons or (),
            partition,
            0 if since is None else parse_time_ms(since, now_ms, "--since"),
            None if until is None else parse_time_ms(until, now_ms, "--until"),
            record_ids or (),
        )

    def takes(self, found: RejectedEntry) -> bool:
        """Whether a rejection that is in the time asked for is meant."""
        if self.reasons and found.rejection.reason not in self.reasons:
            return False
        wanted = {name.encode() for name in self.record_ids}
        return not wanted or not wanted.isdisjoint(found.record_ids)

    def read(
        self, connection: Connection, partitions: Sequence[PartitionKeys]
    ) -> Iterator[RejectedEntry | DamagedEntry]:
        """The rejections that are there now, oldest first in each partition; those that come meanwhile are not."""
        for partition in partitions:
            if self.partition is None or partition.number == self.partition:
                yield from self._read_one(connection, partition)

    def _read_one(
        self, connection: Connection, partition: PartitionKeys
    ) -> Iterator[RejectedEntry | DamagedEntry]:
        end = last_id(connection, partition.rejected)
        if end == ORIGIN:
            return
        until = str(end) if self.until_ms is None else str(min(end, parse_entry_id(f"{self.until_ms + 1}").before))
        start = f"{self.since_ms}-0"
        size = ReadSize(READ_BYTES)
        while True:
            reply = connection.call("XRANGE", partition.rejected, start, until, "COUNT", size.entries)
            entries = entries_of(reply)
            if not entries:
                return
            size.learn(entries)
            for entry in entries:
                found = _decoded(partition, entry)
                if isinstance(found, DamagedEntry):
                    if not (self.reasons or self.record_ids):
                        yield found
                elif self.takes(found):
                    yield found
            if parse_entry_id(entries[-1].id) >= end:
                return
            start = str(parse_entry_id(entries[-1].id).after)


def read_named(
    connection: Connection, partitions: Sequence[PartitionKeys], names: Iterable[tuple[int, str]]
) -> Iterator[RejectedEntry | DamagedEntry]:
    """Rejections by partition number and entry id; those that are gone are left out."""
    for number, entry_id in names:
        reply = connection.call("XRANGE", partitions[number].rejected, entry_id, entry_id)
        for entry in entries_of(reply):
            yield _decoded(partitions[number], entry)


def parse_time_ms(text: str, now_ms: int, option: str) -> int:
    """A point in time: ``10m`` ago, or an ISO date and time (UTC where it names no zone).

    >>> parse_time_ms("2h", 10_000_000, "--since")
    2800000

    Raises
    ------
    SettingsError
        Neither.
    """
    ago = _AGO.fullmatch(text)
    if ago:
        return max(0, now_ms - int(ago[1]) * _AGO_MS[ago[2]])
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(
            f"{option} is {text!r}; give an age such as 10m, 2h or 3d, or a time such as 2026-07-01T12:00"
        ) from error
    return max(0, int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * 1000))


def _check_entry_id(text: bytes) -> None:
    """The server would refuse to look for anything else."""
    if not _ENTRY_ID.fullmatch(text) or max(parse_entry_id(text)) >= 2**64:
        raise ValueError(f"record {shown(text)} is no entry id")


def _decoded(partition: PartitionKeys, entry: Entry) -> RejectedEntry | DamagedEntry:
    try:
        rejection = decode_rejection(entry)
        _check_entry_id(rejection.record)
    except KeyError as error:
        return DamagedEntry(partition, entry.id, f"it is no rejection, for it has no field {shown(error.args[0])}")
    except (ValueError, msgspec.MsgspecError) as error:
        return DamagedEntry(partition, entry.id, f"it cannot be read ({error})")
    if rejection.entry is None and rejection.block_rows is None:
        return DamagedEntry(partition, entry.id, "it holds no record")
    return RejectedEntry(partition, entry.id, rejection)

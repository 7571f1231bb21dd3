"""How far each group is behind on each partition: what an operator and an autoscaler look at."""

from __future__ import annotations

from typing import Any

import msgspec

from core.connection import Connection, ServerError
from core.entry import Entry, EntryId, entries_of, field_map, parse_entry_id
from core.keys import PartitionKeys
from core.read_size import ReadSize

#: Where the server does not know the lag, at most so many entries and bytes are read to count it: it is then the
#: least it can be, and the age of the oldest entry tells the rest.
MAX_COUNTED = 100_000
MAX_COUNTED_BYTES = 8 * 1024 * 1024
#: No entry comes after this one; the server refuses to look.
_LARGEST = EntryId(2**64 - 1, 2**64 - 1)


class StreamLag(msgspec.Struct, frozen=True):
    """One group's backlog on one partition."""

    partition: int
    group: str
    lag_entries: int  #: not yet handed out
    pending_entries: int  #: handed out, not acknowledged
    oldest_s: float  #: age of the oldest entry that is not acknowledged; 0 where there is none


def stream_lags(connection: Connection, partitions: tuple[PartitionKeys, ...]) -> list[StreamLag]:
    """The backlog of every group; a partition that nobody wrote to yet has none."""
    lags: list[StreamLag] = []
    for partition in partitions:
        try:
            groups = [field_map(group) for group in connection.call("XINFO", "GROUPS", partition.records)]
        except ServerError:
            continue
        now_ms = connection.now_ms(partition.records)
        lags += [_group_lag(connection, partition, group, now_ms) for group in groups]
    return lags


def _group_lag(
    connection: Connection, partition: PartitionKeys, group: dict[bytes, Any], now_ms: int
) -> StreamLag:
    name, last = group[b"name"], group[b"last-delivered-id"]
    unread = _after(connection, partition, last, 1)
    oldest = parse_entry_id(unread[0].id).ms if unread else None
    pending = int(group[b"pending"])
    if pending:
        summary = connection.call("XPENDING", partition.records, name)
        if summary[1] is not None:
            pending_ms = parse_entry_id(summary[1]).ms
            oldest = pending_ms if oldest is None else min(oldest, pending_ms)
    lag = group.get(b"lag")
    if lag is None or lag < 0:  # after XDEL, in a group made in mid-stream, or in a stream that was made anew
        lag = _count_after(connection, partition, last)
    age_s = 0.0 if oldest is None else max(0, now_ms - oldest) / 1000
    return StreamLag(partition.number, name.decode("utf-8", "backslashreplace"), int(lag), pending, age_s)


def _count_after(connection: Connection, partition: PartitionKeys, last: bytes) -> int:
    size = ReadSize(MAX_COUNTED_BYTES // 8)
    count = count_bytes = 0
    while count < MAX_COUNTED and count_bytes < MAX_COUNTED_BYTES:
        entries = _after(connection, partition, last, size.entries)
        if not entries:
            break
        size.learn(entries)
        count += len(entries)
        count_bytes += sum(entry.size_bytes for entry in entries)
        last = entries[-1].id
    return count


def _after(connection: Connection, partition: PartitionKeys, last: bytes, count: int) -> list[Entry]:
    """The next entries; none in a stream whose ids are used up."""
    if parse_entry_id(last) == _LARGEST:
        return []
    return entries_of(connection.call("XRANGE", partition.records, b"(" + last, "+", "COUNT", count))

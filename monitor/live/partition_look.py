"""One look at each partition: what came, what was answered and refused, who works, and what is left to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from core.connection import Connection
from core.entry import parse_entry_id
from core.keys import SCORERS, PartitionKeys
from core.scripts.script import Script

#: Most groups and most consumers of a stream that are looked at.
MOST_LISTED = 200
#: Entries and bytes that are looked at for rows per entry.
SAMPLED_ENTRIES, SAMPLED_BYTES = 8, 256 * 1024
#: Entries counted where the server does not know how many a group has not read, as in a stream made anew.
COUNTED_ENTRIES = 1_000

_script = Script("partition_look", Path(__file__).parent)


class StreamLook(NamedTuple):
    """One stream now."""

    added: int  #: entries ever added
    length: int
    first: bytes  #: id of the oldest entry
    last: bytes  #: id of the newest entry ever added
    rows: tuple[int, ...]  #: of the newest entries; empty where there are no newer ones than in the look before


class GroupLook(NamedTuple):
    """One group of a records stream."""

    name: str
    not_read: int  #: entries; where the server does not know it and the group is far behind, an estimate
    pending: int
    oldest_ms: int | None  #: time of the oldest entry that it has not done


class ConsumerLook(NamedTuple):
    """One consumer of the scorers' group."""

    name: bytes
    idle_ms: int  #: since it last asked; of a server that tells no ``inactive``, since it was last given something
    inactive_ms: int | None
    pending: int


class PartitionLook(NamedTuple):
    """One partition now."""

    number: int
    now_ms: int  #: clock of its server
    records: StreamLook
    predictions: StreamLook
    rejected: StreamLook
    groups: list[GroupLook]
    scorers: list[ConsumerLook]


def look_at_partitions(
    connection: Connection, partitions: Sequence[PartitionKeys], before: Mapping[int, PartitionLook]
) -> list[PartitionLook]:
    """A look at each; ``before`` are those of the last time, by number."""
    calls = []
    for partition in partitions:
        keys = (partition.records, partition.predictions, partition.rejected)
        known = before.get(partition.number)
        last = ("", "", "") if known is None else (known.records.last, known.predictions.last, known.rejected.last)
        limits = (MOST_LISTED, SAMPLED_ENTRIES, SAMPLED_BYTES, COUNTED_ENTRIES)
        calls.append((keys, (SCORERS, *limits, *last)))
    replies = _script.look_each(connection, calls)
    return [_read(partition.number, reply) for partition, reply in zip(partitions, replies, strict=True)]


def _read(number: int, reply: Any) -> PartitionLook:
    now, streams, groups, consumers = reply
    records, predictions, rejected = (
        StreamLook(added, length, first, last, tuple(rows)) for added, length, first, last, rows in streams
    )
    now_ms = int(now)
    return PartitionLook(
        number,
        now_ms,
        records,
        predictions,
        rejected,
        [_group(group, records) for group in groups],
        [
            ConsumerLook(name, idle, None if inactive < 0 else inactive, pending)
            for name, idle, inactive, pending in consumers
        ],
    )


def _group(reply: list[Any], records: StreamLook) -> GroupLook:
    name, lag, pending, unread, oldest_pending, counted, more = reply
    if lag < 0:
        lag = max(counted, _evenly(records, parse_entry_id(unread).ms)) if more else counted
    waiting_ms = [parse_entry_id(entry_id).ms for entry_id in (unread, oldest_pending) if entry_id]
    oldest_ms = min(waiting_ms) if waiting_ms else None
    return GroupLook(name.decode("utf-8", "backslashreplace"), int(lag), int(pending), oldest_ms)


def _evenly(records: StreamLook, since_ms: int) -> int:
    """Entries since a time, as if all had come evenly."""
    first_ms, last_ms = parse_entry_id(records.first).ms, parse_entry_id(records.last).ms
    return round(records.length * (last_ms - since_ms) / max(1, last_ms - first_ms))

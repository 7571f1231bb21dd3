"""Create the scorers' group, also after it was lost: what has a result is not answered again, the rest is.

Commits fail while there is no group, so between the look at the results and the creation nothing is answered,
unless another scorer made the group meanwhile and it was lost once more: the script notices, and the look begins
again.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from core.connection import Connection, ServerError
from core.entry import ORIGIN, Entry, EntryId, entries_of, field_map, parse_entry_id
from core.keys import SCORERS, PartitionKeys
from core.read_size import ReadSize
from core.scripts.script import Script

#: Target size of one read.
_READ_BYTES = 2 * 1024 * 1024
#: After every entry.
_END = "+"

_script = Script("restore_group", Path(__file__).parent)


class Recovered(NamedTuple):
    """How the group was created."""

    start: str  #: the last entry that it takes as handed out
    answered_entries: int  #: how many after the stored floor had a result
    open_entries: int  #: how many up to ``start`` had none; they are pending


def recover_group(
    connection: Connection, partition: PartitionKeys, consumer: str, idle_ms: int
) -> Recovered | None:
    """Create the group where it is missing; None where it is there.

    It starts at the stored floor, or at the beginning; where results say that later entries were answered, behind
    the last of those, with the unanswered ones before it pending. Results beyond their retention are not known:
    only the floor, which the scorers' trimming keeps, can tell that their records were answered.
    """
    made, recovered = -1, None
    while made < 0:
        if _group_exists(connection, partition.records):
            return None
        made, recovered = _try_to_recover(connection, partition, consumer, idle_ms)
    return recovered if made else None


def _try_to_recover(
    connection: Connection, partition: PartitionKeys, consumer: str, idle_ms: int
) -> tuple[int, Recovered]:
    """What the script returned, and how the group is created if that is 1."""
    seen = [_last_id(connection, stream) for stream in (partition.predictions, partition.rejected)]
    floor = connection.call("GET", partition.floor)
    start = (_record_id(floor or b"") or ORIGIN).before
    answered = _answered(connection, partition, start)
    position = start
    opened: list[bytes] = []
    if answered:
        for entry in _entries(connection, partition.records, start, str(max(answered))):
            position = parse_entry_id(entry.id)
            if position not in answered:
                opened.append(entry.id)
    keys = (partition.records, partition.predictions, partition.rejected)
    made = _script.run(connection, keys, (SCORERS, str(position), consumer, idle_ms, *seen, *opened))
    return int(made), Recovered(str(position), len(answered), len(opened))


def _group_exists(connection: Connection, stream: str) -> bool:
    try:
        groups = connection.call("XINFO", "GROUPS", stream)
    except ServerError as error:
        if "no such key" in str(error):
            return False
        raise
    return any(field_map(group).get(b"name") == SCORERS.encode() for group in groups)


def _last_id(connection: Connection, stream: str) -> bytes:
    """The last id that a stream gave out, which trimming leaves alone; 0-0 where there is no such stream."""
    try:
        return bytes(field_map(connection.call("XINFO", "STREAM", stream))[b"last-generated-id"])
    except ServerError as error:
        if "no such key" in str(error):
            return b"0-0"
        raise


def _answered(connection: Connection, partition: PartitionKeys, start: EntryId) -> set[EntryId]:
    """Entries after ``start`` that have a result; results come later than their record, so they are few."""
    answered = set()
    for stream in (partition.predictions, partition.rejected):
        for result in _entries(connection, stream, EntryId(start.ms, 0).before, _END):
            record = field_map(result.fields).get(b"record", b"")
            entry_id = _record_id(record)
            if entry_id is not None and entry_id > start:
                answered.add(entry_id)
    return answered


def _record_id(text: bytes) -> EntryId | None:
    """The entry id that a result names; None where something else wrote it."""
    try:
        return parse_entry_id(text)
    except ValueError:
        return None


def _entries(connection: Connection, stream: str, after: EntryId, last: str) -> Iterator[Entry]:
    """Entries of a stream after one id and up to another, in reads of a bounded size."""
    size = ReadSize(_READ_BYTES)
    while True:
        entries = entries_of(connection.call("XRANGE", stream, f"({after}", last, "COUNT", size.entries))
        if not entries:
            return
        yield from entries
        size.learn(entries)
        after = parse_entry_id(entries[-1].id)

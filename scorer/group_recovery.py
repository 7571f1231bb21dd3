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
from core.last_id import last_id
from core.read_size import ReadSize
from core.scripts.script import Script

#: Target size of one read.
_READ_BYTES = 2 * 1024 * 1024
#: After every entry.
_END = "+"
#: No entry comes after this one; the server refuses to look.
_LARGEST = EntryId(2**64 - 1, 2**64 - 1)

_script = Script("restore_group", Path(__file__).parent)


class Recovered(NamedTuple):
    """How the group was created."""

    start: str  #: the last entry that it takes as handed out
    answered_entries: int  #: how many after the stored floor had a result
    open_entries: int  #: how many up to ``start`` had none; they are pending
    dropped_floor: str | None  #: the stored floor, where it was of an older stream


def recover_group(
    connection: Connection, partition: PartitionKeys, consumer: str, idle_ms: int
) -> Recovered | None:
    """Create the group where it is missing; None where it is there.

    It starts at the stored floor, or at the beginning; where results say that later entries were answered, behind
    the last of those, with the unanswered ones before it pending. Everything before the floor was answered; the
    scorers' trimming stores it and keeps every result that may be of a later entry (``core/scripts/trim.lua``).

    A floor beyond the last id that the stream gave out is of an older stream, and so are the results: this one is
    read from its beginning, and the floor is dropped with the group's creation.
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
    seen = [str(last_id(connection, stream)) for stream in (partition.predictions, partition.rejected)]
    floor = _record_id(connection.call("GET", partition.floor) or b"") or ORIGIN
    records_last = last_id(connection, partition.records)
    anew = floor.before > records_last  # the floor itself is one further where all was handed out
    start = ORIGIN if anew else floor.before
    # what results say of later ids is of an older stream
    answered = set() if anew else {i for i in _answered(connection, partition, start) if i <= records_last}
    position = start
    opened: list[bytes] = []
    if answered:
        for entry in _entries(connection, partition.records, start, str(max(answered))):
            position = parse_entry_id(entry.id)
            if position not in answered:
                opened.append(entry.id)
    keys = (partition.records, partition.predictions, partition.rejected, *((partition.floor,) if anew else ()))
    made = _script.run(
        connection, keys, (SCORERS, str(position), consumer, idle_ms, *seen, str(records_last), *opened)
    )
    return int(made), Recovered(str(position), len(answered), len(opened), str(floor) if anew else None)


def _group_exists(connection: Connection, stream: str) -> bool:
    try:
        groups = connection.call("XINFO", "GROUPS", stream)
    except ServerError as error:
        if "no such key" in str(error):
            return False
        raise
    return any(field_map(group).get(b"name") == SCORERS.encode() for group in groups)


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
    while after != _LARGEST:
        entries = entries_of(connection.call("XRANGE", stream, f"({after}", last, "COUNT", size.entries))
        if not entries:
            return
        yield from entries
        size.learn(entries)
        after = parse_entry_id(entries[-1].id)

"""How far a shadow is: what it answered, what waits for it, and what it missed because nobody waits for it."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from core.connection import Connection
from core.entry import entries_of, parse_entry_id
from core.keys import PartitionKeys, shadow_group
from core.read_size import ReadSize
from core.scripts.script import Script

#: Bytes of entries read at most to count those that wait; beyond that their number is not told.
MAX_COUNTED_BYTES = 8 * 1024 * 1024

_script = Script("shadow_progress")


class ShadowProgress(msgspec.Struct, frozen=True):
    """Entries of the records streams since the shadow's scorers began."""

    running: bool  #: whether its group is on every partition
    answered_entries: int
    rejected_entries: int  #: those of them of which no row could be scored
    waiting_entries: int | None  #: not handed out, or not answered yet; None: more than are counted
    missed_entries: int | None  #: gone before they were answered: trimmed, or given up with its group


def shadow_progress(connection: Connection, partitions: Iterable[PartitionKeys], run_id: str) -> ShadowProgress:
    """Look at every partition."""
    parts = [_on_partition(connection, partition, run_id) for partition in partitions]
    waiting, missed = [part.waiting_entries for part in parts], [part.missed_entries for part in parts]
    return ShadowProgress(
        all(part.running for part in parts),
        sum(part.answered_entries for part in parts),
        sum(part.rejected_entries for part in parts),
        _total(waiting),
        _total(missed),
    )


def _total(counts: list[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _on_partition(connection: Connection, partition: PartitionKeys, run_id: str) -> ShadowProgress:
    shadow = partition.shadow(run_id)
    keys = (shadow.records, shadow.start, shadow.predictions, shadow.rejected)
    found = _script.run(connection, keys, (shadow_group(run_id),))
    added, length, first, last, handed, pending, *results = found
    predictions, rejected, predictions_before, rejected_before, added_before = results
    if added_before < 0:
        return ShadowProgress(bool(handed), 0, 0, 0, 0)
    rejected -= rejected_before
    answered = predictions - predictions_before + rejected
    if not handed:  # its group is gone, and made again it begins with the newest
        return ShadowProgress(False, answered, rejected, 0, max(0, added - added_before - answered))
    unread = _unread(connection, shadow, length, first, last, handed)
    if unread is None:
        return ShadowProgress(True, answered, rejected, None, None)
    waiting = unread + pending
    # each entry has one result, so what came and neither has one nor waits is lost to it
    return ShadowProgress(True, answered, rejected, waiting, max(0, added - added_before - answered - waiting))


def _unread(
    connection: Connection, partition: PartitionKeys, length: int, first: bytes, last: bytes, handed: bytes
) -> int | None:
    """Entries behind what was handed out. The server's own ``lag`` counts trimmed ones among them (Redis 7.0)."""
    after = parse_entry_id(handed)
    if after >= parse_entry_id(last) or not length:
        return 0
    if after < parse_entry_id(first):
        return length
    size, count, count_bytes = ReadSize(MAX_COUNTED_BYTES // 8), 0, 0
    while count_bytes < MAX_COUNTED_BYTES:
        entries = entries_of(
            connection.call("XRANGE", partition.records, f"({after}", last, "COUNT", size.entries)
        )
        if not entries:
            return count
        size.learn(entries)
        count += len(entries)
        count_bytes += sum(entry.size_bytes for entry in entries)
        after = parse_entry_id(entries[-1].id)
        if after >= parse_entry_id(last):  # nothing is behind the largest id, which the server says with an error
            return count
    return None

"""Read all partitions in one replayable order, from positions that the reader's owner keeps."""

from __future__ import annotations

from dataclasses import dataclass

from core.connection import MAX_BLOCK_MS, Connection
from core.entry import ORIGIN, Entry, EntryId, parse_entry_id, streams_of
from core.keys import PartitionKeys
from core.read_size import ReadSize


@dataclass(frozen=True)
class PlacedEntry:
    """An entry with the partition it came from."""

    partition: int
    id: EntryId
    entry: Entry


@dataclass(frozen=True)
class MergedRead:
    """Entries in merged order, and a time before which no further entry can appear."""

    entries: list[PlacedEntry]
    watermark_ms: int


class MergedReader:
    """Merges partitions by (entry id, partition).

    With several partitions an entry is handed out only up to the watermark, the server's time taken before the
    read: later entries of the other partitions cannot come before it.
    """

    def __init__(self, connection: Connection, partitions: tuple[PartitionKeys, ...], read_bytes: int) -> None:
        self._connection = connection
        self._partitions = partitions
        self._size = ReadSize(read_bytes)
        self._after = {partition.number: ORIGIN for partition in partitions}

    def seek(self, partition: int, after: EntryId) -> None:
        """Continue behind ``after``."""
        self._after[partition] = after

    def read(self, block_ms: int) -> MergedRead:
        """The next entries, waiting for the first at most ``block_ms``."""
        watermark_ms = self._connection.now_ms() - 1
        count = self._size.entries
        reply = self._connection.call(
            "XREAD",
            "COUNT",
            count,
            "BLOCK",
            max(1, min(block_ms, MAX_BLOCK_MS)),
            "STREAMS",
            *(partition.records for partition in self._partitions),
            *(str(self._after[partition.number]) for partition in self._partitions),
        )  # fmt: skip  (as the command reads)
        by_stream = streams_of(reply)
        found: list[PlacedEntry] = []
        limit: EntryId | None = None if len(self._partitions) == 1 else EntryId(watermark_ms, 2**64 - 1)
        for partition in self._partitions:
            entries = by_stream.get(partition.records.encode(), [])
            self._size.learn(entries)
            found += [PlacedEntry(partition.number, parse_entry_id(entry.id), entry) for entry in entries]
            if len(entries) >= count:  # there may be more behind them
                last = found[-1].id
                watermark_ms = min(watermark_ms, last.ms - 1)
                if limit is not None:
                    limit = min(limit, last)
        found.sort(key=lambda placed: (placed.id, placed.partition))
        ready = found if limit is None else [placed for placed in found if placed.id <= limit]
        for placed in ready:
            self._after[placed.partition] = placed.id
        return MergedRead(ready, watermark_ms)

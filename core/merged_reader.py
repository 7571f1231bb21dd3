"""Read all partitions in one replayable order, from positions that the reader's owner keeps."""

from __future__ import annotations

import time
from collections.abc import Iterable
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
        started_s = time.monotonic()
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
        self._size.learn(_heaviest(by_stream.values()))
        found: list[PlacedEntry] = []
        limit: EntryId | None = None if len(self._partitions) == 1 else EntryId(watermark_ms, 2**64 - 1)
        for partition in self._partitions:
            entries = by_stream.get(partition.records.encode(), [])
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
        if found and not ready:
            _wait_for(found[0].id.ms - watermark_ms, started_s, block_ms)
        return MergedRead(ready, watermark_ms)


def _heaviest(streams: Iterable[list[Entry]]) -> list[Entry]:
    """The entries of the stream whose entries weigh most: one COUNT asks for as many of each stream."""
    return max(
        (entries for entries in streams if entries),
        key=lambda entries: sum(entry.size_bytes for entry in entries) / len(entries),
        default=[],
    )


def _wait_for(ahead_ms: int, started_s: float, block_ms: int) -> None:
    """Let the clock catch up with entries ahead of it, which the server hands out again at once.

    They are ahead for a millisecond as a rule; for longer after the server's clock went back.
    """
    waited_ms = (time.monotonic() - started_s) * 1000
    time.sleep(min(max(ahead_ms - waited_ms, 0.0), block_ms) / 1000)

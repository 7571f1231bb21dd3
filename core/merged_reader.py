"""Read all partitions in one replayable order, from positions that the reader's owner keeps."""

from __future__ import annotations

import time
from bisect import bisect_right
from dataclasses import dataclass

from core.connection import MAX_BLOCK_MS, Connection
from core.entry import ORIGIN, Entry, EntryId, parse_entry_id, streams_of
from core.keys import PartitionKeys
from core.read_size import ReadSize
from core.stream_waiter import StreamWaiter


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

    Where there are several partitions, or several clocks, an entry is handed out only up to the watermark: the
    servers' time taken before the read, of the clock that is furthest behind. Later entries of the other
    partitions cannot come before it. What lies beyond is held here, and its partition is read on when nothing of
    it is held any more.

    Parameters
    ----------
    clocks
        Further keys whose servers' time counts: those of what the owner compares with the entries.
    skew_ms
        How far the watermark stays behind on a cluster, where a partition may move to a server whose clock is
        behind that of the last one.
    """

    def __init__(
        self,
        connection: Connection,
        partitions: tuple[PartitionKeys, ...],
        read_bytes: int,
        clocks: tuple[str, ...] = (),
        skew_ms: int = 0,
    ) -> None:
        self._connection = connection
        self._partitions = partitions
        self._sizes = {partition.number: ReadSize(read_bytes) for partition in partitions}
        self._clocks = (*(partition.records for partition in partitions), *clocks)
        self._skew_ms = 0 if connection.one_clock else skew_ms
        self._limited = len(partitions) > 1 or not connection.one_clock
        self._waiter = StreamWaiter(connection)
        self._after = {partition.number: ORIGIN for partition in partitions}  # what was read, held ones too
        self._held: dict[int, list[PlacedEntry]] = {partition.number: [] for partition in partitions}

    def seek(self, partition: int, after: EntryId) -> None:
        """Continue behind ``after``."""
        self._after[partition] = after
        self._held[partition] = []

    def read(self, block_ms: int) -> MergedRead:
        """The next entries, waiting for the first at most ``block_ms``."""
        together = len(self._connection.groups([partition.records for partition in self._partitions])) == 1
        read = self._read(block_ms, together)
        if not together and not read.entries and not any(self._held.values()):
            after = {partition.records: str(self._after[partition.number]) for partition in self._partitions}
            self._waiter.wait(after, block_ms)
            read = self._read(block_ms, together)
        return read

    def close(self) -> None:
        """Close the sockets of this reader's own."""
        self._waiter.close()

    def _read(self, block_ms: int, together: bool) -> MergedRead:
        """The next entries; only one read of all partitions ``together`` waits for the first."""
        watermark_ms = self._connection.earliest_now_ms(self._clocks) - 1 - self._skew_ms
        started_s = time.monotonic()
        wanted = [partition for partition in self._partitions if not self._held[partition.number]]
        # one COUNT asks for as many of each stream, so the heaviest decides
        count = min((self._sizes[partition.number].entries for partition in wanted), default=0)
        by_stream = self._next_entries(wanted, count, block_ms, together)
        limit = EntryId(watermark_ms, 2**64 - 1)
        for partition in self._partitions:
            held = self._held[partition.number]
            entries = by_stream.get(partition.records.encode(), [])
            more = bool(held) or len(entries) >= count  # perhaps, behind them
            held += [PlacedEntry(partition.number, parse_entry_id(entry.id), entry) for entry in entries]
            if entries:
                self._after[partition.number] = held[-1].id
                self._sizes[partition.number].learn(entries)
            if more:
                watermark_ms = min(watermark_ms, held[-1].id.ms - 1)
                limit = min(limit, held[-1].id)
        ready: list[PlacedEntry] = []
        for number, held in self._held.items():
            split = bisect_right(held, limit, key=_id_of) if self._limited else len(held)
            ready += held[:split]
            self._held[number] = held[split:]
        ready.sort(key=lambda placed: (placed.id, placed.partition))
        ahead = [held[0].id.ms for held in self._held.values() if held]
        if ahead and not ready:
            _wait_for(min(ahead) - watermark_ms, started_s, block_ms)
        return MergedRead(ready, watermark_ms)

    def _next_entries(
        self, wanted: list[PartitionKeys], count: int, block_ms: int, together: bool
    ) -> dict[bytes, list[Entry]]:
        """Entries by stream; while some are held of other partitions, there is no wait."""
        if together and wanted:
            everything = len(wanted) == len(self._partitions)
            wait = ("BLOCK", max(1, min(block_ms, MAX_BLOCK_MS))) if everything else ()
            return streams_of(self._connection.call(*self._read_command(wanted, count, *wait)))
        found: dict[bytes, list[Entry]] = {}
        for reply in self._connection.pipeline([self._read_command([partition], count) for partition in wanted]):
            if isinstance(reply, Exception):
                raise reply
            found |= streams_of(reply)
        return found

    def _read_command(
        self, partitions: list[PartitionKeys], count: int, *wait: str | int
    ) -> tuple[str | int, ...]:
        streams = [partition.records for partition in partitions]
        positions = [str(self._after[partition.number]) for partition in partitions]
        return ("XREAD", "COUNT", count, *wait, "STREAMS", *streams, *positions)


def _id_of(placed: PlacedEntry) -> EntryId:
    return placed.id


def _wait_for(ahead_ms: int, started_s: float, block_ms: int) -> None:
    """Let the clock catch up with entries ahead of it.

    They are ahead for a millisecond as a rule; on a cluster for the skew that is allowed for, and for longer after
    the server's clock went back.
    """
    waited_ms = (time.monotonic() - started_s) * 1000
    time.sleep(min(max(ahead_ms - waited_ms, 0.0), block_ms) / 1000)

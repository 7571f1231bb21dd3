"""Read all partitions, and the labels, in one replayable order, from positions that the reader's owner keeps."""

from __future__ import annotations

import time
from bisect import bisect_right
from dataclasses import dataclass
from typing import NamedTuple

from core.connection import MAX_BLOCK_MS, Connection
from core.entry import ORIGIN, Entry, EntryId, parse_entry_id, streams_of
from core.keys import PartitionKeys
from core.read_size import ReadSize
from core.stream_waiter import StreamWaiter

#: Stands for the labels stream where a partition's number does: of equal ids its entries come after all records.
LABELS = 2**31
#: Records of one partition wait for labels that may come before them, but no longer than this: records that are
#: further ahead of the clock tell that it went back, and waiting until it is there again could take hours.
MOST_AHEAD_MS = 1_000


class PlacedEntry(NamedTuple):
    """An entry with the partition it came from, :data:`LABELS` for one of the labels stream."""

    partition: int
    id: EntryId
    entry: Entry

    @property
    def is_label(self) -> bool:
        """Whether it is of the labels stream."""
        return self.partition == LABELS


@dataclass(frozen=True)
class MergedRead:
    """Entries in merged order, and a time before which no further entry can appear."""

    entries: list[PlacedEntry]
    watermark_ms: int


class MergedReader:
    """Merges partitions, and the labels stream if it is given, by (entry id, partition).

    Where there are several streams, or several clocks, an entry is handed out only up to the watermark: the
    servers' time taken before the read, of the clock that is furthest behind. Later entries of the other streams
    cannot come before it. What lies beyond is held here, and its stream is read on when nothing of it is held
    any more. Labels alone do not hold up a single partition that is more than :data:`MOST_AHEAD_MS` ahead of its
    clock; a label of that time may then be read behind records that a later reader finds behind it. How many
    entries are asked for adapts to each stream by itself: one that is silent, or heavy, does not slow the others
    down.

    Parameters
    ----------
    clocks
        Further keys whose servers' time counts: those of what the owner compares with the entries.
    skew_ms
        How far the watermark stays behind on a cluster, where a stream may move to a server whose clock is
        behind that of the last one.
    labels
        The labels stream, to be merged too.
    """

    def __init__(
        self,
        connection: Connection,
        partitions: tuple[PartitionKeys, ...],
        read_bytes: int,
        clocks: tuple[str, ...] = (),
        skew_ms: int = 0,
        labels: str | None = None,
    ) -> None:
        self._connection = connection
        self._streams = {partition.number: partition.records for partition in partitions}
        if labels is not None:
            self._streams[LABELS] = labels
        self._sizes = {number: ReadSize(read_bytes) for number in self._streams}
        self._clocks = (*self._streams.values(), *clocks)
        self._skew_ms = 0 if connection.one_clock else skew_ms
        self._limited = len(self._streams) > 1 or not connection.one_clock
        self._alone = partitions[0].number if len(partitions) == 1 and connection.one_clock else None
        self._waiter = StreamWaiter(connection)
        self._after = dict.fromkeys(self._streams, ORIGIN)  # what was read, held ones too
        self._held: dict[int, list[PlacedEntry]] = {number: [] for number in self._streams}

    def seek(self, partition: int, after: EntryId) -> None:
        """Continue behind ``after``."""
        self._after[partition] = after
        self._held[partition] = []

    def read(self, block_ms: int) -> MergedRead:
        """The next entries, waiting for the first at most ``block_ms``."""
        read = self._read(block_ms)
        if read.entries or any(self._held.values()):
            return read
        if len(self._connection.groups(list(self._streams.values()))) == 1:
            return self._read(block_ms, wait=True)
        after = {stream: str(self._after[number]) for number, stream in self._streams.items()}
        self._waiter.wait(after, block_ms)
        return self._read(block_ms)

    def close(self) -> None:
        """Close the sockets of this reader's own."""
        self._waiter.close()

    def _read(self, block_ms: int, *, wait: bool = False) -> MergedRead:
        """The next entries; with ``wait``, where nothing is held, one read of all streams waits for the first."""
        now_ms = self._connection.earliest_now_ms(self._clocks)
        watermark_ms = now_ms - 1 - self._skew_ms
        started_s = time.monotonic()
        counts = {number: self._sizes[number].entries for number in self._streams if not self._held[number]}
        if wait:  # one COUNT asks for as many of each stream, so the heaviest decides
            counts = dict.fromkeys(counts, min(counts.values()))
        by_stream = self._first_entries(counts, block_ms) if wait else self._next_entries(counts)
        limit = EntryId(watermark_ms, 2**64 - 1)
        for number, stream in self._streams.items():
            held = self._held[number]
            entries = by_stream.get(stream.encode(), [])
            more = bool(held) or len(entries) >= counts[number]  # perhaps, behind them
            held += [PlacedEntry(number, parse_entry_id(entry.id), entry) for entry in entries]
            if entries:
                self._after[number] = held[-1].id
                self._sizes[number].learn(entries)
            if more:
                watermark_ms = min(watermark_ms, held[-1].id.ms - 1)
                limit = min(limit, held[-1].id)
        ready: list[PlacedEntry] = []
        for number, held in self._held.items():
            split = bisect_right(held, limit, key=_id_of) if self._limited else len(held)
            if number == self._alone and held[split:] and held[split].id.ms > now_ms + MOST_AHEAD_MS:
                split = len(held)
            ready += held[:split]
            self._held[number] = held[split:]
        ready.sort(key=lambda placed: (placed.id, placed.partition))
        ahead = [held[0].id.ms for held in self._held.values() if held]
        if ahead and not ready:
            _wait_for(min(ahead) - watermark_ms, started_s, block_ms)
        return MergedRead(ready, watermark_ms)

    def _next_entries(self, counts: dict[int, int]) -> dict[bytes, list[Entry]]:
        """Entries by stream, at most so many of each, without waiting."""
        found: dict[bytes, list[Entry]] = {}
        for reply in self._connection.pipeline([self._read_command({n: count}) for n, count in counts.items()]):
            if isinstance(reply, Exception):
                raise reply
            found |= streams_of(reply)
        return found

    def _first_entries(self, counts: dict[int, int], block_ms: int) -> dict[bytes, list[Entry]]:
        """Entries by stream, waiting until there is one."""
        wait = ("BLOCK", max(1, min(block_ms, MAX_BLOCK_MS)))
        return streams_of(self._connection.call(*self._read_command(counts, *wait)))

    def _read_command(self, counts: dict[int, int], *wait: str | int) -> tuple[str | int, ...]:
        streams = [self._streams[number] for number in counts]
        positions = [str(self._after[number]) for number in counts]
        return ("XREAD", "COUNT", next(iter(counts.values())), *wait, "STREAMS", *streams, *positions)


def _id_of(placed: PlacedEntry) -> EntryId:
    return placed.id


def _wait_for(ahead_ms: int, started_s: float, block_ms: int) -> None:
    """Let the clock catch up with entries ahead of it.

    They are ahead for a millisecond as a rule; on a cluster for the skew that is allowed for, and for longer after
    the server's clock went back.
    """
    waited_ms = (time.monotonic() - started_s) * 1000
    time.sleep(min(max(ahead_ms - waited_ms, 0.0), block_ms) / 1000)

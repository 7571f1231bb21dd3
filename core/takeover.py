"""Take over what dead consumers left pending, and find again what is pending for oneself; without locks.

The idle time guards: whoever works on an entry for longer than it refreshes that time.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from core.connection import MAX_BLOCK_MS, Connection
from core.entry import Entry, entries_of
from core.read_size import ReadSize
from core.scripts.leave_group import remove_dead_consumers

#: Entries looked at in one takeover.
TAKEOVER_ENTRIES = 100
#: A consumer that holds nothing and was silent for this many takeover times is removed.
DEAD_AFTER_TAKEOVERS = 2


@dataclass(frozen=True)
class GroupBatch:
    """Entries of one stream that are pending for this consumer until they are committed."""

    stream: str
    entries: list[Entry]
    deliveries: dict[bytes, int]  #: delivery count of entries that were taken over; others have 1
    poison: bool = False  #: the one entry took a worker down each time it was processed alone
    most_bytes: int | None = None  #: no entry is larger than this, where it is known


class Takeover:
    """What one consumer of one group does about entries that are pending for too long."""

    def __init__(
        self,
        connection: Connection,
        streams: tuple[str, ...],
        group: str,
        consumer: str,
        *,
        takeover_idle_ms: int,
        read_bytes: int,
        poison_deliveries: int,
        poison_lone_deaths: int,
    ) -> None:
        self._connection = connection
        self._streams = streams
        self._group = group
        self._consumer = consumer
        self._takeover_idle_ms = takeover_idle_ms
        self.size = ReadSize(read_bytes)
        self._poison_deliveries = poison_deliveries
        self._poison_after = poison_deliveries + poison_lone_deaths
        self._next_look_s = 0.0
        self.taken_over_entries = 0

    def next_batch(self) -> GroupBatch | None:
        """Claim what has been pending for too long; looks again at once while there was something."""
        now_s = time.monotonic()
        if now_s < self._next_look_s:
            return None
        for stream in self._streams:
            batch = self._claim(stream)
            if batch is not None:
                self.taken_over_entries += len(batch.entries)
                return batch
        for stream in self._streams:
            idle_ms = DEAD_AFTER_TAKEOVERS * self._takeover_idle_ms
            remove_dead_consumers(self._connection, stream, self._group, max(idle_ms, 2 * MAX_BLOCK_MS))
        self._next_look_s = now_s + self._takeover_idle_ms / 4000
        return None

    def own_batch(self, stream: str, after: bytes) -> tuple[GroupBatch, bytes]:
        """Entries behind ``after`` that are pending for this consumer, as after a lost reply, and the last's id.

        Their delivery counts stay, and their idle time begins anew. Those that were delivered so often that they
        are processed alone are left to the takeover. The id is empty where there are none.
        """
        call = self._connection.call
        most = min(self.size.entries, TAKEOVER_ENTRIES)
        pending = call("XPENDING", stream, self._group, b"(" + after, "+", most, self._consumer)
        if not pending:
            return GroupBatch(stream, [], {}), b""
        counts = {item[0]: int(item[3]) for item in pending if int(item[3]) < self._poison_deliveries}
        found: dict[bytes, Entry] = {}
        for count in set(counts.values()):
            # claimed from oneself: reading them as history would count as a delivery
            ids = [entry_id for entry_id, deliveries in counts.items() if deliveries == count]
            claim = (stream, self._group, self._consumer, 0, *ids, "RETRYCOUNT", count)
            found |= {entry.id: entry for entry in entries_of(call("XCLAIM", *claim))}
        entries = [found[entry_id] for entry_id in counts if entry_id in found]
        self.size.learn(entries)
        return GroupBatch(stream, entries, {entry.id: counts[entry.id] for entry in entries}), pending[-1][0]

    def _claim(self, stream: str) -> GroupBatch | None:
        pending = self._connection.call(
            "XPENDING", stream, self._group, "IDLE", self._takeover_idle_ms, "-", "+", TAKEOVER_ENTRIES
        )
        if not pending:
            return None
        counts = {item[0]: int(item[3]) for item in pending}
        suspects = [entry_id for entry_id, count in counts.items() if count >= self._poison_deliveries]
        innocents = [entry_id for entry_id in counts if entry_id not in set(suspects)]
        wanted = innocents[: self.size.entries] or suspects[:1]
        claimed = entries_of(
            self._connection.call("XCLAIM", stream, self._group, self._consumer, self._takeover_idle_ms, *wanted)
        )
        if not claimed:
            return None  # another worker was faster, or they were trimmed
        self.size.learn(claimed)
        poison = not innocents and counts[claimed[0].id] >= self._poison_after
        return GroupBatch(stream, claimed, {entry.id: counts[entry.id] + 1 for entry in claimed}, poison)

"""The streams that a producer writes: one lane a partition, one for labels, and which record takes which."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from core.errors import BacklogFull
from producer.batcher import Batcher, PackedEntry
from producer.delivery import Delivery


@dataclass(frozen=True, eq=False)
class Lane:
    """One stream: rows that gather, and entries that are delivered in order."""

    batcher: Batcher
    delivery: Delivery

    def seal(self) -> bool:
        """Turn what gathered into entries to deliver; whether there was any."""
        sealed = self.batcher.seal()
        for entry in sealed:
            self.add(entry)
        return bool(sealed)

    def add(self, entry: PackedEntry) -> None:
        """Queue an entry behind those that are sealed."""
        self.delivery.add(entry.fields, entry.records)

    @property
    def unsent(self) -> int:
        """Records that the server has not acknowledged."""
        return self.batcher.rows + self.delivery.unsent_records


class Lanes:
    """All lanes of one producer; not thread-safe, its owner locks."""

    def __init__(self, partitions: list[Lane], labels: Lane, linger_s: float) -> None:
        self.partitions = partitions
        self.labels = labels
        self._linger_s = linger_s
        self._turn = 0

    def __iter__(self) -> Iterator[Lane]:
        """Records before labels, so that a label finds its record."""
        yield from self.partitions
        yield self.labels

    def of(self, record_id: bytes | None) -> Lane:
        """The partition that an id hashes to; without an id, the one whose turn it is."""
        return self.partitions[self._turn if record_id is None else self._hash(record_id)]

    def seal(self, lane: Lane) -> None:
        """Close a lane's batch and pass the turn on."""
        if lane.seal() and lane is self.partitions[self._turn]:
            self._pass_turn()

    def shares(self, count: int, ids: Sequence[bytes] | None, batch_rows: int) -> Iterator[tuple[Lane, list[int]]]:
        """Which of ``count`` rows go where, in batches: by the hash of the id, else batches in turn."""
        if ids is None:
            for start in range(0, count, batch_rows):
                lane = self.partitions[self._turn]
                self._pass_turn()
                yield lane, list(range(start, min(count, start + batch_rows)))
            return
        of_partition: dict[int, list[int]] = {}
        for row, record_id in enumerate(ids):
            of_partition.setdefault(self._hash(record_id), []).append(row)
        for partition, rows in of_partition.items():
            for start in range(0, len(rows), batch_rows):
                yield self.partitions[partition], rows[start : start + batch_rows]

    def due_s(self) -> float | None:
        """When something is to be published (monotonic clock), None where nothing waits.

        What was refused is due at once.
        """
        if any(lane.delivery.unsent_records for lane in self):
            return 0.0
        first_rows = [lane.batcher.first_row_s for lane in self if lane.batcher.rows]
        return min(first_rows) + self._linger_s if first_rows else None

    def deliver(self, deadline_s: float | None = None) -> bool:
        """Publish all that is sealed; a lane that is full does not hold back the others.

        False where an interrupt or the deadline left something. Raises as :meth:`Delivery.deliver` does.
        """
        if not self._deliver_once():
            for lane in self:
                lane.delivery.deliver(deadline_s)
        return not any(lane.delivery.unsent_records for lane in self)

    def _deliver_once(self) -> bool:
        """Try each lane without waiting; whether all of it went."""
        full: BacklogFull | None = None
        now_s = time.monotonic()
        for lane in self:
            try:
                lane.delivery.deliver(deadline_s=now_s)
            except BacklogFull as error:
                full = full or error
        if full is not None:
            raise full
        return not any(lane.delivery.unsent_records for lane in self)

    def publish_due(self) -> bool:
        """Publish what has lingered, without waiting for room; whether all of it went."""
        now_s = time.monotonic()
        for lane in self:
            if lane.batcher.rows and lane.batcher.first_row_s + self._linger_s <= now_s:
                self.seal(lane)
        return self._deliver_once()

    def _hash(self, record_id: bytes) -> int:
        return zlib.crc32(record_id) % len(self.partitions)

    def _pass_turn(self) -> None:
        self._turn = (self._turn + 1) % len(self.partitions)

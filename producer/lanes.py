"""The streams that a producer writes: one lane a partition, one for labels, and which record takes which."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from core.connection import RedisError
from core.errors import ServerUnavailable, StreamgaugeError
from producer.batcher import Batcher
from producer.delivery import Delivery
from producer.durability import Durability, require_durability
from producer.packed import PackedEntry, pack

#: How long after the last send the answers to what was sent ahead are collected, unless a send does it before.
COLLECT_S = 0.05

Rows = slice | np.ndarray[tuple[int], np.dtype[np.intp]]


@dataclass(frozen=True, eq=False)
class Lane:
    """One stream: rows that gather, and entries that are delivered in order."""

    batcher: Batcher
    delivery: Delivery

    def seal(self) -> bool:
        """Turn what gathered into entries to deliver; whether there was any."""
        if not self.batcher.rows:
            return False
        for packed in self.batcher.seal():
            self.delivery.add(packed)
        return True

    def add(self, entries: Iterable[PackedEntry]) -> None:
        """Queue entries behind those that gathered."""
        self.seal()
        for packed in pack(entries):
            self.delivery.add(packed)

    @property
    def lingers(self) -> bool:
        """Whether rows wait for company alone. Behind what cannot go out they gather, until a full batch waits."""
        return bool(self.batcher.rows) and self.delivery.has_room

    @property
    def unsent(self) -> int:
        """Records that are gathered, or not known to be written as durably as asked."""
        return self.batcher.rows + self.delivery.unsent_records


class Lanes:
    """All lanes of one producer; not thread-safe, its owner locks."""

    def __init__(self, partitions: list[Lane], labels: Lane, linger_s: float) -> None:
        self.partitions = partitions
        self.labels = labels
        self._linger_s = linger_s
        self._turn = 0
        self._ahead_s = 0.0

    def __iter__(self) -> Iterator[Lane]:
        """Records before labels, so that a label finds its record."""
        yield from self.partitions
        yield self.labels

    def of(self, key: bytes | None) -> Lane:
        """The partition that a key hashes to; without a key, the one whose turn it is."""
        return self.partitions[self._turn if key is None else zlib.crc32(key) % len(self.partitions)]

    def seal(self, lane: Lane) -> None:
        """Close a lane's batch and pass the turn on."""
        if lane.seal() and lane is self.partitions[self._turn]:
            self._pass_turn()

    def shares(self, count: int, keys: Sequence[bytes] | None, batch_rows: int) -> Iterator[tuple[Lane, Rows]]:
        """Which of ``count`` rows go where, in batches: by the hash of their keys, else batches in turn."""
        if keys is None or len(self.partitions) == 1:
            for start in range(0, count, batch_rows):
                lane = self.partitions[self._turn]
                self._pass_turn()
                yield lane, slice(start, min(count, start + batch_rows))
            return
        hashes = np.fromiter(map(zlib.crc32, keys), dtype=np.int64, count=count) % len(self.partitions)
        for number, lane in enumerate(self.partitions):
            rows = np.flatnonzero(hashes == number)
            for start in range(0, len(rows), batch_rows):
                yield lane, rows[start : start + batch_rows]

    def due_s(self) -> float | None:
        """When something is to be done (monotonic clock), None where nothing waits."""
        due_s = [lane.batcher.first_row_s + self._linger_s for lane in self if lane.lingers]
        due_s += [
            max(self._ahead_s + COLLECT_S, lane.delivery.rests_until_s)
            for lane in self
            if lane.delivery.unsent_records
        ]
        return min(due_s, default=None)

    def send_ahead(self, lane: Lane) -> None:
        """Publish what a lane has sealed and leave some of it on its way. Raises as :meth:`Delivery.deliver`."""
        self._ahead_s = time.monotonic()
        lane.delivery.deliver(ahead=True)

    def deliver(self, deadline_s: float | None = None) -> bool:
        """Publish all that is sealed; a lane that is full or whose server is away does not hold back the others.

        False where an interrupt or the deadline left something. Raises as :meth:`Delivery.deliver` does.
        """
        self._try(self, ahead=True)
        error = self._try(self, deadline_s=time.monotonic())
        if error is not None:
            raise error
        for lane in self:
            if deadline_s is not None and time.monotonic() >= deadline_s:
                break
            if lane.delivery.unsent_records and not lane.delivery.deliver(deadline_s):
                break
        return not any(lane.delivery.unsent_records for lane in self)

    def publish_due(self) -> None:
        """Publish what has lingered and collect the answers that are there, but where something was just refused.

        What goes wrong is met again by the next send or flush.
        """
        self._ahead_s = now_s = time.monotonic()
        for lane in self:
            if lane.lingers and lane.batcher.first_row_s + self._linger_s <= now_s:
                self.seal(lane)
        self._try((lane for lane in self if lane.delivery.rests_until_s <= now_s), ahead=True)

    def require_durability(self, durability: Durability) -> None:
        """Check every server that is written to, so that no record is taken that cannot be kept as asked.

        Raises
        ------
        SettingsError, ServerUnavailable
            One cannot promise it, or is lost.
        """
        if durability == "server":
            return
        try:
            for lane in self:
                require_durability(lane.delivery.open_channel(), durability, lane.delivery.sequence_key)
        except RedisError as error:
            raise ServerUnavailable(
                f"a server was lost while its durability was checked ({error}); start it, then the producer again"
            ) from error

    def close(self) -> None:
        """Let go of the sockets."""
        for lane in self:
            lane.delivery.close()

    @staticmethod
    def _try(
        lanes: Iterable[Lane], *, ahead: bool = False, deadline_s: float | None = None
    ) -> StreamgaugeError | None:
        """Deliver on each of some lanes without waiting for room or for a lost server; returns the first error."""
        first: StreamgaugeError | None = None
        for lane in lanes:
            if lane.delivery.unsent_records:
                try:
                    lane.delivery.deliver(deadline_s, ahead=ahead, patient=False)
                except StreamgaugeError as error:
                    lane.delivery.rest()
                    first = first or error
        return first

    def _pass_turn(self) -> None:
        self._turn = (self._turn + 1) % len(self.partitions)

"""What one producer has for one stream, in order: waiting, under way, answered, and kept in case it is lost.

A call of the publish script carries a sequence number and is frozen when it gets it: a retry sends the same
entries under the same number, so the server writes them once.
"""

from __future__ import annotations

import secrets
from collections import deque

from producer.packed import Packed

#: Acknowledged calls kept, for a server that lost the newest writes in a failover.
HISTORY_CALLS = 64
HISTORY_BYTES = 8 * 1024 * 1024


class Call:
    """Entries under one sequence number."""

    __slots__ = ("last_id", "packed", "sequence")

    def __init__(self, packed: Packed, sequence: int) -> None:
        self.packed = packed
        self.sequence = sequence
        self.last_id: bytes | None = None  #: id of the last entry, once the server has told it


class CallQueue:
    """The calls of one producer to one stream; counts and order, no connection.

    Parameters
    ----------
    durable
        Whether an answered call must still be settled, that is known to be on disk, before it counts as sent.
    """

    def __init__(self, *, durable: bool) -> None:
        self._durable = durable
        self._waiting: deque[Packed] = deque()
        self._next_sequence = 1
        self._history: deque[Call] = deque()
        self._history_bytes = 0
        self.calls: deque[Call] = deque()  #: frozen, without an answer, in order
        self.answered: deque[Call] = deque()  #: written, and not yet known to be durable
        self.producer_id = secrets.token_hex(8)
        self.unsent_bytes = 0
        self.unsent_records = 0
        self.sent_records = 0
        self.sent_entries = 0

    @property
    def answered_bytes(self) -> int:
        """Bytes that were written and are not yet known to be durable."""
        return sum(call.packed.size_bytes for call in self.answered)

    @property
    def last_answered(self) -> int:
        """Sequence of the newest call that was answered."""
        return next((call.sequence for call in self.calls if call.sequence), self._next_sequence) - 1

    def add(self, packed: Packed) -> None:
        """Queue entries behind those that are there."""
        self._waiting.append(packed)
        self.unsent_records += packed.records
        self.unsent_bytes += packed.size_bytes

    def more_than(self, calls: int) -> bool:
        """Whether there is anything beyond the first ``calls`` calls without an answer."""
        return bool(self._waiting) or len(self.calls) > calls

    def call(self, number: int) -> Call | None:
        """The call behind ``number`` others without an answer; None where there is no more."""
        if number < len(self.calls):
            return self.calls[number]
        if not self._waiting:
            return None
        packed = self._waiting.popleft()
        while self._waiting and packed.has_room_for(self._waiting[0].entries, self._waiting[0].size_bytes):
            packed.take(self._waiting.popleft())
        self._next_sequence += 1  # first: a number may be left out by an interrupt, but never be used twice
        self.calls.append(Call(packed, self._next_sequence - 1))
        return self.calls[-1]

    def acknowledge(self, last_id: bytes | None) -> None:
        """The first call was written, now or (then without an id) by an earlier attempt whose answer was lost."""
        call = self.calls.popleft()
        call.last_id = last_id or call.last_id
        self.answered.append(call)
        if not self._durable:
            self.settle()

    def settle(self) -> None:
        """Everything answered is as durable as it was asked to be."""
        while self.answered:
            call = self.answered.popleft()
            self._count_sent(call.packed, 1)
            self._history.append(call)
            self._history_bytes += call.packed.size_bytes
        while len(self._history) > HISTORY_CALLS or (
            len(self._history) > 1 and self._history_bytes > HISTORY_BYTES
        ):
            self._history_bytes -= self._history.popleft().packed.size_bytes

    def send_answered_again(self) -> None:
        """What was answered and not settled goes out again: only the connection that wrote can ask for a disk."""
        self.calls.extendleft(reversed(self.answered))
        self.answered.clear()

    def acknowledged_ids(self) -> list[tuple[int, bytes]]:
        """Sequence and last entry id of the calls that are held here and were answered, oldest first."""
        return [
            (call.sequence, call.last_id) for call in (*self._history, *self.answered) if call.last_id is not None
        ]

    def rewind(self, last: int, *, forgotten: bool) -> tuple[int, int] | None:
        """The server has nothing above sequence ``last``: send again, in order, what it lost and is held here.

        Where the server has ``forgotten`` this producer, or more is lost than is held here, the numbers start
        again under a new producer id. Returns the first and last sequence that are lost for good, if any.
        """
        newest = self.last_answered
        lost = [call for call in self._history if call.sequence > last]
        for call in lost:
            self._history_bytes -= call.packed.size_bytes
            self._count_sent(call.packed, -1)
        self._history = deque(call for call in self._history if call.sequence <= last)
        lost += [call for call in self.answered if call.sequence > last]
        self.answered = deque(call for call in self.answered if call.sequence <= last)
        oldest = lost[0].sequence if lost else newest + 1
        self.calls.extendleft(reversed(lost))
        if not forgotten and oldest == last + 1:
            return None
        self.producer_id = secrets.token_hex(8)
        self._history.clear()
        self._history_bytes = 0
        for call in self.answered:
            call.sequence = 0  # of the old numbers and known to be there: sent again it is a duplicate
        self._next_sequence = 1
        for call in self.calls:
            if call.sequence:
                call.sequence = self._next_sequence
                self._next_sequence += 1
        return (last + 1, oldest - 1) if oldest > last + 1 else None

    def _count_sent(self, packed: Packed, sign: int) -> None:
        """Move entries from unsent to sent, or with -1 back."""
        self.unsent_bytes -= sign * packed.size_bytes
        self.unsent_records -= sign * packed.records
        self.sent_records += sign * packed.records
        self.sent_entries += sign * packed.entries

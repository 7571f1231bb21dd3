"""Delivery to one stream: in order, each entry exactly once, whatever happens to the connection.

One call of the publish script carries a sequence number and is frozen when it is first tried: a retry sends the
same entries under the same number, so the server writes them once.
"""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from redis.exceptions import MasterDownError, OutOfMemoryError, ReadOnlyError

from core.connection import CONNECTION_ERRORS, Connection, ServerError, without_password
from core.errors import BacklogFull, ServerUnavailable, StreamError
from core.scripts.publish import MAX_CALL_ENTRIES, SequenceGap, publish
from producer.waiting import Waiter

#: Bytes a call may carry beyond its first entry: the server works on nothing else meanwhile.
MAX_CALL_BYTES = 4 * 1024 * 1024
#: Acknowledged calls kept, for a server that lost the newest writes in a failover.
HISTORY_CALLS = 64
HISTORY_BYTES = 8 * 1024 * 1024

#: A lost server, or one that is about to be replaced by another.
_AWAY: tuple[type[Exception], ...] = (*CONNECTION_ERRORS, ReadOnlyError, MasterDownError)


class ServerFull(BacklogFull):
    """The server is at ``maxmemory`` and refuses writes; nothing was written, and no one group is the cause."""

    def __init__(self) -> None:
        StreamError.__init__(
            self,
            "the server is at its maxmemory; raise it, or let the readers catch up so that records are trimmed",
        )
        self.group = ""


@dataclass(frozen=True)
class DeliveryLimits:
    """What a producer does when the server is full or away."""

    max_backlog_entries: int
    max_backlog_bytes: int
    on_full: Literal["wait", "raise"] = "wait"
    give_up_s: float = 120.0  #: a server that is away for longer than this is an error; what is unsent stays


class _Call:
    """Entries under one sequence number."""

    __slots__ = ("counted", "entries", "records", "sequence", "size_bytes")

    def __init__(self) -> None:
        self.entries: list[list[bytes]] = []
        self.records = 0
        self.size_bytes = 0
        self.sequence = 0
        self.counted = False


class Delivery:
    """One stream as one producer writes it; not thread-safe, its owner locks.

    Parameters
    ----------
    stream
        The stream's name.
    sequence_key
        Key of the last sequence of a producer id, on the stream's slot.
    groups
        Groups whose backlog holds the producer back; none for a stream without a cap.
    """

    def __init__(
        self,
        connection: Connection,
        stream: str,
        sequence_key: Callable[[str], str],
        groups: tuple[str, ...],
        limits: DeliveryLimits,
        waiter: Waiter,
    ) -> None:
        self._connection = connection
        self._stream = stream
        self._sequence_key = sequence_key
        self._groups = groups
        self._limits = limits
        self._waiter = waiter
        self._producer_id = secrets.token_hex(8)
        self._last_sequence = 0
        self._waiting: deque[tuple[list[bytes], int, int]] = deque()  # entry, records, bytes
        self._calls: deque[_Call] = deque()  # frozen; the first one is under way
        self._history: deque[_Call] = deque()
        self._history_bytes = 0
        self.unsent_records = 0
        self.sent_records = 0
        self.sent_entries = 0

    def add(self, entry: list[bytes], records: int) -> None:
        """Queue an entry that holds ``records`` records."""
        self._waiting.append((entry, records, sum(map(len, entry))))
        self.unsent_records += records

    def deliver(self, deadline_s: float | None = None) -> bool:
        """Publish all that is queued; False where an interrupt or the deadline left something in the queue.

        Raises
        ------
        BacklogFull
            The readers are behind or the server is full, and ``on_full`` is "raise".
        ServerUnavailable
            No server answered for ``give_up_s``.
        StreamError
            The server refuses the stream for another reason.
        """
        while self._calls or self._waiting:
            if not self._calls:
                self._calls.append(self._next_call())
            if not self._publish_first(deadline_s):
                return False
        return True

    def _next_call(self) -> _Call:
        call = _Call()
        while self._waiting and len(call.entries) < MAX_CALL_ENTRIES:
            entry, records, size_bytes = self._waiting[0]
            if call.entries and call.size_bytes + size_bytes > MAX_CALL_BYTES:
                break
            self._waiting.popleft()
            call.entries.append(entry)
            call.records += records
            call.size_bytes += size_bytes
        return call

    def _publish_first(self, deadline_s: float | None) -> bool:
        call = self._calls[0]
        away_since_s: float | None = None
        attempt = 0
        while True:
            try:
                self._publish(call)
            except SequenceGap as gap:
                self._rewind(gap.last)
                call = self._calls[0]
                continue
            except BacklogFull as full:
                reason = self._refused(full)
            except OutOfMemoryError:
                reason = self._refused(ServerFull())
            except _AWAY as error:
                now_s = time.monotonic()
                away_since_s = now_s if away_since_s is None else away_since_s
                where = without_password(self._connection.url)
                if now_s - away_since_s >= self._limits.give_up_s:
                    raise ServerUnavailable(
                        f"no Redis took records at {where} for {self._limits.give_up_s:g} s ({error}); start it, "
                        "then flush again: nothing that was not sent is lost"
                    ) from error
                reason = f"the connection to {where} is lost; trying again until it is back"
            except ServerError as error:
                raise StreamError(
                    f"{self._stream} cannot be written ({error}); mend it and flush again"
                ) from error
            else:
                self._acknowledged(call)
                return True
            self._waiter.say(reason)
            if not self._waiter.pause(attempt, deadline_s):
                return False
            attempt += 1

    def _publish(self, call: _Call) -> None:
        publish(
            self._connection,
            self._stream,
            self._sequence_key(self._producer_id),
            self._last_sequence + 1,
            call.entries,
            self._limits.max_backlog_entries,
            self._limits.max_backlog_bytes,
            self._groups,
        )

    def _refused(self, full: BacklogFull) -> str:
        if self._limits.on_full == "raise":
            raise full
        return f"{full}; waiting until there is room"

    def _acknowledged(self, call: _Call) -> None:
        """Written, now or by an earlier attempt whose answer was lost."""
        self._calls.popleft()
        self._last_sequence += 1
        call.sequence = self._last_sequence
        if not call.counted:
            call.counted = True
            self.unsent_records -= call.records
            self.sent_records += call.records
            self.sent_entries += len(call.entries)
        self._history.append(call)
        self._history_bytes += call.size_bytes
        while len(self._history) > HISTORY_CALLS or (
            len(self._history) > 1 and self._history_bytes > HISTORY_BYTES
        ):
            self._history_bytes -= self._history.popleft().size_bytes
        self._waiter.relieved()

    def _rewind(self, last: int) -> None:
        """The server knows less than was acknowledged: send again what it lost, in order.

        With no sequence at all it forgot this producer (the key expired, or the server was flushed); what it wrote
        then is not sent again, as it may well be there. So the numbers start again under a new producer id.
        """
        lost = [call for call in self._history if call.sequence > last]
        self._history.clear()
        self._history_bytes = 0
        if last and lost and lost[0].sequence == last + 1:
            self._last_sequence = last
            self._calls.extendleft(reversed(lost))
            return
        if last:
            self._waiter.say(
                f"the server lost calls {last + 1} to {self._last_sequence} to {self._stream}, which are not "
                "held here any more; push their records again"
            )
        self._producer_id = secrets.token_hex(8)
        self._last_sequence = 0

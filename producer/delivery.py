"""Delivery to one stream: in order, each entry exactly once, whatever happens to the connection.

Calls of the publish script are sent ahead on one socket. Where one is refused or lost, those behind it are
answered with a gap and nothing is written out of order; they are sent again from the first without an answer.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from redis.exceptions import NoScriptError, OutOfMemoryError
from redis.exceptions import TimeoutError as ServerSilent

from core.channel import Channel
from core.connection import (
    CONNECTION_ERRORS,
    SOCKET_TIMEOUT_S,
    Connection,
    RedisError,
    ServerError,
    without_password,
)
from core.entry import parse_entry_id
from core.errors import BacklogFull, ServerUnavailable, StreamError
from core.scripts.publish import SequenceGap, read_answer, submit_publish
from core.server_errors import as_raised
from producer.backlog import BacklogGroups, DeliveryLimits, ServerFull
from producer.call_queue import Call, CallQueue
from producer.durability import ask, is_durable, refusal
from producer.packed import Packed
from producer.waiting import Waiter

#: Calls on their way at once: the server works on one while the next is made.
CALLS_AHEAD = 3
#: Unsent bytes of one stream while the server writes what it has to disk; then a send waits for it.
MAX_UNSETTLED_BYTES = 16 * 1024 * 1024
#: A time limit is stretched by this much for a reply that is on its way: the next attempt would only ask again.
REPLY_GRACE_S = 1.0
#: How long a stream that refused something is left alone by those who do not wait for it.
RETRY_S = 0.5
#: How soon a wait for a reply notices an interrupt.
_SLICE_S = 0.05

#: Error replies that pass by themselves, or when the server is mended: a long script, a disk that is full.
_PASSING = ("BUSY ", "MISCONF ")


class _Away(Exception):
    """No server takes writes now; it is waited out."""


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
    meanwhile
        Called before each pause, so that the other streams of the producer do not wait for this one.
    """

    def __init__(
        self,
        connection: Connection,
        stream: str,
        sequence_key: Callable[[str], str],
        groups: BacklogGroups,
        limits: DeliveryLimits,
        waiter: Waiter,
        meanwhile: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._stream = stream
        self._key_of = sequence_key
        self._groups = groups
        self._limits = limits
        self._waiter = waiter
        self._meanwhile = meanwhile
        self._queue = CallQueue(durable=limits.durability != "server")
        self._channel: Channel | None = None
        self._under_way: deque[Call | None] = deque()  # None: a question to the disk
        self._window = CALLS_AHEAD
        self._with_text = False
        self._process = os.getpid()
        self._answers = 0
        self._patient = True
        self._heard_s = 0.0
        self._away_since_s: float | None = None
        self.rests_until_s = 0.0  #: whoever does not wait for this stream leaves it alone until then

    @property
    def unsent_records(self) -> int:
        """Records whose writing, as durable as asked, is not known."""
        return self._queue.unsent_records

    @property
    def sent_records(self) -> int:
        """Records whose writing is known."""
        return self._queue.sent_records

    @property
    def sent_entries(self) -> int:
        """Entries that they were packed into."""
        return self._queue.sent_entries

    @property
    def has_room(self) -> bool:
        """Whether more would go out now, rather than wait behind what was refused or has no answer."""
        return not self._queue.more_than(len(self._under_way))

    @property
    def sequence_key(self) -> str:
        """Key of this producer's sequence on this stream."""
        return self._key_of(self._queue.producer_id)

    def add(self, packed: Packed) -> None:
        """Queue entries behind those that are there."""
        self._queue.add(packed)

    def open_channel(self) -> Channel:
        """The socket to the server that holds the stream now. Raises what redis-py raises where none answers."""
        if self._channel is None or self._channel.closed:
            self._channel = self._connection.channel(self._stream)
        return self._channel

    def rest(self) -> None:
        """Something was refused just now: whoever does not wait for it tries other streams first."""
        self.rests_until_s = time.monotonic() + RETRY_S

    def close(self) -> None:
        """Let go of the socket."""
        if self._channel is not None:
            self._channel.close()

    def deliver(self, deadline_s: float | None = None, *, ahead: bool = False, patient: bool = True) -> bool:
        """Publish what is queued; False where an interrupt, the deadline or impatience left something.

        Parameters
        ----------
        ahead
            Leave as many calls on their way as may be, without an answer.
        patient
            Wait for room and for a lost server; with ``ahead`` and without patience, wait for nothing at all.

        Raises
        ------
        BacklogFull
            The readers are behind or the server is full, and ``on_full`` is "raise".
        ServerUnavailable
            No server answered, or none wrote to its disk, for ``give_up_s``.
        StreamError
            The server refuses the stream for another reason, or this process only inherited the producer.
        """
        if os.getpid() != self._process:  # both would use the same numbers, and the later records would be lost
            raise StreamError("the producer was made by another process, before a fork; make a new one here")
        attempt, answers = -1, self._answers
        while True:
            self._patient = patient  # another thread may have been here during the pause
            try:
                return self._exchange(deadline_s, ahead=ahead)
            except (BacklogFull, OutOfMemoryError) as refused:
                full = refused if isinstance(refused, BacklogFull) else ServerFull()
                if self._heard_of_other_groups(full):
                    continue
                if self._limits.on_full == "raise":
                    raise full from None
                reason = f"{full}; waiting until there is room"
            except _Away as away:
                reason = str(away)
            if not patient:
                self.rest()
                return False
            attempt, answers = (attempt + 1, answers) if answers == self._answers else (0, self._answers)
            self._waiter.say(reason, self._stream)
            self.rest()
            self._meanwhile()
            if not self._waiter.pause(attempt, deadline_s):
                return False

    def _exchange(self, deadline_s: float | None, *, ahead: bool) -> bool:
        """Send and collect until nothing is left, or only what may stay on its way, or the deadline passed.

        Raises BacklogFull and OutOfMemoryError for a refused call, _Away for a lost server.
        """
        grace_s = None if deadline_s is None else max(deadline_s, time.monotonic() + REPLY_GRACE_S)
        try:
            while True:
                self._send()
                if not self._under_way:
                    return True
                if ahead and not (self._patient and self._crowded()) and not self._has_reply(0.0):
                    return True
                if grace_s is not None and time.monotonic() >= grace_s:
                    return False
                if self._has_reply(_SLICE_S):
                    self._collect()
                    continue
                end_s = grace_s if self._under_way[0] is not None else deadline_s
                if self._waiter.interrupted or (end_s is not None and time.monotonic() >= end_s):
                    return False
                if self._patient and not self._let_others():
                    return False
        except CONNECTION_ERRORS as error:
            raise self._lost(error) from error
        except ServerError as error:
            if isinstance(error, OutOfMemoryError):
                raise
            raised = as_raised(error)
            if raised is not error or str(error).startswith(_PASSING):
                raise self._lost(raised) from error
            raise StreamError(f"{self._stream} cannot be written ({error}); mend it and flush again") from error

    def _send(self) -> None:
        """Send calls as far as the window allows, then ask about the disk; it answers nothing else meanwhile."""
        channel = self._channel
        if channel is not None and (channel.closed or channel.outstanding != len(self._under_way)):
            self._drop_channel()  # an exception, as of Ctrl-C, came between a command and our note of it
        if self._under_way and self._under_way[-1] is None:
            return
        limits, queue = self._limits, self._queue
        while len(self._under_way) < self._window and (call := queue.call(len(self._under_way))) is not None:
            submit_publish(
                self.open_channel(),
                self._stream,
                self.sequence_key,
                call.sequence,
                call.packed.arguments,
                limits.max_backlog_entries,
                limits.max_backlog_bytes,
                self._groups.names,
                with_text=self._with_text,
            )
            self._with_text = False
            self._note(call)
        if limits.durability != "server" and (queue.answered or self._under_way):
            if queue.more_than(len(self._under_way)) and queue.answered_bytes < MAX_UNSETTLED_BYTES:
                return
            ask(self.open_channel(), limits.durability)
            self._note(None)

    def _note(self, sent: Call | None) -> None:
        if not self._under_way:
            self._heard_s = time.monotonic()  # the server had nothing to say before
        self._under_way.append(sent)

    def _crowded(self) -> bool:
        """Whether more is queued than may wait behind what is on its way."""
        if self._under_way[-1] is None:
            return self._queue.unsent_bytes > MAX_UNSETTLED_BYTES
        return self._queue.more_than(len(self._under_way))

    def _let_others(self) -> bool:
        """Do what is due on other streams, and let other threads in, for a moment; False where one interrupted."""
        self.rest()
        self._meanwhile()
        goes_on = self._waiter.pause(0)
        self._patient, self.rests_until_s = True, 0.0
        return goes_on

    def _has_reply(self, timeout_s: float) -> bool:
        """Whether a reply comes within ``timeout_s``. A server that is silent for too long counts as lost."""
        if self.open_channel().readable(timeout_s):
            self._heard_s = time.monotonic()
            return True
        if time.monotonic() - self._heard_s >= SOCKET_TIMEOUT_S:
            raise ServerSilent(f"no answer for {SOCKET_TIMEOUT_S:g} s")
        return False

    def _collect(self) -> None:
        """Take one reply. Where it is a refusal, those behind it were refused with it."""
        channel = self.open_channel()
        call = self._under_way[0]
        if call is None:
            self._collect_settled(channel)
            return
        try:
            last_id = read_answer(channel.collect())
        except SequenceGap as gap:
            self._drain(channel)
            self._rewind(gap.last)
        except NoScriptError:
            self._drain(channel)
            self._with_text = True
        except (BacklogFull, ServerError):
            self._drain(channel)
            self._window = 1  # until there is room, more would be sent in vain
            raise
        else:
            self._queue.acknowledge(last_id)
            self._under_way.popleft()  # last: an interrupt before it shows, and the call is asked about again
            self._window = CALLS_AHEAD
            if self._limits.durability == "server":
                self._progress()

    def _collect_settled(self, channel: Channel) -> None:
        durability = self._limits.durability
        try:
            durable = is_durable(channel.collect(), durability)
        except ServerError as error:
            self._under_way.clear()
            if as_raised(error) is not error:
                raise
            raise refusal(error, durability) from error
        self._under_way.popleft()
        if durable:
            self._queue.settle()
            self._progress()
            return
        where = "its disk" if durability == "fsync" else "its disk and a replica's"
        self._waiter.say(
            self._away(f"{self._stream} is written, but the server does not confirm that it is on {where}"),
            self._stream,
        )

    def _drain(self, channel: Channel) -> None:
        """Collect what is on its way behind a refused call; nothing of it was written."""
        self._under_way.popleft()
        while self._under_way:
            with suppress(ServerError):  # the call before it says why
                channel.collect()
            self._under_way.popleft()

    def _progress(self) -> None:
        self._answers += 1
        self._away_since_s = None
        self.rests_until_s = 0.0
        self._waiter.relieved(self._stream)

    def _drop_channel(self) -> None:
        """Give the socket up; what has no answer, and what is not known to be on disk, goes out again."""
        self.close()
        self._channel = None
        self._under_way.clear()
        self._window = 1
        self._queue.send_answered_again()

    def _lost(self, error: Exception) -> _Away:
        self._drop_channel()
        where = without_password(self._connection.url)
        return _Away(self._away(f"the connection to {where} is lost ({error}); trying again until it is back"))

    def _away(self, reason: str) -> str:
        """Note that nothing is written; whoever waits gets ServerUnavailable after ``give_up_s`` of it."""
        now_s = time.monotonic()
        if self._away_since_s is None:
            self._away_since_s = now_s
        if self._patient and now_s - self._away_since_s >= self._limits.give_up_s:
            self._away_since_s = None
            raise ServerUnavailable(
                f"no Redis took records at {without_password(self._connection.url)} for "
                f"{self._limits.give_up_s:g} s ({reason}); start it, then flush again: nothing that was not sent "
                "is lost"
            )
        return reason

    def _heard_of_other_groups(self, full: BacklogFull) -> bool:
        """A retired group holds nobody back; whoever runs must hear of it without a restart."""
        if isinstance(full, ServerFull):
            return False
        try:
            return self._groups.refresh()
        except RedisError:
            return False  # asked again after the next refusal

    def _rewind(self, last: int) -> None:
        """The server knows less than it acknowledged: it lost its newest writes, or forgot this producer."""
        lost = self._queue.rewind(last or self._newest_present(), forgotten=not last)
        if lost is not None:
            self._waiter.say(
                f"the server lost calls {lost[0]} to {lost[1]} to {self._stream}, which are not held here any "
                "more; push their records again",
                self._stream,
            )

    def _newest_present(self) -> int:
        """The last sequence whose entries are in the stream, or were and are trimmed.

        The sequence key may be gone alone (it expires), so the stream itself is asked. A server that has one call
        of this producer has had its key, so it has all that it acknowledged. Where the stream is gone too, it was
        deleted on purpose, and what was in it is not sent again.
        """
        acknowledged = self._queue.acknowledged_ids()
        first = self._connection.call("XRANGE", self._stream, "-", "+", "COUNT", 1)
        for _, entry_id in reversed(acknowledged):
            trimmed = not first or parse_entry_id(entry_id) < parse_entry_id(first[0][0])
            if trimmed or self._connection.call("XRANGE", self._stream, entry_id, entry_id):
                return self._queue.last_answered
        return acknowledged[0][0] - 1 if acknowledged else self._queue.last_answered

"""A lane: the partitions that are read together, on a socket of their own, with work sent ahead.

While a batch is being scored, the server commits the one before it and reads the one behind it. So at most three
reads are in a lane at any time, one of them in each of these places, and each of a bounded size.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from redis.exceptions import ConnectionError as LostConnection
from redis.exceptions import NoScriptError, ResponseError
from structlog.typing import FilteringBoundLogger

from core.channel import Channel, ReplyTooLarge
from core.connection import CONNECTION_ERRORS, Connection
from core.entry import streams_of
from core.errors import GroupMissing
from core.group_reader import group_missing, read_arguments
from core.keys import PartitionKeys
from core.read_size import ReadSize
from core.scripts.commit import Committed
from core.scripts.hold_entries import hold_entries
from core.scripts.native_commit import NativeCommits, NotCommitted
from core.server_errors import as_raised
from core.takeover import GroupBatch, Takeover
from scorer.answer import Answer

#: A reply of more than so many times the bytes that a read is to have is not taken: what it delivered is read
#: again, a little at a time.
REPLY_READS = 8


class _Read(NamedTuple):
    """A read that was sent."""

    entries: int  #: most entries of each stream
    sent_s: float


class Lane:
    """One consumer's way through the entries of some streams.

    Parameters
    ----------
    answers
        Makes the answers of a batch.
    settle
        Told what each commit did.
    taken_over
        Told of each batch that another consumer left, before it is answered.
    """

    def __init__(
        self,
        connection: Connection,
        partitions: tuple[PartitionKeys, ...],
        group: str,
        consumer: str,
        takeover: Takeover,
        *,
        takeover_idle_ms: int,
        read_bytes: int,
        answers: Callable[[GroupBatch], list[Answer]],
        settle: Callable[[Answer, Committed], None],
        taken_over: Callable[[GroupBatch], None],
        log: FilteringBoundLogger,
    ) -> None:
        self._connection = connection
        self._partitions = partitions
        self.streams = streams = tuple(partition.records for partition in partitions)
        self._group = group
        self._consumer = consumer
        self._takeover = takeover
        self._alone_s = takeover_idle_ms / 1000
        self._answers = answers
        self._settle = settle
        self._taken_over = taken_over
        self._log = log
        self._size = ReadSize(read_bytes // len(streams))
        self._most_reply_bytes = REPLY_READS * read_bytes
        self._ahead: Channel | None = None  # reads and commits, sent ahead
        self._native: NativeCommits  # on that channel
        self._aside: Channel | None = None  # commits that are waited for, while a read may be blocked
        self._sent: deque[_Read | Answer] = deque()  # whose replies are due, in this order
        self._uncommitted: list[Answer] = []  # whose commit is to come, failed, or nobody knows
        self._unanswered: list[GroupBatch] = []
        self._look_back = True  # entries may be pending for this consumer that it does not know of
        self._script_known = False

    @property
    def channel(self) -> Channel:
        """The socket to wait on, after :meth:`begin`."""
        assert self._ahead is not None  # noqa: S101  (begin made it)
        return self._ahead

    def begin(self, block_ms: int) -> None:
        """Have a read under way; first answer what earlier trouble left behind.

        Raises
        ------
        GroupMissing
            A stream or its group is gone, and with it what was pending.
        redis.exceptions.RedisError
            The trouble goes on.
        """
        if self._ahead is None or self._ahead.closed:
            self._lose()
            self._ahead = self._connection.channel(self.streams[0])
            self._script_known = False
            self._native = NativeCommits(
                self._connection, self._ahead, self._partitions, self._group, self._consumer
            )
        if self._uncommitted or self._unanswered or self._look_back:
            self._mend()
        if not self._reading:
            self._read(block_ms)

    def turn(self, block_ms: int, *, wait: bool) -> None:
        """Take the replies that are due, up to those of a read, and answer what that brought.

        Parameters
        ----------
        block_ms
            How long the next read waits, where this one brought all there was.
        wait
            For the replies, rather than to take those that have come.

        Raises as :meth:`begin`.
        """
        while self._sent:
            if not wait and not self.channel.readable():
                return
            read = self._sent[0] if isinstance(self._sent[0], _Read) else None
            batches = self._collect()
            if read is None:
                continue
            if self.channel.closed:
                return  # the reply was too large
            if any(len(batch.entries) >= read.entries for batch in batches):
                self._read(0)  # the server reads while this is scored
            for batch in batches:
                self._answer(batch, read.sent_s)
            if not self._reading:
                self._read(block_ms)
            return

    def take_over(self) -> None:
        """Answer entries that another consumer left pending for too long, if there are any now."""
        try:
            batch = self._takeover.next_batch()
        except ResponseError as error:
            raise self._failed(error) from error
        if batch is not None:
            self._taken_over(batch)
            self._answer_now(batch)

    def finish(self) -> None:
        """Answer all that was handed out or still will be by a read under way; then read nothing more."""
        with suppress(LostConnection):  # what was under way is looked for on another one
            while self._sent:
                sent = self._sent[0]
                for batch in self._collect():
                    self._answer(batch, sent.sent_s if isinstance(sent, _Read) else 0.0)
        if self._ahead is not None and (self._uncommitted or self._unanswered or self._look_back):
            self._mend()

    def close(self) -> None:
        """Close the sockets; what is under way is given up."""
        for channel in (self._ahead, self._aside):
            if channel is not None:
                channel.close()
        self._sent.clear()

    @property
    def _reading(self) -> bool:
        return any(isinstance(sent, _Read) for sent in self._sent)

    def _read(self, block_ms: int) -> None:
        count = self._size.entries
        read = _Read(count, time.monotonic())
        try:
            self.channel.submit(*read_arguments(self._group, self._consumer, self.streams, count, block_ms))
        except CONNECTION_ERRORS:
            self._lose()
            raise
        self._sent.append(read)

    def _answer(self, batch: GroupBatch, delivered_s: float) -> None:
        """Send a batch's answers ahead."""
        for answer in self._answers(batch):
            answer.alone_until_s = delivered_s + self._alone_s
            self._sent.append(answer)
            try:
                self._submit(answer)
            except CONNECTION_ERRORS:
                self._lose()
                raise

    def _submit(self, answer: Answer) -> None:
        answer.native = self._native.takes(answer.call)
        if answer.native:
            self._native.submit(answer.call)
        else:
            answer.call.submit(self.channel, with_text=not self._script_known)
            self._script_known = True

    def _collect_answer(self, answer: Answer) -> Committed:
        """What a commit did that was sent ahead."""
        if answer.native:
            return self._native.collect(answer.call)
        return answer.call.collect(self.channel)

    def _collect(self) -> list[GroupBatch]:
        """Take the oldest reply; what it brought if it was a read's."""
        sent = self._sent[0]
        batches: list[GroupBatch] = []
        try:
            if isinstance(sent, Answer):
                done = self._collect_answer(sent)
            else:
                batches = self._collect_read()
        except ReplyTooLarge:
            self._lose()
            return []
        except CONNECTION_ERRORS:
            self._lose()
            raise
        except (NoScriptError, NotCommitted):
            self._commit_instead()
            return []
        except (ResponseError, GroupMissing) as error:
            self._sent.popleft()
            if isinstance(sent, Answer):
                self._keep(sent)
            raise self._failed(error) from error
        self._sent.popleft()
        if isinstance(sent, Answer):
            self._settle(sent, done)
        return batches

    def _collect_read(self) -> list[GroupBatch]:
        """What a read brought that was sent ahead."""
        try:
            reply = self.channel.collect(self._most_reply_bytes)
        except ReplyTooLarge as error:
            self._size.begin_anew()
            self._takeover.size.begin_anew()
            self._log.info("reply too large", streams=self.streams, detail=str(error))
            raise
        return self._batches(reply)

    def _commit_instead(self) -> None:
        """The oldest commit did nothing: the server forgot its scripts, or did not do it natively."""
        answer = self._sent.popleft()
        assert isinstance(answer, Answer)  # noqa: S101  (nothing else is answered like that)
        try:
            self._commit_now(answer)
        except CONNECTION_ERRORS:
            self._lose()
            raise

    def _batches(self, reply: object) -> list[GroupBatch]:
        most_bytes = self.channel.reply_bytes
        batches = [
            GroupBatch(stream.decode(), entries, {}, most_bytes=most_bytes)
            for stream, entries in streams_of(reply).items()
        ]
        for batch in batches:
            self._size.learn_reply(most_bytes, batch.entries)
        return batches

    def _answer_now(self, batch: GroupBatch) -> None:
        """Answer a batch and wait for it to be committed; beside the reads, of which one may be blocked."""
        self._uncommitted += self._answers(batch)
        self._commit_open()

    def _commit_open(self) -> None:
        while self._uncommitted:
            self._commit_now(self._uncommitted[0])
            self._uncommitted.pop(0)

    def _commit_now(self, answer: Answer) -> None:
        try:
            if self._aside is None or self._aside.closed:
                self._aside = self._connection.channel(self.streams[0])
            answer.call.submit(self._aside, with_text=True)
            done = answer.call.collect(self._aside)
        except CONNECTION_ERRORS:
            self._keep(answer)
            raise
        except (ResponseError, GroupMissing) as error:
            self._keep(answer)
            raise self._failed(error) from error
        if answer.tried and time.monotonic() < answer.alone_until_s:
            # Who was late here was this worker itself, with the commit whose outcome it could not know.
            done = Committed(done.committed + done.late, 0, done.ts_ms, frozenset())
        self._settle(answer, done)

    def _keep(self, answer: Answer) -> None:
        answer.tried = True
        if answer not in self._uncommitted:
            self._uncommitted.append(answer)

    def _mend(self) -> None:
        """Answer what is left of earlier trouble. Nothing is under way meanwhile."""
        try:
            self._hold()
            self._commit_open()
            while self._unanswered:
                self._answer_now(self._unanswered.pop(0))
            if self._look_back:
                self._answer_own()
        except ResponseError as error:
            raise self._failed(error) from error

    def _hold(self) -> None:
        """Keep the others from taking over what cannot be committed yet.

        Each takeover raises an entry's delivery count, so a result that cannot be written would make it poison.
        """
        for answer in self._uncommitted:
            asked_s = time.monotonic()
            held = self._held(answer.stream, answer.call.ids)
            was_alone = answer.alone_until_s > 0  # whoever had taken-over entries before may still commit them
            if was_alone and (held or time.monotonic() < answer.alone_until_s):
                answer.alone_until_s = asked_s + self._alone_s
        for batch in self._unanswered:
            self._held(batch.stream, [entry.id for entry in batch.entries])

    def _held(self, stream: str, ids: list[bytes]) -> bool:
        return hold_entries(self._connection, stream, self._group, self._consumer, ids) == len(ids)

    def _answer_own(self) -> None:
        """Answer what was handed out in replies that were lost."""
        for stream in self.streams:
            batch, last = self._takeover.own_batch(stream, b"0")
            while last:
                if batch.entries:
                    self._answer_now(batch)
                batch, last = self._takeover.own_batch(stream, last)
        self._look_back = False

    def _failed(self, error: Exception) -> Exception:
        """Take all replies that are due, keeping what they leave open; returns what to raise."""
        raised = group_missing(error, self._group, self.streams) if isinstance(error, ResponseError) else error
        raised = as_raised(raised)
        if isinstance(raised, GroupMissing):
            self._forget()
        elif isinstance(raised, CONNECTION_ERRORS):
            self._lose()
        while self._sent:
            sent = self._sent[0]
            try:
                if isinstance(sent, Answer):
                    self._settle(sent, self._collect_answer(sent))
                else:
                    self._unanswered += self._collect_read()
            except CONNECTION_ERRORS:
                self._lose()
                break
            except GroupMissing as missing:
                self._forget()
                return missing
            except ResponseError:
                if isinstance(sent, Answer):
                    self._keep(sent)
            self._sent.popleft()
        return raised

    def _lose(self) -> None:
        """The socket is of no use any more: nobody knows what became of what is under way."""
        for sent in self._sent:
            if isinstance(sent, Answer):
                self._keep(sent)
        self._unanswered.clear()  # it is pending for this consumer, with what else was handed out
        self._look_back = True
        self.close()

    def _forget(self) -> None:
        """What a lost group held is read again."""
        self.close()
        self._uncommitted.clear()
        self._unanswered.clear()

"""Commit of large results by the server's own XADD: one transaction that does what the commit script does.

A script's values are copied and hashed on their way through Lua, which for large ones takes longer than all the
rest. So here one script looks at what may be wrong, plain commands write the results, and another script
acknowledges their entries, or takes everything back. Nobody sees anything between these steps.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Sequence
from itertools import chain, repeat
from typing import Any, NamedTuple

import hiredis
from redis.exceptions import NoPermissionError

from core.byte_columns import Bytes
from core.channel import Channel
from core.connection import CONNECTION_ERRORS, Connection, ServerError
from core.entry import parse_entry_id
from core.keys import PartitionKeys
from core.scripts.commit import AlikeResults, CommitCall, Committed, read_reply
from core.scripts.script import Script

#: From so many bytes of an entry's values on it pays.
MIN_RESULT_BYTES = 4096
#: After a failure results go by the commit script for so long.
PAUSE_S = 1.0
#: Commands before the first script.
_GUARDS = 10

# Sent as text each time: behind a digest that the server does not know, a transaction would go on.
_open = Script("open_commit").text
_settle = Script("settle_commit").text


class NotCommitted(ServerError):
    """Nothing was acknowledged and nothing is written; the commit script does it, or says what is wrong."""


class _Place(NamedTuple):
    """Where results of a stream go, and the string that the steps of a commit share."""

    output: str
    memory: str


class NativeCommits:
    """The commits that one channel does natively: first attempts at large results of the same shape.

    It tries without entries first, as a server may not permit it; then it takes none.

    Parameters
    ----------
    connection
        For what is to be taken back beside the channel.
    channel
        With nothing outstanding.

    Raises
    ------
    redis.exceptions.ConnectionError, redis.exceptions.TimeoutError
        The connection is lost.
    """

    def __init__(
        self,
        connection: Connection,
        channel: Channel,
        partitions: Sequence[PartitionKeys],
        group: str,
        consumer: str,
    ) -> None:
        self._connection = connection
        self._channel = channel
        self._group = group
        self._consumer = consumer
        self._places = {keys.records: _Place(keys.predictions, keys.commit) for keys in partitions}
        self._guards = {source: _guards(source, group, consumer, place) for source, place in self._places.items()}
        self._clock_ahead_ms = 0  # the server's clock less this machine's monotonic one
        self._not_before_s = 0.0
        self._permitted = self._try()

    def _try(self) -> bool:
        """Whether the server lets this user do all of it; tried without entries."""
        # First alone: where no transaction begins, the commands of one would run one by one.
        if not _begins_transactions(self._channel):
            return False
        for source in self._places:
            self._send(source, [], ())
            try:
                self._collect(source, 0)
            except NotCommitted as error:
                if isinstance(error.__cause__, NoPermissionError):
                    return False
        return True

    def takes(self, call: CommitCall) -> bool:
        """Whether it pays, and the server is thought to permit it."""
        return (
            call.alike is not None
            and not isinstance(call.alike.values, bytes)
            and sum(column.shape[1] for column in call.alike.values) >= MIN_RESULT_BYTES
            and self._permitted
            and time.monotonic() >= self._not_before_s
        )

    def submit(self, call: CommitCall) -> None:
        """Send it, and do not wait for its reply. Raises as :meth:`Channel.submit`."""
        assert call.alike is not None  # noqa: S101  (it was asked whether it takes this)
        # the script that tells the time runs too late; no result is to be older than its record
        now_ms = max(self._now_ms(), parse_entry_id(call.ids[-1]).ms)
        output = self._places[call.source].output
        self._send(call.source, call.ids, _commands(output, call.alike, b"%d" % now_ms))

    def collect(self, call: CommitCall) -> Committed:
        """What it did.

        Raises
        ------
        NotCommitted
            It did nothing.
        redis.exceptions.ConnectionError, redis.exceptions.TimeoutError
            The connection is lost; it may have done everything.
        """
        return self._collect(call.source, len(call.ids))

    def _send(self, source: str, ids: list[bytes], commands: Iterable[bytes | memoryview]) -> None:
        place, word = self._places[source], secrets.token_hex(8)
        keys = (3, source, *place)
        first = _pack("EVAL", _open, *keys, self._group, self._consumer, word)
        last = _pack("EVAL", _settle, *keys, self._group, word, *ids)
        self._channel.submit_transaction(
            b"".join(chain((_pack("MULTI"), self._guards[source], first), commands, (last, _pack("EXEC"))))
        )

    def _collect(self, source: str, entries: int) -> Committed:
        try:
            replies = self._channel.collect_transaction(_GUARDS + 1 + entries + 1)
        except CONNECTION_ERRORS:
            raise
        except ServerError as error:
            self._not_before_s = time.monotonic() + PAUSE_S
            raise NotCommitted(str(error)) from error
        told = replies[_GUARDS - 1]  # to TIME, also where nothing is done
        if isinstance(told, list):
            self._clock_ahead_ms = int(told[0]) * 1000 + int(told[1]) // 1000 - int(time.monotonic() * 1000)
        settled = replies[-1]
        if isinstance(settled, Exception):
            self._not_before_s = time.monotonic() + PAUSE_S
            if not str(settled).startswith("UNDONE "):
                self._take_back(source, replies)
            raise NotCommitted(str(settled)) from settled
        return read_reply(settled)

    def _take_back(self, source: str, replies: list[Any]) -> None:
        """The last script did not run, as where permissions changed between the last command and EXEC."""
        written = [reply for reply in replies[_GUARDS + 1 : -1] if isinstance(reply, bytes)]
        if written:
            self._connection.call("XDEL", self._places[source].output, *written)
        self._permitted = False  # until the next channel

    def _now_ms(self) -> int:
        """The server's clock, by what it last said."""
        return int(time.monotonic() * 1000) + self._clock_ahead_ms


def _begins_transactions(channel: Channel) -> bool:
    refused = 0
    channel.submit("MULTI")
    channel.submit("EXEC")
    for _ in range(2):
        try:
            channel.collect()
        except CONNECTION_ERRORS:
            raise
        except ServerError:
            refused += 1
    return not refused


def _guards(source: str, group: str, consumer: str, place: _Place) -> bytes:
    """All commands that the scripts use, where they change nothing: 0-0 is no entry, and ``memory`` is empty.

    The server refuses the transaction as a whole if one of them is not permitted; a script would find that out
    too late.
    """
    output, memory = place
    commands = (
        ("SET", memory, ""),
        ("GET", memory),
        ("DEL", memory),
        ("XCLAIM", source, group, consumer, 0, "0-0", "JUSTID"),
        ("XACK", source, group, "0-0"),
        ("XDEL", output, "0-0"),
        ("XRANGE", memory, "-", "+"),  # not of the output, in which the server would look through all there is
        ("XREVRANGE", memory, "+", "-"),
        ("XLEN", output),
        ("TIME",),
    )
    assert len(commands) == _GUARDS  # noqa: S101  (a reply for each is waited for)
    return b"".join([_pack(*command) for command in commands])


def _commands(output: str, results: AlikeResults, now_ms: bytes) -> Iterable[bytes | memoryview]:
    """XADD for each result, in pieces that are to be joined: what all have alike, the entry's id, the values."""
    assert not isinstance(results.values, bytes)  # noqa: S101  (it was asked whether it takes this)
    columns = dict(zip(results.places, results.values, strict=True))
    alike = b"*%d\r\n" % (3 + len(results.fields) + 2) + b"".join(map(_bulk, (b"XADD", output.encode(), b"*")))
    pieces: list[Iterable[bytes | memoryview]] = []
    for place, field in enumerate(results.fields, start=1):
        if place == results.own:
            pieces += (repeat(alike), map(_bulk, results.ids))
            alike = b""
        elif place in columns:
            column = columns[place]
            pieces += (repeat(alike + b"$%d\r\n" % column.shape[1]), _rows(column))
            alike = b"\r\n"
        else:
            alike += _bulk(field)
    pieces.append(repeat(alike + _bulk(b"ts") + _bulk(now_ms)))
    return chain.from_iterable(zip(*pieces, strict=False))  # as many as entries


def _pack(*arguments: str | bytes | int) -> bytes:
    command: bytes = hiredis.pack_command(arguments)  # type: ignore[arg-type]  # its stub knows one argument only
    return command


def _rows(column: Bytes) -> list[memoryview]:
    """The bytes of each entry of a column."""
    size, content = column.shape[1], column.reshape(-1).data
    return [content[at : at + size] for at in range(0, len(content), size)]


def _bulk(argument: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(argument), argument)

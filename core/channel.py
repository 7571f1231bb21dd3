"""One socket to one server with commands sent ahead; their replies come in the order of the commands."""

from __future__ import annotations

import select
from collections.abc import Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

import hiredis
from redis._parsers.hiredis import NOT_ENOUGH_DATA  # what its reader says, and no public name for it
from redis.connection import Connection as Socket
from redis.connection import DefaultParser
from redis.exceptions import ConnectionError as LostConnection
from redis.exceptions import ResponseError

from core.server_errors import as_raised

#: Bytes taken from the socket at once: large enough that big replies cost few system calls.
_RECEIVE_BYTES = 256 * 1024
#: Packed arguments up to this size are copied behind the command, which is cheaper than a second system call.
_JOIN_BYTES = 64 * 1024


class Packed(NamedTuple):
    """Arguments that are in the protocol's form already (``$<bytes>``, the bytes, each ended by CR LF)."""

    arguments: int  #: how many
    content: bytes | memoryview


class ReplyTooLarge(LostConnection):
    """A reply was larger than its limit; the channel is closed and the rest of the reply was not taken."""


class Channel:
    """A socket of its own, for a caller that works while the server does.

    Nothing is ever sent twice. Whatever is no reply (the connection is lost, or silent for longer than its time
    limit) closes the channel, for nobody can tell any more which reply belongs to which command.

    Parameters
    ----------
    socket
        A connection of redis-py that nobody else uses, not yet connected: it knows about TLS, passwords and
        databases. Replies must come as bytes.

    Raises
    ------
    redis.exceptions.ConnectionError
        The server cannot be reached.
    """

    def __init__(self, socket: Socket) -> None:
        self._parser = _MeasuringParser()
        socket.set_parser(lambda socket_read_size: self._parser)  # type: ignore[no-untyped-call]  # noqa: ARG005  (redis-py names it)
        self._socket: Socket | None = socket
        self.outstanding = 0  #: commands whose reply was not collected
        self.reply_bytes = 0  #: the last reply had at most so many bytes
        socket.connect()  # type: ignore[no-untyped-call]  # redis-py types it not
        self._fileno = self._parser.fileno()

    def submit(self, *arguments: str | bytes | int | float, packed: Packed | None = None) -> None:
        """Send a command, ``packed`` being its last arguments, and do not wait for its reply.

        Raises
        ------
        redis.exceptions.ConnectionError, redis.exceptions.TimeoutError
            The connection is lost; the channel is closed. The server may have run the command.
        """
        # Packed here: redis-py looks at every argument in Python first, which takes longer than sending them.
        command: bytes = hiredis.pack_command(arguments)  # type: ignore[arg-type]  # its stub knows no float
        pieces: list[bytes | memoryview] = [command]
        if packed is not None:
            command = b"*%d\r\n%b" % (len(arguments) + packed.arguments, command.partition(b"\r\n")[2])
            small = len(packed.content) <= _JOIN_BYTES
            pieces = [command + packed.content] if small else [command, packed.content]
        self._send(pieces)

    def submit_transaction(self, content: bytes) -> None:
        """Send all commands from MULTI to EXEC, in the protocol's form; together they are one that is outstanding.

        Raises as :meth:`submit`.
        """
        self._send([content])

    def _send(self, pieces: list[bytes | memoryview]) -> None:
        socket = self._open_socket()
        try:
            socket.send_packed_command(pieces, check_health=False)  # type: ignore[no-untyped-call]
        except BaseException:
            self.close()
            raise
        self.outstanding += 1

    def collect(self, most_bytes: int | None = None) -> Any:
        """The raw reply (bytes, int, list or None) to the oldest command whose reply was not collected.

        Raises
        ------
        redis.exceptions.ResponseError
            The server refused the command; the channel stays open.
        redis.exceptions.ConnectionError, redis.exceptions.TimeoutError
            The connection is lost; the channel is closed. The server may have run what is outstanding.
        ReplyTooLarge
            The reply has more than ``most_bytes``, give or take what the socket gives at once.
        NotInCharge
            The server refused the command, and another one takes it; the channel is closed.
        """
        return self._take(most_bytes, 0)

    def collect_transaction(self, commands: int) -> list[Any]:
        """What EXEC answers to the oldest, a transaction of so many commands: their replies, errors as values.

        Raises
        ------
        redis.exceptions.ResponseError
            The server refused it as a whole, and says why; it ran nothing, and the channel stays open.
        redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, NotInCharge
            As :meth:`collect`. So is a transaction that did not begin: its commands may have run one by one.
        """
        replies = self._take(None, commands + 1)
        if not isinstance(replies, list) or len(replies) != commands:
            self.close()
            raise LostConnection(f"a transaction of {commands} commands was answered with something else")
        return replies

    def _take(self, most_bytes: int | None, queued: int) -> Any:
        """The oldest reply, behind so many to commands that wait for it."""
        socket = self._open_socket()
        if not self.outstanding:
            raise RuntimeError("there is no reply to wait for; submit a command first")
        self._parser.begin(most_bytes, queued)
        try:
            return socket.read_response(disconnect_on_error=False)
        except ResponseError as error:
            raised = as_raised(error)
            if raised is error:
                raise
            self.close()
            raise raised from error
        except BaseException:
            self.close()
            raise
        finally:
            self.outstanding = max(0, self.outstanding - 1)
            self.reply_bytes = self._parser.reply_bytes

    def call(self, *arguments: str | bytes | int | float, packed: Packed | None = None) -> Any:
        """Send a command and return its raw reply; only while nothing is outstanding."""
        if self.outstanding:
            raise RuntimeError(f"{self.outstanding} replies are to be collected first")
        self.submit(*arguments, packed=packed)
        return self.collect()

    def readable(self, timeout_s: float = 0.0) -> bool:
        """Whether a reply, or the start of one, is there within ``timeout_s``.

        Raises
        ------
        redis.exceptions.ConnectionError
            The server closed the connection; the channel is closed.
        """
        try:
            return bool(self._open_socket().can_read(timeout_s))
        except BaseException:
            self.close()
            raise

    def fileno(self) -> int:
        """The socket's descriptor, for a wait on several; ask ``readable`` first, as a reply may be buffered."""
        return self._fileno

    @property
    def closed(self) -> bool:
        """Whether it is of no use any more."""
        return self._socket is None

    def close(self) -> None:
        """Close the socket; what is outstanding is given up."""
        socket, self._socket, self.outstanding = self._socket, None, 0
        if socket is not None:
            socket.disconnect()  # type: ignore[no-untyped-call]  # redis-py types it not

    def _open_socket(self) -> Socket:
        if self._socket is None:
            raise LostConnection("the connection was lost; a new one is needed")
        return self._socket

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class _MeasuringParser(DefaultParser):  # type: ignore[misc, valid-type]  # chosen by redis-py at import
    """The parser of redis-py, with larger receives, which counts what it takes from the socket."""

    def __init__(self) -> None:
        super().__init__(_RECEIVE_BYTES)
        self._received = self._before = self._taken_last = 0
        self._limit: int | None = None
        self._queued = 0

    def fileno(self) -> int:
        return int(self._sock.fileno())

    def begin(self, most_bytes: int | None, queued: int) -> None:
        """A reply begins: it may lie in what was received last, of which other replies have had a part."""
        self._before = self._received - self._taken_last
        self._limit = most_bytes
        self._queued = queued

    def read_response(self, *arguments: Any, **options: Any) -> Any:
        """The next reply, or the last of a transaction's.

        Those before it are taken here, as each way through redis-py takes longer than all that is known of them.
        """
        queued, self._queued = self._queued, 0
        if not queued:
            return super().read_response(*arguments, **options)
        refusal: Exception | None = None
        for number in range(queued):
            while (reply := self._reader.gets()) is NOT_ENOUGH_DATA:
                self.read_from_socket()
            if number == 0 and reply != b"OK":
                raise LostConnection(f"a transaction did not begin: {reply!r}")
            if isinstance(reply, Exception):
                refusal = refusal or reply
        last = super().read_response(*arguments, **options)
        if isinstance(refusal, LostConnection):  # so are errors of a server that is loading
            raise refusal
        return refusal or last  # after a refusal, the last says no more than that there was one

    @property
    def reply_bytes(self) -> int:
        """At most so many bytes belong to the reply."""
        return self._received - self._before

    def read_from_socket(self, *_: Any, **__: Any) -> bool:
        if self._limit is not None and self.reply_bytes > self._limit:
            raise ReplyTooLarge(f"a reply has more than {self._limit} bytes; less is asked for next time")
        sock = self._sock
        if sock is None:
            raise LostConnection("the connection was closed")
        self._taken_last = sock.recv_into(self._buffer)
        if not self._taken_last:
            raise LostConnection("the server closed the connection")
        self._received += self._taken_last
        self._reader.feed(self._buffer, 0, self._taken_last)
        return True


def wait_for_reply(channels: Sequence[Channel], timeout_s: float) -> list[Channel]:
    """The channels that have a reply; waits up to ``timeout_s`` for the first.

    Raises
    ------
    redis.exceptions.ConnectionError
        One of them was closed by its server.
    """
    ready = [channel for channel in channels if channel.readable()]
    if ready:
        return ready
    poller = select.poll()
    by_descriptor = {channel.fileno(): channel for channel in channels}
    for descriptor in by_descriptor:
        poller.register(descriptor, select.POLLIN)
    return [by_descriptor[descriptor] for descriptor, _ in poller.poll(timeout_s * 1000)]

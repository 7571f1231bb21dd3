"""The one way to Redis, be it one server, a master under Sentinel or a cluster: raw replies, no silent retries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Protocol, Self

from redis.connection import Connection as RedisConnection

from core.advice import advice
from core.channel import Channel
from core.cluster import Cluster
from core.command_key import Argument
from core.endpoint import SOCKET_TIMEOUT_S, read_endpoint, without_password
from core.errors import ServerUnavailable
from core.server_errors import CONNECTION_ERRORS, RedisError, ServerError
from core.single_master import SingleMaster

__all__ = [
    "CONNECTION_ERRORS",
    "MAX_BLOCK_MS",
    "SOCKET_TIMEOUT_S",
    "Connection",
    "RedisError",
    "ServerError",
    "without_password",
]

#: Longest blocking read; below the socket timeout, or the client would raise in mid-block.
MAX_BLOCK_MS = 2_000


class _Servers(Protocol):
    """What a :class:`Connection` needs of one server, or of several."""

    @property
    def one_clock(self) -> bool: ...
    @property
    def execute(self) -> Callable[..., Any]: ...

    def execute_at(self, key: str, *arguments: Argument) -> Any: ...
    def pipeline(self, commands: Sequence[Sequence[Argument]]) -> list[Any]: ...
    def groups(self, keys: Sequence[str]) -> list[tuple[str, ...]]: ...
    def one_a_server(self, keys: Sequence[str]) -> list[str]: ...
    def each(self) -> list[Callable[..., Any]]: ...
    def socket(self, key: str) -> RedisConnection: ...
    def refused(self, error: Exception) -> Exception: ...
    def close(self) -> None: ...


class Connection:
    """Raw commands to the servers of one redis_url.

    redis-py retries ten times by itself, which doubles a plain XADD whose reply was lost; here a command is sent
    once and whoever called decides. Replies are not parsed into dicts, so that a repeated field shows. What
    a server answers that is not in charge (any more) is raised as one of CONNECTION_ERRORS, and the next command
    goes to the one that is.

    Raises
    ------
    SettingsError
        A URL that cannot be read.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        endpoint = read_endpoint(url)
        self._servers: _Servers = Cluster(endpoint) if endpoint.kind == "cluster" else SingleMaster(endpoint)
        self._execute = self._servers.execute

    @property
    def one_clock(self) -> bool:
        """Whether all keys are on one server, and so under one clock."""
        return self._servers.one_clock

    def call(self, *arguments: Argument) -> Any:
        """Send one command and return its raw reply (bytes, int, list or None).

        On a cluster it goes to the server that holds its first key; all keys of a command share a hash tag.
        """
        try:
            return self._execute(*arguments)
        except ServerError as error:
            raised = self._servers.refused(error)
            if raised is error:
                raise
            raise raised from error

    def pipeline(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        """Send commands together, not as a transaction; error replies come back as values."""
        replies = self._servers.pipeline(commands)
        return [self._servers.refused(reply) if isinstance(reply, ServerError) else reply for reply in replies]

    def groups(self, streams: Sequence[str]) -> list[tuple[str, ...]]:
        """The streams that one command may read together: all on one server, those of one slot on a cluster."""
        return self._servers.groups(streams)

    def channel(self, stream: str) -> Channel:
        """A socket of its own to the server that holds ``stream`` now.

        After an error on it make another one: the stream may have moved.

        Raises
        ------
        redis.exceptions.ConnectionError
            The server cannot be reached.
        """
        return Channel(self._servers.socket(stream))

    def each_server(self) -> list[Callable[..., Any]]:
        """For each server that takes writes, a function that sends it one command and returns its raw reply."""
        return self._servers.each()

    def now_ms(self, stream: str | None = None) -> int:
        """The clock of the server that holds ``stream``, in milliseconds since 1970."""
        seconds, microseconds = self._servers.execute_at(stream, "TIME") if stream else self.call("TIME")
        return int(seconds) * 1000 + int(microseconds) // 1000

    def earliest_now_ms(self, streams: Sequence[str]) -> int:
        """The clock that is furthest behind, of the servers that hold ``streams``."""
        return min(self.now_ms(stream) for stream in self._servers.one_a_server(streams))

    def require(self) -> Self:
        """Check that every server answers.

        Raises
        ------
        ServerUnavailable
            With a sentence that names the URL.
        """
        try:
            for call in self.each_server():
                call("PING")
        except RedisError as error:
            remedy = advice(error, self.url) or "start it or correct redis_url"
            raise ServerUnavailable(
                f"no Redis answers at {without_password(self.url)} ({error}); {remedy}"
            ) from error
        return self

    def close(self) -> None:
        """Close the sockets."""
        self._servers.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

"""The one way to a Redis server: raw replies, no silent retries, a socket that outlives a blocking read."""

from __future__ import annotations

import re
from types import TracebackType
from typing import Any, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from core.errors import ServerUnavailable, SettingsError

#: Longest blocking read; below the socket timeout, or the client would raise in mid-block.
MAX_BLOCK_MS = 2_000
#: A server that is silent for longer than this counts as lost.
SOCKET_TIMEOUT_S = 15.0

_PASSWORD_OPTION = re.compile(r"([?&]password=)[^&]*")

#: What a lost, restarting or loading server raises; services back off and try again.
CONNECTION_ERRORS: tuple[type[Exception], ...] = (
    redis.exceptions.ConnectionError,
    redis.exceptions.TimeoutError,
    redis.exceptions.BusyLoadingError,
)
#: Any error reply of the server.
ServerError = redis.exceptions.ResponseError
#: Everything that the client library raises.
RedisError = redis.exceptions.RedisError


class Connection:
    """Raw commands to one server.

    redis-py retries ten times by itself, which doubles a plain XADD whose reply was lost; here a command is sent
    once and whoever called decides. Replies are not parsed into dicts, so that a repeated field shows.

    Raises
    ------
    SettingsError
        A URL that redis-py cannot read.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            self._client = redis.Redis.from_url(
                url,
                protocol=2,
                decode_responses=False,
                socket_timeout=SOCKET_TIMEOUT_S,
                socket_connect_timeout=5.0,
                retry=Retry(NoBackoff(), 0),
                single_connection_client=False,
            )
            pool = self._client.connection_pool
            pool.connection_class(**pool.connection_kwargs)  # else an unknown option fails at the first command
        except (ValueError, TypeError) as error:
            # redis-py's words may quote a part of the password
            raise SettingsError(
                f"redis_url {without_password(url)!r} cannot be read; send redis://, rediss:// or unix:// with "
                "[user:password@]host:port/db, special characters of a password percent-encoded"
            ) from error
        self._client.response_callbacks.clear()

    def call(self, *arguments: str | bytes | int | float) -> Any:
        """Send one command and return its raw reply (bytes, int, list or None)."""
        return self._client.execute_command(*arguments)  # type: ignore[no-untyped-call]  # redis-py types it not

    def pipeline(self, commands: list[tuple[str | bytes | int, ...]]) -> list[Any]:
        """Send commands together, not as a transaction; error replies come back as values."""
        pipe = self._client.pipeline(transaction=False)
        for command in commands:
            pipe.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py types it not
        return list(pipe.execute(raise_on_error=False))

    def now_ms(self) -> int:
        """The server's clock, in milliseconds since 1970."""
        seconds, microseconds = self.call("TIME")
        return int(seconds) * 1000 + int(microseconds) // 1000

    def require(self) -> Self:
        """Check that the server answers.

        Raises
        ------
        ServerUnavailable
            With a sentence that names the URL.
        """
        try:
            self.call("PING")
        except RedisError as error:
            raise ServerUnavailable(
                f"no Redis answers at {without_password(self.url)} ({error}); start it or correct redis_url"
            ) from error
        return self

    def close(self) -> None:
        """Close the sockets."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def without_password(url: str) -> str:
    """The URL as logs and messages may show it."""
    # By text, for this also shows URLs that no parser takes. A password may hold "@" and "/", a host may not.
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "", url
    credentials, at, place = rest.rpartition("@")
    if at and ":" in credentials:
        credentials = credentials.partition(":")[0] + ":***"
    place = _PASSWORD_OPTION.sub(r"\1***", place)
    return f"{scheme}{separator}{credentials}{at}{place}"

"""One server that takes every command: the one that a URL names, or the master that Sentinels name now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import redis
from redis.connection import Connection as RedisConnection
from redis.connection import ConnectionPool
from redis.sentinel import Sentinel, SentinelConnectionPool

from core.command_key import Argument
from core.endpoint import Endpoint
from core.errors import SettingsError
from core.server_errors import as_raised

#: Replies that only a node of a cluster gives.
_OF_A_CLUSTER = (redis.exceptions.AskError, redis.exceptions.ClusterCrossSlotError)


def new_socket(pool: ConnectionPool) -> RedisConnection:
    """A connection as the pool makes them, which the pool does not know."""
    connection: RedisConnection = pool.connection_class(**pool.connection_kwargs)
    return connection


class SingleMaster:
    """One server.

    With Sentinels each new socket goes to the master that they name, so after a failover the sockets to the old
    one fail, or say that it is a replica now, and the next command goes to the new one.
    """

    one_clock = True

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._sentinel: Sentinel | None = None
        if endpoint.kind == "sentinel":
            options = dict(endpoint.options)
            options["ssl"] = options.pop("connection_class", None) is not None
            self._sentinel = Sentinel(endpoint.addresses, sentinel_kwargs=dict(endpoint.sentinel_options))  # type: ignore[no-untyped-call]
            self._pool: ConnectionPool = SentinelConnectionPool(endpoint.service, self._sentinel, **options)  # type: ignore[no-untyped-call]
        else:
            self._pool = ConnectionPool(**endpoint.options)
        self._client = redis.Redis(connection_pool=self._pool)
        self._client.response_callbacks.clear()
        #: Send one command, without a step in between: this is the hot path.
        self.execute: Callable[..., Any] = self._client.execute_command

    def execute_at(self, key: str, *arguments: Argument) -> Any:
        """Send one command to the server that holds ``key``: to the only one."""
        del key
        return self.execute(*arguments)

    def pipeline(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        """Send commands together; error replies come back as values."""
        pipe = self._client.pipeline(transaction=False)
        for command in commands:
            pipe.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py types it not
        return list(pipe.execute(raise_on_error=False))

    def groups(self, keys: Sequence[str]) -> list[tuple[str, ...]]:
        """All of them: one command may read them all."""
        return [tuple(keys)] if keys else []

    def one_a_server(self, keys: Sequence[str]) -> list[str]:
        """Of each server, the first of these keys that it holds."""
        return list(keys[:1])

    def each(self) -> list[Callable[..., Any]]:
        """A way to send a command to each server."""
        return [self.execute]

    def socket(self, key: str) -> RedisConnection:
        """A connection, not yet made, to the server that holds ``key``."""
        del key
        return new_socket(self._pool)

    def refused(self, error: Exception) -> Exception:
        """What to raise for an error reply; where another server is in charge, that one is asked next."""
        if isinstance(error, _OF_A_CLUSTER):
            return SettingsError(
                f"{self._endpoint.shown} is a node of a cluster ({error}); send redis+cluster://host:port "
                "in redis_url"
            )
        raised = as_raised(error)
        if raised is not error:
            self._pool.disconnect(inuse_connections=False)
        return raised

    def close(self) -> None:
        """Close the sockets."""
        self._client.close()
        self._pool.disconnect()
        if self._sentinel is not None:
            self._sentinel.close()

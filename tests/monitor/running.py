"""A monitor in a thread, fed and watched from outside."""

from __future__ import annotations

import contextlib
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from core.connection import Connection
from core.entry import entries_of, field_map, streams_of
from core.keys import MONITORS, PipelineKeys
from core.model_file import ModelFile
from core.record_encoder import encode_block
from core.redis_registry import RedisRegistry
from core.settings import Settings
from monitor.service import Monitor

#: An entry of the drift stream that never comes counts as a failure after this.
WAIT_MS = 10_000


@contextlib.contextmanager
def running(options: Settings) -> Iterator[Monitor]:
    service = Monitor(options)
    thread = threading.Thread(target=service.run)
    thread.start()
    try:
        yield service
    finally:
        service.stopping.set()
        thread.join(10)
        assert not thread.is_alive()


class Feed:
    """Promotes and pushes; waits for the windows that follow."""

    def __init__(self, connection: Connection, keys: PipelineKeys) -> None:
        self.connection = connection
        self.keys = keys
        self.registry = RedisRegistry(connection, keys)
        self._last = b"0-0"

    def push(self, file: ModelFile, shift: float = 0.0, rows: int = 50) -> None:
        x = np.random.default_rng(1).normal(shift, 1.0, (rows, file.model.schema.width))
        x[:, [name == "constant" for name in file.model.schema.features]] = 4.0
        self.connection.call("XADD", self.keys.partition(0).records, "*", *encode_block(x, file.model.schema))

    def window(self) -> dict[bytes, bytes]:
        """The next window."""
        reply = self.connection.call("XREAD", "COUNT", 1, "BLOCK", WAIT_MS, "STREAMS", self.keys.drift, self._last)
        assert reply, "no window came"
        (entry,) = streams_of(reply)[self.keys.drift.encode()]
        self._last = entry.id
        return field_map(entry.fields)


def get(service: Monitor, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(service.http.url + path, timeout=5) as answer:  # noqa: S310  (our own server)
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def metrics(service: Monitor) -> dict[str, float]:
    lines = [line for line in get(service, "/metrics")[1].splitlines() if line.startswith("streamgauge_")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def expect(condition: Callable[[], bool], connection: Connection, nothing: str) -> None:
    """Look again with every 20 ms that a blocking read of a stream without entries takes."""
    for _ in range(500):
        if condition():
            return
        connection.call("XREAD", "BLOCK", 20, "STREAMS", nothing, "$")
    pytest.fail("the condition never came true")


def level(feed: Feed) -> bool:
    groups = feed.connection.call("XINFO", "GROUPS", feed.keys.partition(0).records)
    found: list[dict[bytes, Any]] = [field_map(group) for group in groups]
    return [(group[b"name"], group[b"lag"]) for group in found] == [(MONITORS.encode(), 0)]


def push_after_promotion(feed: Feed, file: ModelFile, rows: int) -> None:
    """Push in a later millisecond than the promotion's, which such records wait for."""
    promoted = entries_of(feed.connection.call("XREVRANGE", feed.keys.promotions, "+", "-", "COUNT", 1))[0].id
    while feed.connection.now_ms() <= int(promoted.split(b"-")[0]):
        pass
    feed.push(file, rows=rows)

"""A model in production, and what a pipeline's streams hold."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import numpy as np
import pytest

from core.connection import Connection
from core.entry import Entry, entries_of
from core.keys import PipelineKeys
from core.model import LogisticModel
from core.model_file import ModelFile
from core.profile import profile_rows
from core.redis_registry import RedisRegistry
from core.schema import Schema

Stream = Callable[[str], list[Entry]]


@pytest.fixture(scope="session")
def schema() -> Schema:
    return Schema(("a", "b"), ("no", "yes"))


@pytest.fixture(scope="session")
def model_file(schema: Schema) -> ModelFile:
    rows = np.random.default_rng(3).normal(size=(20, 2))
    model = LogisticModel(schema, np.array([0.5, -2.0]), 0.25, np.zeros(2), np.ones(2))
    return ModelFile(model, profile_rows(rows, schema.features, 3))


@pytest.fixture
def production(connection: Connection, keys: PipelineKeys, model_file: ModelFile) -> RedisRegistry:
    """A registry whose production model has features a and b."""
    registry = RedisRegistry(connection, keys)
    registry.promote("0123456789ab", model_file, 0, "first")
    return registry


@pytest.fixture
def stream(connection: Connection) -> Stream:
    """All entries of a stream."""

    def read(name: str) -> list[Entry]:
        return entries_of(connection.call("XRANGE", name, "-", "+"))

    return read


class CuttingProxy:
    """Forwards to the server; ``cut_after`` requests naming a word pass, the reply of the next is cut off."""

    def __init__(self, server_url: str) -> None:
        self._target = ("127.0.0.1", urlsplit(server_url).port or 0)
        self._word = b""
        self._answer = b""
        self.cuts = 0
        proxy = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with socket.create_connection(proxy._target) as server:
                    while request := self.request.recv(1 << 20):
                        server.sendall(request)
                        reply = server.recv(1 << 20)
                        if proxy._word and proxy._word in request and reply.startswith(proxy._answer):
                            proxy._word = b""
                            proxy.cuts += 1
                            return
                        self.request.sendall(reply)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"redis://127.0.0.1:{self._server.server_address[1]}/0"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()

    def cut_next(self, word: bytes, answer: bytes = b"") -> None:
        """Let the next request that holds ``word`` through, and cut its reply if that begins with ``answer``."""
        self._answer = answer
        self._word = word

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def proxy(server_url: str) -> Iterator[CuttingProxy]:
    proxy = CuttingProxy(server_url)
    yield proxy
    proxy.close()

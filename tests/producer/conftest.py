"""A model in production, and what a pipeline's streams hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from bench.chaos.proxy import Proxy
from core.connection import Connection
from core.entry import Entry, entries_of
from core.keys import PipelineKeys
from core.model import LogisticModel
from core.model_file import ModelFile
from core.redis_registry import RedisRegistry
from core.schema import Schema
from tests.drift_references import quick_model_file
from tests.producer.own_server import OwnServer
from tests.servers import server_program

Stream = Callable[[str], list[Entry]]
MakeServer = Callable[..., OwnServer]


@pytest.fixture(scope="session")
def schema() -> Schema:
    return Schema(("a", "b"), ("no", "yes"))


@pytest.fixture(scope="session")
def model_file(schema: Schema) -> ModelFile:
    rows = np.random.default_rng(3).normal(size=(20, 2))
    model = LogisticModel(schema, np.array([0.5, -2.0]), 0.25, np.zeros(2), np.ones(2))
    return quick_model_file(model, rows, 3)


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


@pytest.fixture
def proxy(server_url: str) -> Iterator[Proxy]:
    """A way to the embedded server that can be cut."""
    proxy = Proxy(server_url)
    yield proxy
    proxy.close()


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[MakeServer]:
    """Starts servers with given options, Valkey unless told otherwise; they end with the test."""
    servers: list[OwnServer] = []

    def make(*options: str, program: str = "valkey") -> OwnServer:
        server = OwnServer(server_program(program), tmp_path / f"{program}-{len(servers)}", *options)
        servers.append(server)
        server.start()
        return server

    yield make
    for server in servers:
        server.kill()

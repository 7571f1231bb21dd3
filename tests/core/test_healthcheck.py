"""``python -m core.healthcheck``: what an engine concludes from its exit status."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from core import healthcheck
from core.healthcheck import check
from core.http import HttpServer, Request, Response, error_response, json_response
from tests.scorer.scorer_process import CHECKOUT
from tests.servers import free_port


@pytest.fixture(params=[True, False], ids=["alive", "stuck"])
def alive(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def port(alive: bool) -> Iterator[int]:
    """A service that is alive, or one whose loop has not turned."""

    def answer(_: Request) -> Response:
        return json_response(200, {"status": "alive"}) if alive else error_response(503, "it has not turned")

    server = HttpServer("127.0.0.1", 0, {("GET", "/healthz"): answer})
    server.start()
    yield int(server.url.rsplit(":", 1)[1])
    server.close()


def expect(wrong: str | None, alive: bool) -> None:
    assert wrong is None if alive else (wrong is not None and "it has not turned" in wrong)


@pytest.mark.parametrize("host", [None, "0.0.0.0", "::", "127.0.0.1"])  # noqa: S104  (asked, not bound)
def test_it_asks_the_port_that_is_set(port: int, alive: bool, host: str | None) -> None:
    given = {} if host is None else {"STREAMGAUGE_HTTP_HOST": host}
    expect(check({"STREAMGAUGE_HTTP_PORT": str(port), **given}), alive)


def test_it_finds_a_service_at_its_default_port(port: int, alive: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(healthcheck, "DEFAULT_PORTS", (free_port(), port))
    expect(check({}), alive)


def test_nothing_that_listens_is_said_with_what_to_do() -> None:
    port = free_port()
    assert check({"STREAMGAUGE_HTTP_PORT": str(port)}) == (
        f"nothing listens on {port}; set STREAMGAUGE_HTTP_PORT to the service's port"
    )


def test_a_service_that_does_not_answer_in_time_is_not_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(healthcheck, "TIMEOUT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        wrong = check({"STREAMGAUGE_HTTP_PORT": str(silent.getsockname()[1])})
    assert wrong is not None
    assert "does not answer" in wrong


def test_the_exit_status_is_the_verdict(port: int, alive: bool) -> None:
    environment = {**os.environ, "STREAMGAUGE_HTTP_PORT": str(port), "PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(
        [sys.executable, "-m", "core.healthcheck"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == (0 if alive else 1)
    assert bool(done.stderr) is not alive


@pytest.mark.parametrize("text", ["", "http", "0x1f90", "70000", "-1"])
def test_a_port_that_is_none_is_a_sentence(text: str) -> None:
    wrong = check({"STREAMGAUGE_HTTP_PORT": text})
    assert wrong is not None

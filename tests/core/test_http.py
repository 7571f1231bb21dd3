"""HTTP of a service: routes, limits, and an end that leaves nothing behind."""

from __future__ import annotations

import http.client
import json
import logging
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from core.errors import UsageError
from core.http import MAX_BODY_BYTES, MAX_HEADER_BYTES, HttpServer, Response, json_response

TIMEOUT_S = 20.0


def _echo(body: bytes) -> Response:
    return json_response(200, {"bytes": len(body)})


def _broken(_: bytes) -> Response:
    raise RuntimeError("a fault")


ROUTES = {("GET", "/state"): _echo, ("POST", "/echo"): _echo, ("GET", "/broken"): _broken}


@pytest.fixture
def server() -> Iterator[HttpServer]:
    server = HttpServer("127.0.0.1", 0, ROUTES, timeout_s=1)
    server.start()
    yield server
    server.close()


@pytest.fixture
def client(server: HttpServer) -> Iterator[http.client.HTTPConnection]:
    client = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=TIMEOUT_S)
    yield client
    client.close()


def _ask(
    client: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None
) -> tuple[int, bytes]:
    client.request(method, path, body)
    response = client.getresponse()
    return response.status, response.read()


def test_routes_answer_and_a_connection_serves_many_requests(client: http.client.HTTPConnection) -> None:
    for size in (0, 1, MAX_BODY_BYTES):
        assert _ask(client, "POST", "/echo", b"x" * size) == (200, b'{"bytes":%d}\n' % size)
    assert _ask(client, "GET", "/state?x=1")[0] == 200


def test_unknown_paths_are_404_and_wrong_methods_405_in_json(client: http.client.HTTPConnection) -> None:
    status, body = _ask(client, "GET", "/nothing")
    assert status == 404
    assert "/echo" in json.loads(body)["error"]
    for method, path, allowed in (
        ("GET", "/echo", "POST"),
        ("DELETE", "/state", "GET"),
        ("HEAD", "/echo", "POST"),
    ):
        client.request(method, path)
        response = client.getresponse()
        body = response.read()
        assert (response.status, response.headers["Allow"]) == (405, allowed)
        assert body == b"" if method == "HEAD" else "error" in json.loads(body)


def test_head_has_the_headers_of_get_and_no_body(client: http.client.HTTPConnection) -> None:
    client.request("HEAD", "/state")
    response = client.getresponse()
    assert (response.status, response.headers["Content-Length"], response.read()) == (200, "12", b"")


def test_a_body_over_the_limit_is_413(client: http.client.HTTPConnection) -> None:
    assert _ask(client, "POST", "/echo", b"x" * (MAX_BODY_BYTES + 1))[0] == 413


def test_a_chunked_body_over_the_limit_is_413(server: HttpServer) -> None:
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname or "", address.port or 0), TIMEOUT_S) as client:
        client.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.sendall(b"%x\r\n" % (2 * MAX_BODY_BYTES) + b"x" * (MAX_BODY_BYTES + 100_000))
        assert client.recv(100).startswith(b"HTTP/1.1 413")


def test_a_head_over_the_limit_is_431(client: http.client.HTTPConnection) -> None:
    client.request("GET", "/state", headers={"X-Long": "x" * MAX_HEADER_BYTES})
    assert client.getresponse().status == 431


def test_a_fault_is_500_in_json_and_logged(
    client: http.client.HTTPConnection, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        status, body = _ask(client, "GET", "/broken")
    assert status == 500
    assert "fault of the service" in json.loads(body)["error"]
    assert "a fault" in caplog.text


@pytest.mark.parametrize("drip", [False, True])
def test_a_client_that_does_not_finish_its_request_is_cut_even_if_it_drips(server: HttpServer, drip: bool) -> None:
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname or "", address.port or 0), TIMEOUT_S) as client:
        client.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
        client.settimeout(0.1 if drip else TIMEOUT_S)
        for _ in range(100):
            try:
                received = client.recv(100)
            except TimeoutError:
                client.sendall(b"x")
            else:
                assert received == b""
                return
    pytest.fail("it was never cut")


def test_closing_frees_the_port_and_ends_its_threads_with_clients_connected(
    server: HttpServer, client: http.client.HTTPConnection
) -> None:
    assert _ask(client, "GET", "/state")[0] == 200
    server.close()
    port = urlsplit(server.url).port or 0
    again = HttpServer("127.0.0.1", port, ROUTES)
    again.close()
    assert [thread.name for thread in threading.enumerate() if thread.name == "http"] == []


def test_an_address_that_cannot_be_bound_is_a_usage_error(server: HttpServer) -> None:
    port = urlsplit(server.url).port or 0
    with pytest.raises(UsageError, match=f"127.0.0.1:{port} .*Address already in use.*--http-port"):
        HttpServer("127.0.0.1", port, ROUTES)
    with pytest.raises(UsageError, match=r"no\.such\.host\.invalid"):
        HttpServer("no.such.host.invalid", 0, ROUTES)

"""HTTP of a service: routes, limits, and an end that leaves nothing behind."""

from __future__ import annotations

import contextlib
import http.client
import json
import logging
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from core.errors import UsageError
from core.http import MAX_BODY_BYTES, MAX_HEADER_BYTES, HttpServer, Request, Response, json_response

TIMEOUT_S = 20.0


def _echo(request: Request) -> Response:
    return json_response(200, {"bytes": len(request.body)})


def _broken(_: Request) -> Response:
    raise RuntimeError("a fault")


def _read_headers(request: Request) -> Response:
    return json_response(200, [request.header(name) for name in ("Authorization", "content-type", "X-Not-Sent")])


ROUTES = {
    ("POST", "/headers"): _read_headers,
    ("GET", "/state"): _echo,
    ("POST", "/echo"): _echo,
    ("GET", "/broken"): _broken,
}


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


def test_a_handler_reads_a_header_by_its_name_and_none_is_empty(client: http.client.HTTPConnection) -> None:
    for name in ("authorization", "AUTHORIZATION"):
        client.request("POST", "/headers", b"", {name: "Bearer of news", "Content-Type": "a/b"})
        assert json.loads(client.getresponse().read()) == ["Bearer of news", "a/b", ""]
    client.putrequest("POST", "/headers")
    for value in ("one", "two"):
        client.putheader("Authorization", value)
    client.endheaders(b"")
    assert json.loads(client.getresponse().read())[0] == "one, two"


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


def _refusal(response: http.client.HTTPResponse) -> tuple[int, str]:
    """Status and sentence of what the server refuses before a route sees it."""
    assert response.headers["Content-Type"] == "application/json"
    return response.status, json.loads(response.read())["error"]


def test_a_body_over_the_limit_is_413(client: http.client.HTTPConnection) -> None:
    client.putrequest("POST", "/echo")
    client.putheader("Content-Length", str(MAX_BODY_BYTES + 1))
    client.endheaders()  # the answer comes before the body, which nobody would read
    assert _refusal(client.getresponse()) == (413, f"the body is larger than {MAX_BODY_BYTES} bytes")


def test_a_chunked_body_over_the_limit_is_413(client: http.client.HTTPConnection) -> None:
    client.putrequest("POST", "/echo")
    client.putheader("Transfer-Encoding", "chunked")
    client.endheaders()
    size = b"%x\r\n" % (2 * MAX_BODY_BYTES)
    client.send(size + b"x" * (MAX_BODY_BYTES + 1 - len(size)))  # not a byte more than is read
    assert _refusal(client.getresponse()) == (413, f"the body is larger than {MAX_BODY_BYTES} bytes")


def test_a_head_over_the_limit_is_431(client: http.client.HTTPConnection) -> None:
    client.request("GET", "/state", headers={"X-Long": "x" * MAX_HEADER_BYTES})
    assert _refusal(client.getresponse()) == (
        431,
        f"the head of the request is larger than {MAX_HEADER_BYTES} bytes",
    )


@pytest.mark.parametrize(
    ("name", "value", "refusal"),
    [
        ("Content-Length", "many", (400, "Content-Length is invalid")),
        ("Transfer-Encoding", "gzip", (501, "Transfer-Encoding requested is not supported.")),
    ],
)
def test_what_is_no_request_is_refused_in_json(
    client: http.client.HTTPConnection, name: str, value: str, refusal: tuple[int, str]
) -> None:
    client.putrequest("POST", "/echo")
    client.putheader(name, value)
    client.endheaders()
    assert _refusal(client.getresponse()) == refusal


def test_a_crowd_of_silent_connections_shuts_nobody_out() -> None:
    server = HttpServer("127.0.0.1", 0, ROUTES)
    server.start()
    try:
        with contextlib.ExitStack() as crowd:
            for _ in range(150):
                crowd.enter_context(_connect(server))
            client = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=TIMEOUT_S)
            crowd.callback(client.close)
            assert _ask(client, "GET", "/state")[0] == 200
    finally:
        server.close()


def test_a_client_that_never_sent_a_byte_is_cut_sooner_than_one_that_did(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.http.SILENT_S", 0.1)
    server = HttpServer("127.0.0.1", 0, ROUTES)
    server.start()
    try:
        client = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=TIMEOUT_S)
        assert _ask(client, "GET", "/state")[0] == 200
        kept = client.sock
        with _connect(server) as silent:
            assert silent.recv(1) == b""
        assert _ask(client, "GET", "/state")[0] == 200
        assert client.sock is kept  # not made anew
        client.close()
    finally:
        server.close()


def _connect(server: HttpServer) -> socket.socket:
    address = urlsplit(server.url)
    return socket.create_connection((address.hostname or "", address.port or 0), TIMEOUT_S)


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

"""What strangers may send to a service's HTTP port: it answers or cuts them, and goes on."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from core.http import SHOWN_CHARACTERS, HttpServer, Request, Response, json_response
from core.model_file import ModelFile
from scorer.model_watcher import ProductionModel
from scorer.predict_api import MAX_RECORDS, predict_handler
from tests.security.story import until

TIMEOUT_S = 20.0


def _echo(request: Request) -> Response:
    return json_response(200, {"bytes": len(request.body)})


@pytest.fixture
def server(caplog: pytest.LogCaptureFixture) -> Iterator[HttpServer]:
    """A server whose log stays empty, whatever it is sent."""
    server = HttpServer("127.0.0.1", 0, {("GET", "/state"): _echo, ("POST", "/echo"): _echo})
    server.start()
    with caplog.at_level(logging.INFO):
        yield server
        server.close()
    assert [record.getMessage() for record in caplog.records if record.name.startswith("waitress")] == []


def _ask(server: HttpServer, request: bytes) -> tuple[int, bytes, bytes]:
    """Status, headers and body of the answer to bytes after which the server closes the connection."""
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname or "", address.port or 0), TIMEOUT_S) as client:
        client.sendall(request)
        answer = b"".join(iter(lambda: client.recv(65_536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), head, body


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET http://[ HTTP/1.1\r\n\r\n", 400),
        (b"GET /\xff%00 HTTP/1.1\r\n\r\n", 400),
        (b"GET /state HTTP/1.1\r\nX: a\x00b\r\n\r\n", 400),
        (b"GET /state HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"get /state HTTP/1.1\r\n\r\n", 400),
        (b"\x16\x03\x01 TLS hello\r\n\r\n", 400),
        (b"POST /echo HTTP/1.1\r\nContent-Length: " + b"9" * 5_000 + b"\r\n\r\n", 400),
        (b"POST /echo HTTP/1.1\r\nContent-Length: -5\r\n\r\nhello", 400),
        (b"POST /echo HTTP/1.1\r\nContent-Length: +5\r\n\r\nhello", 400),
        (b"POST /echo HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 4\r\n\r\nhello", 400),
        (b"POST /echo HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n", 400),
        (b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n", 400),
        (b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", 501),
        (b"GET /../../etc/passwd HTTP/1.0\r\n\r\n", 404),
        (b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.0\r\n\r\n", 404),
        (b"GET /state%0d%0aX-Evil:%201 HTTP/1.0\r\n\r\n", 404),
        (b"PRI * HTTP/2.0\r\n\r\n", 404),
        (b"TRACE /state HTTP/1.0\r\nX-Secret: 1\r\n\r\n", 405),
        (b"BREW /state HTTP/1.0\r\n\r\n", 405),
    ],
)
def test_what_no_client_should_send_is_refused_in_one_sentence(
    server: HttpServer, request_bytes: bytes, status: int
) -> None:
    answered, head, body = _ask(server, request_bytes)
    assert answered == status
    assert set(json.loads(body)) == {"error"}
    assert b"nosniff" in head
    assert b"X-Evil" not in head
    assert _ask(server, b"GET /state HTTP/1.0\r\n\r\n")[0] == 200


@pytest.mark.parametrize("request_bytes", [b"GET /state\r\n\r\n", b"GET /state HTTP/1.0\r\n\r\n"])
def test_old_clients_are_answered_and_the_connection_ends(server: HttpServer, request_bytes: bytes) -> None:
    status, head, body = _ask(server, request_bytes)
    assert (status, body) == (200, b'{"bytes":0}\n')
    assert b"Connection: close" in head


def test_pipelined_requests_are_answered_in_their_order(server: HttpServer) -> None:
    requests = [b"POST /echo HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (n, b"x" * n) for n in range(50)]
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname or "", address.port or 0), TIMEOUT_S) as client:
        client.sendall(b"".join(requests) + b"GET /state HTTP/1.0\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(65_536), b""))
    assert [json.loads(part.split(b"\n", 1)[0])["bytes"] for part in answer.split(b"\r\n\r\n")[1:]] == [
        *range(50),
        0,
    ]


def test_a_long_path_or_method_is_not_repeated_in_full(server: HttpServer) -> None:
    for line in (b"GET /" + b"a" * 15_000, b"A" * 15_000 + b" /state"):
        _, _, body = _ask(server, line + b" HTTP/1.0\r\n\r\n")
        assert len(body) < SHOWN_CHARACTERS + 100


def test_a_body_that_is_shorter_than_it_says_reaches_no_route(server: HttpServer) -> None:
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname or "", address.port or 0), TIMEOUT_S) as client:
        client.sendall(b"POST /echo HTTP/1.1\r\nContent-Length: 10\r\n\r\nhello")
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100) == b""


@pytest.mark.parametrize("sips", [False, True])
def test_a_client_that_does_not_take_its_answer_is_cut_even_if_it_sips(sips: bool) -> None:
    size_bytes, taken_bytes = 64 * 1024 * 1024, 0
    server = HttpServer(
        "127.0.0.1", 0, {("GET", "/large"): lambda _: Response(200, bytes(size_bytes))}, timeout_s=1
    )
    server.start()

    def cut() -> bool:
        nonlocal taken_bytes
        if sips:
            taken_bytes += len(client.recv(100_000))
        return not server._server.active_channels

    try:
        address = urlsplit(server.url)
        with socket.create_connection((address.hostname or "", address.port or 0), TIMEOUT_S) as client:
            client.sendall(b"GET /large HTTP/1.1\r\n\r\n")
            assert client.recv(1) == b"H"
            until(cut)
    finally:
        server.close()
    assert taken_bytes < size_bytes / 2


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"[" * 1_000_000, "not JSON"),
        (b'{"a":' * 200_000, "not JSON"),
        (b'{"a":' + b"9" * 1_000_000 + b',"b":1}', "not finite"),
        (b'{"a":1e' + b"9" * 1_000_000 + b',"b":1}', "not finite"),
        (b'{"a":"' + b"9" * 1_000_000 + b'","b":1}', "beyond the range"),
        (b'{"a":"\xff"}', "not JSON"),
        (b'{"a":"\\ud800","b":1}', "decimal number"),
        (b'{"\\ud800":1,"\\ud800":2}', "occurs twice"),
        (b"{" + b",".join(b'"%d":1' % number for number in range(100_000)) + b',"7":1}', "'7' occurs twice"),
    ],
    ids=[
        "deep list",
        "deep object",
        "long integer",
        "long exponent",
        "long text",
        "no UTF-8",
        "surrogate",
        "surrogate name",
        "many names",
    ],
)  # fmt: skip  (one line a case)
def test_hostile_json_is_a_short_400(model_file: ModelFile, body: bytes, said: str) -> None:
    answer = predict_handler(lambda: ProductionModel("0123456789ab", 1, 1, model_file))(Request(body=body))
    assert answer.status == 400
    assert said in json.loads(answer.body)["error"]
    assert len(answer.body) < 300


def test_more_records_than_memory_is_meant_for_are_a_413(model_file: ModelFile) -> None:
    predict = predict_handler(lambda: ProductionModel("0123456789ab", 1, 1, model_file))
    record = b'{"a":1,"b":2}'
    assert predict(Request(body=b"[" + b",".join([record] * MAX_RECORDS) + b"]")).status == 200
    answer = predict(Request(body=b"[" + b",".join([record] * (MAX_RECORDS + 1)) + b"]"))
    assert (answer.status, json.loads(answer.body)["error"]) == (
        413,
        f"{MAX_RECORDS + 1} records are too many; send at most {MAX_RECORDS} at once",
    )

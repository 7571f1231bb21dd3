"""HTTP of a service: a few routes on waitress, with size and time limits."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import waitress.server
from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.task import ErrorTask, WSGITask

from core.errors import UsageError

#: Largest request body; /predict takes some thousand records in it.
MAX_BODY_BYTES = 1024 * 1024
#: Largest request head.
MAX_HEADER_BYTES = 16 * 1024
#: A client that has not sent its whole request by then, or not taken its answer, or asks for nothing, is cut off.
CHANNEL_TIMEOUT_S = 30
#: A client that has sent nothing at all is cut off sooner: its first byte comes with the connection as a rule, so
#: silence is a port scan or a forgotten socket, and each one keeps a place that a probe may need.
SILENT_S = 5
#: How often that is looked at.
CLEANUP_EVERY_S = 1
#: Most connections at once, well below the 1,024 files that a process may usually have open. The listening socket
#: and the server's own trigger count, too.
MAX_CONNECTIONS = 512
#: How long an end waits for requests that are being answered.
CLOSE_S = 2.0
#: How much of a path or method an error repeats.
SHOWN_CHARACTERS = 100
_THREADS = 4

_log = logging.getLogger(__name__)

#: Headers of every answer: none is kept by a cache, or taken for something else by a browser.
_ALWAYS = (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))
_STATUS = {
    200: "200 OK",
    400: "400 Bad Request",
    401: "401 Unauthorized",
    403: "403 Forbidden",
    404: "404 Not Found",
    405: "405 Method Not Allowed",
    413: "413 Content Too Large",
    415: "415 Unsupported Media Type",
    431: "431 Request Header Fields Too Large",
    500: "500 Internal Server Error",
    503: "503 Service Unavailable",
}


@dataclass(frozen=True)
class Request:
    """What a client asks, whole."""

    body: bytes = b""
    environ: Mapping[str, Any] = field(default_factory=dict)  #: as WSGI has it

    def header(self, name: str) -> str:
        """A header by its name, empty where it was not sent; one sent twice is joined.

        Looked up when asked for: a prediction, which asks for none, costs nothing more.
        """
        variable = name.upper().replace("-", "_")
        return str(self.environ.get("CONTENT_TYPE" if variable == "CONTENT_TYPE" else f"HTTP_{variable}", ""))


@dataclass(frozen=True)
class Response:
    """An answer."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()  #: further ones


Handler = Callable[[Request], Response]
#: Handlers by (method, path).
Routes = Mapping[tuple[str, str], Handler]


def json_response(status: int, value: object) -> Response:
    """An answer in JSON, ended with a newline for people at a terminal."""
    return Response(status, msgspec.json.encode(value) + b"\n")


def error_response(status: int, sentence: str) -> Response:
    """An error in JSON."""
    return json_response(status, {"error": sentence})


class _JsonError:
    """What waitress refuses by itself, in the form of every other error. It asks for code, reason and answer."""

    def __init__(self, code: int, reason: str, sentence: str) -> None:
        self.code = code
        self.reason = reason
        self.body = {
            413: f"the body is larger than {MAX_BODY_BYTES} bytes",
            431: f"the head of the request is larger than {MAX_HEADER_BYTES} bytes",
        }.get(code, sentence)

    def to_response(self, _ident: str | None = None) -> tuple[str, list[tuple[str, str]], bytes]:
        """Status line, headers, body."""
        answer = error_response(self.code, self.body)
        status = _STATUS.get(self.code, f"{self.code} {self.reason}")
        return status, [("Content-Type", answer.content_type), *_ALWAYS], answer.body


class _ErrorTask(ErrorTask):  # type: ignore[misc]  # waitress ships no types
    """Answers a request that waitress refused."""

    def execute(self) -> None:
        """Answer in JSON."""
        error = self.request.error
        self.request.error = _JsonError(error.code, error.reason, error.body)
        super().execute()


class _Task(WSGITask):  # type: ignore[misc]  # waitress ships no types
    """Answers a request with one packet where waitress sends two: a tenth of the time of a prediction."""

    wrote_header: bool

    def write(self, data: bytes) -> None:
        """Send the head, and the body behind it."""
        if self.wrote_header or not self.has_body or not data or self.content_length != len(data):
            super().write(data)
            return
        self.content_bytes_written = len(data)
        self.channel.write_soon(self.build_response_header() + data)
        self.wrote_header = True


class _Parser(HTTPRequestParser):  # type: ignore[misc]  # waitress ships no types
    """Refuses heads that waitress would stumble over, or that a proxy before it may read in another way."""

    def parse_header(self, header_plus: bytes) -> None:
        """Read the head of a request. Raises ParsingError."""
        try:
            super().parse_header(header_plus)
        except ValueError as error:  # "http://[", or a Content-Length of 5,000 digits
            raise ParsingError("the head of the request cannot be read") from error
        if self.chunked and "CONTENT_LENGTH" in self.headers:
            raise ParsingError("send Content-Length or Transfer-Encoding, not both")


class _Channel(HTTPChannel):  # type: ignore[misc]  # waitress ships no types
    """A client's connection. Its silence counts from the first byte of a request, or of an answer: dripping or
    sipping does not keep it open.
    """

    parser_class = _Parser
    task_class = _Task
    error_task_class = _ErrorTask
    _began_s = 0.0
    _will_close = False

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # the first byte sets it to its own time
        self.last_activity -= max(0, self.adj.channel_timeout - SILENT_S)

    def received(self, data: bytes) -> bool:
        """Take bytes of a request."""
        more = bool(super().received(data))
        if self.request is None:
            self._began_s = 0.0
        else:
            self._began_s = self._began_s or time.time()
            self.last_activity = self._began_s
        return more

    @property
    def will_close(self) -> bool:
        """Whether it is to be closed, whatever is still unsent."""
        return self._will_close

    @will_close.setter
    def will_close(self, value: bool) -> None:
        self._will_close = value
        if value:  # waitress waits until the client takes bytes again, which one that reads nothing never does
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)

    def _flush_some(self, do_close: bool = True) -> bool:
        before_s = self.last_activity
        sent = bool(super()._flush_some(do_close=do_close))
        if self.total_outbufs_len:
            self.last_activity = before_s
        return sent


class HttpServer:
    """Serves routes from a background thread.

    Raises
    ------
    UsageError
        The address cannot be bound.
    """

    def __init__(self, host: str, port: int, routes: Routes, timeout_s: float = CHANNEL_TIMEOUT_S) -> None:
        self._routes = routes
        listener = _listen(host, port)
        self._server = waitress.server.create_server(
            self._application,
            sockets=[listener],
            threads=_THREADS,
            max_request_body_size=MAX_BODY_BYTES + 1,  # waitress refuses that size itself
            max_request_header_size=MAX_HEADER_BYTES + 1,  # as above
            connection_limit=MAX_CONNECTIONS,
            channel_timeout=timeout_s,
            cleanup_interval=min(CLEANUP_EVERY_S, timeout_s),
            asyncore_use_poll=True,
            ident="streamgauge",
            clear_untrusted_proxy_headers=True,
        )
        self._server.channel_class = _Channel
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self._server.effective_port}"
        self._thread = threading.Thread(target=self._server.run, name="http", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Finish what is being answered, cut every connection and free the port."""
        self._server.task_dispatcher.shutdown(timeout=CLOSE_S)
        connections = self._server._map  # noqa: SLF001  (waitress closes the listening socket alone)
        if self._thread.is_alive():  # its loop may be looking at them: they are closed there
            self._server.trigger.pull_trigger(lambda: wasyncore.close_all(connections))
            self._thread.join(CLOSE_S)
        else:
            wasyncore.close_all(connections)

    def _application(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        try:
            response = self._answer(method, path, environ)
        except Exception:  # noqa: BLE001  (logged; a request must not end without an answer)
            _log.exception("%s %s failed", method, path)
            response = error_response(500, "this is a fault of the service; its log says more")
        headers = [
            ("Content-Type", response.content_type),
            ("Content-Length", str(len(response.body))),
            *_ALWAYS,
            *response.headers,
        ]
        if response.status == 405:
            headers.append(("Allow", ", ".join(self._methods(path))))
        start_response(_STATUS[response.status], headers)
        return [b"" if method == "HEAD" else response.body]

    def _answer(self, method: str, path: str, environ: dict[str, Any]) -> Response:
        handler = self._routes.get(("GET" if method == "HEAD" else method, path))
        if handler is not None:
            return handler(Request(environ["wsgi.input"].read(), environ))
        if methods := self._methods(path):
            return error_response(405, f"{path} takes {' or '.join(methods)}, not {method[:SHOWN_CHARACTERS]}")
        paths = ", ".join(sorted({known for _, known in self._routes}))
        return error_response(404, f"there is no {path[:SHOWN_CHARACTERS]} here; there are {paths}")

    def _methods(self, path: str) -> list[str]:
        """What a path takes; nothing where there is no such path."""
        return sorted(method for method, known in self._routes if known == path)


def _listen(host: str, port: int) -> socket.socket:
    """A socket bound to the first address of a host. Raises UsageError."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except (OSError, UnicodeError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or error
        raise UsageError(
            f"cannot listen on {host}:{port} ({why}); choose another --http-port (0 for any) or --http-host"
        ) from error
    return listener

"""The least that asks an HTTP service: one kept-alive socket, requests packed once, replies read to their end."""

from __future__ import annotations

import json
import re
import socket
from typing import Any

from core.errors import UsageError

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_RECEIVE_BYTES = 65_536
#: A service that is silent for longer has failed.
_TIMEOUT_S = 30.0


class HttpClient:
    """One connection to a service on this machine."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), _TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def post(self, request: bytes) -> bytes:
        """Send a packed request; the body of the reply. Raises UsageError where it is not a 200 with a length."""
        self._socket.sendall(request)
        data = b""
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._receive()
        head, body = data[:end], data[end + 4 :]
        length = _LENGTH.search(head)
        if not head.split(b" ", 2)[1] == b"200" or length is None:
            raise UsageError(f"a service answered {head.splitlines()[0].decode()} {body[:200].decode()}")
        while len(body) < int(length[1]):
            body += self._receive()
        return body

    def _receive(self) -> bytes:
        data = self._socket.recv(_RECEIVE_BYTES)
        if not data:
            raise UsageError("a service closed the connection in mid-reply; start it by hand to see why")
        return data

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def pack_post(path: str, document: Any) -> bytes:
    """A POST of a JSON document."""
    body = json.dumps(document).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    )
    return head.encode() + b"\r\n\r\n" + body

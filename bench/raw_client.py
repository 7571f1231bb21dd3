"""The least that talks to the server: a socket, hiredis packing and hiredis reading."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import hiredis

#: Bytes asked of the socket at once.
_RECEIVE_BYTES = 1024 * 1024
#: A server that is silent for longer has failed.
_TIMEOUT_S = 60.0

Argument = str | bytes | int | float


class RawClient:
    """One socket to the server."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), _TIMEOUT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = hiredis.Reader()

    def send(self, data: bytes) -> None:
        """Send packed commands."""
        self.socket.sendall(data)

    def reply(self) -> Any:
        """The next reply; an error reply is raised."""
        while (found := self._reader.gets()) is False:
            data = self.socket.recv(_RECEIVE_BYTES)
            if not data:
                raise ConnectionError("the server closed the connection")
            self._reader.feed(data)
        if isinstance(found, hiredis.ReplyError):
            raise found
        return found

    def ready(self) -> Any:
        """A reply that has come whole already, else False."""
        return self._reader.gets()

    def receive(self) -> None:
        """Take in what the socket has; it must be readable."""
        self._reader.feed(self.socket.recv(_RECEIVE_BYTES))

    def call(self, *arguments: Argument) -> Any:
        """Send one command and return its reply."""
        self.send(pack(*arguments))
        return self.reply()

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()


@contextmanager
def raw_client(port: int) -> Iterator[RawClient]:
    """A client for the time of a ``with`` block."""
    client = RawClient(port)
    try:
        yield client
    finally:
        client.close()


def pack(*arguments: Argument) -> bytes:
    """One command as the server reads it."""
    packed: bytes = hiredis.pack_command(arguments)  # type: ignore[arg-type]  # its stub says: a tuple of one
    return packed

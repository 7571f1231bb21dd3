"""A TCP proxy before a server that cuts connections where a test says, and can be pointed at another server."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

#: More than any test sends at once.
_CHUNK_BYTES = 1 << 20


@dataclass
class _Cut:
    """Where to cut: at the request that holds ``word``, or so many bytes into what is answered from then on."""

    word: bytes
    answer: bytes = b""
    after_bytes: int = 0
    request: bool = False


class Proxy:
    """Forwards to the server of ``url``.

    One thread a connection and direction. ``cuts`` counts the connections that were cut as asked.
    """

    def __init__(self, url: str) -> None:
        self._target = _address(url)
        self._lock = threading.Lock()
        self._cut: _Cut | None = None
        self._armed: socket.socket | None = None
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._open = threading.Event()
        self._open.set()
        self._refuses = False
        self.cuts = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_next(self, word: bytes, answer: bytes = b"", after_bytes: int = 0) -> None:
        """Let the next request that holds ``word`` through, and cut behind ``after_bytes`` bytes of its reply.

        With ``answer`` only a reply that holds it counts.
        """
        self._cut = _Cut(word, answer, after_bytes)

    def cut_request(self, word: bytes, after_bytes: int) -> None:
        """Let only the first ``after_bytes`` bytes of the next request that holds ``word`` through, then cut."""
        self._cut = _Cut(word, b"", after_bytes, request=True)

    def hold(self) -> None:
        """Forward nothing until :meth:`let_go`: a server that hangs."""
        self._open.clear()

    def let_go(self) -> None:
        """Forward again, what was held back too."""
        self._open.set()

    def switch(self, url: str) -> None:
        """Point at another server and cut every connection: a failover behind one address."""
        self._target = _address(url)
        self.cut_all()

    def refuse(self) -> None:
        """Cut every connection, and each new one, until :meth:`accept`: a server that is down."""
        self._refuses = True
        self.cut_all()

    def accept(self) -> None:
        """Take connections again."""
        self._refuses = False

    def cut_all(self) -> None:
        """Cut every connection."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            _close(*pair)

    def close(self) -> None:
        """Accept nothing more and cut everything: a server that is gone."""
        self._open.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut_all()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._refuses:
                client.close()
                continue
            try:
                server = socket.create_connection(self._target)
            except OSError:
                client.close()
                continue
            with self._lock:
                self._pairs.append((client, server))
            for pump in (self._requests, self._replies):
                threading.Thread(target=pump, args=(client, server), daemon=True).start()

    def _requests(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while request := client.recv(_CHUNK_BYTES):
                self._open.wait()
                cut = self._cut
                if cut is not None and cut.word in request:
                    if cut.request:
                        server.sendall(request[: cut.after_bytes])
                        self._made(cut)
                        break
                    self._armed = client
                server.sendall(request)
        _close(client, server)

    def _replies(self, client: socket.socket, server: socket.socket) -> None:
        passed = 0
        with suppress(OSError):
            while reply := server.recv(_CHUNK_BYTES):
                self._open.wait()
                cut = self._cut
                if cut is not None and self._armed is client and (passed or cut.answer in reply):
                    if passed + len(reply) >= cut.after_bytes:
                        client.sendall(reply[: cut.after_bytes - passed])
                        self._made(cut)
                        break
                    passed += len(reply)
                client.sendall(reply)
        _close(client, server)

    def _made(self, cut: _Cut) -> None:
        with self._lock:
            if self._cut is cut:
                self._cut = self._armed = None
                self.cuts += 1


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "127.0.0.1", parts.port or 6379


def _close(*sockets: socket.socket) -> None:
    """End both directions, so that whoever reads there wakes up."""
    for one in sockets:
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()

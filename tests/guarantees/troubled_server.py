"""A server of a test's own, of either kind, that gets into every trouble and is started again on its data."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from core.connection import Connection
from tests.producer.own_server import OwnServer
from tests.servers import PATIENCE_S, server_program


class TroubledServer(OwnServer):
    """Valkey or Redis; ``durable`` with an append-only file that is written before each answer.

    Parameters
    ----------
    program
        ``valkey`` or ``redis``.
    """

    def __init__(self, program: str, folder: Path, *, durable: bool = True) -> None:
        super().__init__(
            server_program(program), folder, "--appendonly", "yes" if durable else "no", "--appendfsync", "always"
        )
        self.folder = folder

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it, in order or at once."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(PATIENCE_S)
        self.kill()  # which clears away what has ended

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """It keeps its connections and answers nobody."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    @contextmanager
    def answering(self, error: bytes) -> Iterator[None]:
        """In its place somebody who answers every command with one error; it must not run now."""
        listener = socket.create_server(("127.0.0.1", self.port))
        refusing = threading.Thread(target=_refuse, args=(listener, error), daemon=True)
        refusing.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            refusing.join(20)

    def ask(self, *command: str | int) -> object:
        """Send it one command."""
        with Connection(self.url) as connection:
            return connection.call(*command)


def _refuse(listener: socket.socket, error: bytes) -> None:
    """Each command is an array of strings, so it begins with a star at the beginning of a line."""
    clients: list[socket.socket] = []
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            clients.append(client)
            threading.Thread(target=_refuse_client, args=(client, error), daemon=True).start()
    for client in clients:
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)
        client.close()


def _refuse_client(client: socket.socket, error: bytes) -> None:
    with suppress(OSError):
        while data := client.recv(1 << 20):
            commands = (b"\n" + data).count(b"\n*")
            client.sendall(b"-%b\r\n" % error * commands)

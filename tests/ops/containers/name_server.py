"""Answers what the engines' name server answers: the addresses of a service's containers."""

from __future__ import annotations

import socket
import struct
import threading
from collections import defaultdict
from contextlib import suppress

from tests.servers import PATIENCE_S

#: Types of questions and flags of answers (RFC 1035, 4.1).
_A, _AAAA = 1, 28
_ANSWER, _NO_SUCH_NAME = 0x8580, 0x8583
_TTL_S = 0


class NameServer:
    """Names of services, answered over UDP with the addresses in the network of whoever asks."""

    def __init__(self) -> None:
        self._addresses: defaultdict[str, list[str]] = defaultdict(list)
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def add(self, service: str, address: str) -> None:
        """One more container of a service."""
        self._addresses[service].append(address)

    def remove(self, service: str, address: str) -> None:
        """One less."""
        self._addresses[service].remove(address)

    def listen(self, address: str) -> None:
        """Answer on port 53 of an address of this thread's network."""
        bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        bound.bind((address, 53))
        thread = threading.Thread(target=self._serve, args=(bound,), daemon=True)
        thread.start()
        self._sockets.append(bound)
        self._threads.append(thread)

    def close(self) -> None:
        """Answer no more."""
        for bound in self._sockets:
            with suppress(OSError):  # says that nobody is connected, and wakes the thread
                bound.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE_S)
        for bound in self._sockets:
            bound.close()

    def _serve(self, bound: socket.socket) -> None:
        network = bound.getsockname()[0].rsplit(".", 1)[0]
        while True:
            try:
                question, client = bound.recvfrom(512)
                if not question:
                    return
                bound.sendto(self._answer(question, network), client)
            except OSError:
                return

    def _answer(self, question: bytes, network: str) -> bytes:
        """The reply to one question about one name."""
        end = question.index(b"\0", 12) + 5
        name, kind = _name(question), struct.unpack("!H", question[end - 4 : end - 2])[0]
        known = [each for each in self._addresses.get(name, []) if each.rsplit(".", 1)[0] == network]
        answers = known if kind == _A else []
        head = struct.pack("!2sHHHHH", question[:2], _ANSWER if known else _NO_SUCH_NAME, 1, len(answers), 0, 0)
        records = [
            struct.pack("!HHHIH4s", 0xC00C, _A, 1, _TTL_S, 4, socket.inet_aton(address)) for address in answers
        ]
        return head + question[12:end] + b"".join(records)


def _name(question: bytes) -> str:
    labels, at = [], 12
    while question[at]:
        labels.append(question[at + 1 : at + 1 + question[at]].decode("ascii", "replace"))
        at += 1 + question[at]
    return ".".join(labels).lower()

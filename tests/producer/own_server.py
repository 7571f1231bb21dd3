"""A server of a test's own, that may be killed and started again on its files."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

from tests.servers import PATIENCE_S, free_port


class OwnServer:
    """Valkey or redis-server on a port and a directory that it keeps; not started yet.

    Parameters
    ----------
    program
        Its path.
    options
        As on its command line, without the port and the directory.
    """

    def __init__(self, program: str, directory: Path, *options: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._command = [program, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(directory)]
        self._command += ["--save", "", *options]
        self._process: subprocess.Popen[str] | None = None
        self._reading: threading.Thread | None = None

    def start(self) -> None:
        """Start it, with what its files hold; returns when it is ready."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        ready = threading.Event()
        self._reading = threading.Thread(target=_drain, args=(self._process, ready), daemon=True)
        self._reading.start()
        assert ready.wait(PATIENCE_S), "the server did not become ready"

    def kill(self) -> None:
        """End it at once, as kill -9 does."""
        if self._process is not None and self._reading is not None:
            self._process.kill()
            self._process.wait(PATIENCE_S)
            self._reading.join(PATIENCE_S)


def _drain(process: subprocess.Popen[str], ready: threading.Event) -> None:
    """Read the server's log, so that its pipe never fills, and say when it is ready."""
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            if "Ready to accept connections" in line:
                ready.set()

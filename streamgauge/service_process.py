"""A service as a process of its own, started and watched from here."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from pathlib import Path

from core.errors import UsageError

#: How long a service may take to say that it listens or is ready, on a slow machine.
START_S = 60.0
#: How long it may take to finish its batch and end.
STOP_S = 15.0


class ServiceProcess:
    """One ``python -m <service>``; it says on standard output where it listens and when it is ready.

    Parameters
    ----------
    module
        ``scorer``, ``monitor`` or ``trainer``.
    options
        Settings by name.
    log_path
        Where its log lines go.
    """

    def __init__(self, module: str, options: dict[str, object], log_path: Path) -> None:
        self.module = module
        self.log_path = log_path
        self.http = ""
        self._options = options
        self._events: queue.Queue[dict[str, str]] = queue.Queue()
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start the process; returns at once."""
        command = [sys.executable, "-m", self.module]
        for name, value in self._options.items():
            command += ["--" + name.replace("_", "-"), str(value)]
        self._events = queue.Queue()
        with self.log_path.open("a", encoding="utf-8") as log:
            self._process = subprocess.Popen(  # noqa: S603  (our own module with our own options)
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True
            )
        threading.Thread(target=self._listen, args=(self._process, self._events), daemon=True).start()

    def wait_for(self, event: str) -> str:
        """Wait until the service says ``listening`` or ``ready``; returns its HTTP address.

        Raises
        ------
        UsageError
            It ended, or did not say so in time; the sentence names its log.
        """
        while True:
            try:
                said = self._events.get(timeout=START_S)
            except queue.Empty:
                raise UsageError(
                    f"the {self.module} is not {event} after {START_S:.0f} s; see {self.log_path}"
                ) from None
            if said["event"] == "ended":
                raise UsageError(f"the {self.module} ended while it started; see {self.log_path}")
            self.http = said["http"]
            if said["event"] == event:
                return self.http

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return None if self._process is None else self._process.pid

    def running(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and self._process.poll() is None

    def terminate(self) -> None:
        """Ask it to end; returns at once."""
        if self._process is not None and self.running():
            self._process.terminate()

    def wait(self) -> int | None:
        """Wait for the end, and insist after a while; the exit status."""
        if self._process is None:
            return None
        try:
            return self._process.wait(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    @staticmethod
    def _listen(process: subprocess.Popen[str], events: queue.Queue[dict[str, str]]) -> None:
        assert process.stdout is not None  # noqa: S101  (opened as a pipe above; for the type checker)
        with process.stdout as lines:
            for line in lines:
                if line.startswith("{"):
                    events.put(json.loads(line))
        events.put({"event": "ended"})

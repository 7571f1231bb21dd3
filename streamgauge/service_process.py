"""A service as a process of its own, started and watched from here; it ends when this process does."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path

from core.environment import ENVIRONMENT_PREFIX, FILE_SUFFIX
from core.errors import UsageError

#: How long a service may take to say that it listens or is ready, on a slow machine.
START_S = 60.0
#: How long it may take to finish its batch and end.
STOP_S = 15.0
#: Pause before a service that died is started again; doubled at each death, forgotten when it lived for long.
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
_ROOT = Path(__file__).resolve().parents[1]


class ServiceProcess:
    """One ``python -m <service>``; it says on standard output where it listens and when it is ready.

    Its standard input is a pipe from here: it ends with this process, however that dies, and so does the service.

    Parameters
    ----------
    module
        ``scorer``, ``monitor`` or ``trainer``.
    options
        Settings by name.
    log_path
        Where its log lines go.
    shielded
        Keep this environment's settings and the folder's streamgauge.toml away from it.
    """

    def __init__(self, module: str, options: dict[str, object], log_path: Path, *, shielded: bool = False) -> None:
        self.module = module
        self.log_path = log_path
        self.http = ""
        self._settings = {
            ENVIRONMENT_PREFIX + name.upper(): str(value)
            for name, value in {**options, "stop_with_stdin": True}.items()
        }
        self._shielded = shielded
        self._started_s = 0.0
        self._pause_s = FIRST_PAUSE_S
        self._events: queue.Queue[dict[str, str]] = queue.Queue()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process; returns at once. Its settings travel in the environment, which no other user sees."""
        now_s = time.monotonic()
        lived_long = now_s - self._started_s > LONGEST_PAUSE_S
        self._pause_s = FIRST_PAUSE_S if lived_long else min(2 * self._pause_s, LONGEST_PAUSE_S)
        self._started_s = now_s
        self._events = queue.Queue()
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  (our own module with our own options)
                [sys.executable, "-m", self.module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=self.log_path.parent if self._shielded else None,
                env=self._environment(),
            )
        threading.Thread(target=self._listen, args=(self._process, self._events), daemon=True).start()

    def wait_for(self, event: str) -> str:
        """Wait until the service says ``listening`` or ``ready``; returns its HTTP address.

        Raises
        ------
        UsageError
            It ended, or did not say so in time; the sentence has the service's own, where it left one.
        """
        while True:
            try:
                said = self._events.get(timeout=START_S)
            except queue.Empty:
                raise UsageError(
                    f"the {self.module} is not {event} after {START_S:.0f} s; see its log {self.log_path}"
                ) from None
            if said["event"] == "ended":
                raise UsageError(f"the {self.module} ended while it started: {self._last_words()}")
            self.http = said["http"]
            if said["event"] == event:
                return self.http

    def may_start(self) -> bool:
        """Whether the pause since its last start is over."""
        return time.monotonic() - self._started_s >= self._pause_s

    @property
    def pid(self) -> int | None:
        """Process id, once started."""
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
            status = self._process.wait(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        return status

    def _last_words(self) -> str:
        """The service's own sentence, else where its log is."""
        lines = self.log_path.read_text(encoding="utf-8", errors="replace").splitlines()
        words = [line.removeprefix("streamgauge: ") for line in lines if line.startswith("streamgauge: ")]
        return words[-1] if words else f"see its log {self.log_path}"

    def _environment(self) -> dict[str, str]:
        """Its settings stand for those of this environment, also where those are in files."""
        around = _shielded_environment() if self._shielded else dict(os.environ)
        for name in self._settings:
            around.pop(name + FILE_SUFFIX, None)
        return {**around, **self._settings}

    @staticmethod
    def _listen(process: subprocess.Popen[bytes], events: queue.Queue[dict[str, str]]) -> None:
        assert process.stdout is not None  # noqa: S101  (opened as a pipe above; for the type checker)
        with process.stdout as lines:
            for line in lines:
                if line.startswith(b"{"):
                    events.put(json.loads(line))
        events.put({"event": "ended"})


def _shielded_environment() -> dict[str, str]:
    """This environment without settings of ours; the code is found from any folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ENVIRONMENT_PREFIX)}
    known = [str(_ROOT), *filter(None, [kept.get("PYTHONPATH")])]
    return {**kept, "PYTHONPATH": os.pathsep.join(known)}

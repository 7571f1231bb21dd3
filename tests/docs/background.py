"""A command of a page that runs until Ctrl-C, in a terminal of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

from tests.servers import PATIENCE_S

#: Commands that go on until they are stopped, and the line that says that they do their work.
READY = (
    (r"streamgauge up\b", r"^  scorer +http://"),
    (r"python3? -m (scorer|monitor|trainer)\b", r'"event": ?"ready"'),
    (r"streamgauge shadow \w+$", r"\S"),
    (r"streamgauge status (.* )?--watch\b", r"\S"),
)
_UP = re.compile(r"on redis://([\w.]+:\d+)")
_UP_SERVICE = re.compile(r"^  (scorer|monitor|trainer) +http://([\w.]+:\d+)")


class BackgroundCommand:
    """Starts it, waits for a line that matches ``ready``, and reads on, so that it never waits for us."""

    def __init__(self, place: str, script: str, folder: Path, environment: Mapping[str, str], ready: str) -> None:
        self.place = place
        self.lines: list[str] = []
        self._ready = re.compile(ready)
        self._heard = threading.Event()
        self._process = subprocess.Popen(
            ["/bin/bash", "-c", script],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._heard.wait(PATIENCE_S)
        if not self._is_ready():
            self._end(signal.SIGKILL)
            raise AssertionError(f"{place}: did not get ready, and said\n{''.join(self.lines)}")

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line)
            if self._ready.search(line):
                self._heard.set()
        self._heard.set()

    def _is_ready(self) -> bool:
        return any(self._ready.search(line) for line in list(self.lines))

    def addresses(self) -> dict[str, str]:
        """Host and port of ``server``, ``scorer``, ``monitor`` and ``trainer``, as far as it has said them."""
        found: dict[str, str] = {}
        for line in list(self.lines):
            if server := _UP.search(line):
                found["server"] = server[1]
            if service := _UP_SERVICE.match(line):
                found.setdefault(service[1], service[2])
            if '"event"' in line and "ready" in line:
                said = json.loads(line)
                found[said["service"]] = said["http"].partition("//")[2]
        return found

    def stop(self) -> str:
        """Ctrl-C; what is wrong with how it ended, or nothing."""
        self._end(signal.SIGINT)
        status = self._process.returncode
        return "" if status == 0 else f"{self.place}: ended with status {status} and said\n{''.join(self.lines)}"

    def _end(self, number: signal.Signals) -> None:
        """Send the signal to all of its terminal, as Ctrl-C does; what does not end by it is killed."""
        try:
            if self._process.poll() is None:
                os.killpg(self._process.pid, number)
                self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        assert self._process.stdout is not None
        self._process.stdout.close()

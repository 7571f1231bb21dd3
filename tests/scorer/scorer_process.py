"""A service as a real process whose events and log lines can be waited for."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Self

from prometheus_client.parser import text_string_to_metric_families

CHECKOUT = Path(__file__).resolve().parents[2]
#: How long a test waits for a signal before it fails.
PATIENCE_S = 30.0

Json = dict[str, Any]


class Scorer:
    """``python -m scorer``, or another service; its events and log lines can be waited for.

    It ends when the tests do, however they end; ``with`` ends it with its block.
    """

    def __init__(
        self,
        *options: str,
        module: str = "scorer",
        environment: dict[str, str] | None = None,
        folder: Path = CHECKOUT,
    ) -> None:
        plain = {name: value for name, value in os.environ.items() if not name.startswith("STREAMGAUGE_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, "--http-port", "0", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=plain | {"PYTHONPATH": str(CHECKOUT), "STREAMGAUGE_STOP_WITH_STDIN": "true"} | (environment or {}),
        )
        self.url = ""
        self.log: list[str] = []
        self._events: queue.Queue[Json] = queue.Queue()
        self._lines: queue.Queue[str] = queue.Queue()
        self._threads = [
            threading.Thread(target=self._read_events, daemon=True),
            threading.Thread(target=self._read_log, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end(signal.SIGKILL)

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait_for(self, event: str) -> Json:
        """The next event of a kind; fails where the process ends first."""
        while True:
            said = self._events.get(timeout=PATIENCE_S)
            assert said["event"] != "ended", f"the scorer ended: {self.log}"
            self.url = said["http"]
            if said["event"] == event:
                return said

    def ready(self) -> Scorer:
        self.wait_for("ready")
        return self

    def logged(self, event: str) -> Json:
        """The next log line with an event."""
        while True:
            line: Json = json.loads(self._lines.get(timeout=PATIENCE_S))
            if line["event"] == event:
                return line

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; the exit status."""
        if self.process.poll() is None:
            self.send(number)
        status = self.process.wait(PATIENCE_S)
        assert self.process.stdin is not None
        self.process.stdin.close()
        for thread in self._threads:
            thread.join(PATIENCE_S)
        return status

    def metrics(self) -> dict[str, float]:
        """Samples of /metrics, by name and the values of its labels but the pipeline: ``name:model``."""
        status, body = get(self.url + "/metrics")
        assert status == 200
        return {
            ":".join([sample.name, *(value for label, value in sample.labels.items() if label != "pipeline")]): (
                sample.value
            )
            for family in text_string_to_metric_families(body.decode())
            for sample in family.samples
        }

    def _read_events(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self._events.put(json.loads(line))
        self._events.put({"event": "ended"})

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in lines:
                self.log.append(line)
                self._lines.put(line)


def get(
    url: str, body: bytes | None = None, method: str | None = None, timeout_s: float = PATIENCE_S
) -> tuple[int, bytes]:
    """Status and body of an HTTP request; POST where there is a body."""
    request = urllib.request.Request(url, data=body, method=method)  # noqa: S310  (our own service)
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as response:  # noqa: S310  (as above)
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()

"""The stream behind the page: a server, a model, a scorer, a monitor, and a client at a steady rate."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.live_page.pusher import BLOCK_ROWS
from bench.run import CHECKOUT
from bench.server import BenchServer, running_server
from core.connection import Connection
from core.entry import field_map
from core.keys import PipelineKeys
from core.settings import load_settings
from streamgauge.demo import raisin_like
from streamgauge.demo.row_file import LABEL, POSITIVE, write_rows
from streamgauge.service_process import ServiceProcess
from trainer.commands import fit_table

PIPELINE = "bench"
_KEYS = PipelineKeys(PIPELINE)


@dataclass(frozen=True)
class Stream:
    """What runs."""

    server: BenchServer
    scorer: ServiceProcess
    monitor: ServiceProcess
    connection: Connection

    def pushed(self) -> int:
        """Records that were ever added."""
        return BLOCK_ROWS * self._fact(b"entries-added")

    def unread(self, group: str) -> int:
        """Records that a group has not done with; for the monitors, those that are in no closed window."""
        groups = self.connection.call("XINFO", "GROUPS", _KEYS.partition(0).records)
        waiting = [
            int(facts[b"lag"] or 0) + int(facts[b"pending"])
            for facts in map(field_map, groups)
            if facts[b"name"] == group.encode()
        ]
        return BLOCK_ROWS * sum(waiting)

    def windows(self) -> int:
        """Windows that ever closed."""
        return int(field_map(self.connection.call("XINFO", "STREAM", _KEYS.drift))[b"entries-added"])

    def _fact(self, name: bytes) -> int:
        return int(field_map(self.connection.call("XINFO", "STREAM", _KEYS.partition(0).records))[name])


@contextmanager
def running_stream(folder: Path, rate: float, seed: int) -> Iterator[Stream]:
    """All of it, every service with the settings that it is shipped with; it ends with the block."""
    with ExitStack() as stack:
        server = stack.enter_context(running_server(folder / "server", None))
        place: dict[str, object] = {
            "redis_url": server.url,
            "pipeline": PIPELINE,
            "miniflow": str(folder / "miniflow"),
        }
        table = folder / "train.csv"
        write_rows(table, [raisin_like.draw_rows(seed)])
        fit_table(table, LABEL, POSITIVE, load_settings(place, environment={}, directory=folder))
        services = []
        for name in ("scorer", "monitor"):
            options = {**place, "http_port": 0, "log_level": "warning"}
            service = ServiceProcess(name, options, folder / f"{name}.log", shielded=True)
            stack.callback(service.wait)
            stack.callback(service.terminate)
            service.start()
            service.wait_for("ready")
            services.append(service)
        stack.enter_context(_pusher(server.url, rate, seed))
        yield Stream(server, services[0], services[1], stack.enter_context(Connection(server.url)))


@contextmanager
def _pusher(url: str, rate: float, seed: int) -> Iterator[None]:
    command = [sys.executable, "-m", "bench.live_page.pusher", url, PIPELINE, f"{rate:g}", str(seed)]
    with subprocess.Popen(command, cwd=CHECKOUT, stdin=subprocess.PIPE) as process:
        try:
            yield
        finally:
            assert process.stdin is not None  # noqa: S101  (opened as a pipe above; for the type checker)
            process.stdin.close()

"""What every part of the bench is given: the server, the cores, the amount of work, and where results go."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.machine import pinned
from bench.peers.environment import PeerEnvironment
from bench.report import Report
from bench.server import BenchServer
from bench.table import make_model
from core.connection import Connection
from core.keys import PartitionKeys, PipelineKeys
from core.model_file import ModelFile
from core.redis_registry import RedisRegistry
from streamgauge.service_process import ServiceProcess

CHECKOUT = Path(__file__).resolve().parents[1]
#: The one pipeline of the bench, and its only partition.
KEYS = PipelineKeys("bench")
PARTITION: PartitionKeys = KEYS.partition(0)
#: Run id of the model that the scorers use.
RUN_ID = "0" * 12


@dataclass(frozen=True)
class Run:
    """One run of the bench."""

    report: Report
    server: BenchServer
    server_core: int | None
    client_core: int | None
    seconds: float  #: about how long one measurement takes
    seed: int
    folder: Path  #: for logs and files of this run
    say: Callable[[str], None]  #: what is being done now
    peers: PeerEnvironment

    def connect(self) -> Connection:
        """A connection to the server."""
        return Connection(self.server.url)

    def reset(self, connection: Connection, model: ModelFile | None = None) -> None:
        """An empty server with a model in production; no monitor reads along, so that no scorer waits for it."""
        connection.call("FLUSHALL")
        RedisRegistry(connection, KEYS).promote(RUN_ID, model or make_model(self.seed), 0, "bench")
        connection.call("HSET", KEYS.config, "required_groups", "scorers")

    @contextmanager
    def scorer(self, core: int | None = None, **options: object) -> Iterator[ServiceProcess]:
        """A scorer process on the client's core, started and not waited for; killed in the end."""
        settings = {
            "redis_url": self.server.url,
            "pipeline": KEYS.pipeline,
            "http_port": 0,
            "log_level": "warning",
        }
        log_path = self.folder / f"scorer-{secrets.token_hex(4)}.log"
        scorer = ServiceProcess("scorer", {**settings, **options}, log_path, shielded=True)
        with pinned(self.client_core if core is None else core):
            scorer.start()
        try:
            yield scorer
        finally:
            kill(scorer)

    @contextmanager
    def program(self, *arguments: str, python: Path | None = None) -> Iterator[subprocess.Popen[str]]:
        """``python -m <arguments>`` from the checkout, on the client's core; killed in the end."""
        command = [str(python or sys.executable), "-m", *arguments]
        error_log = (self.folder / f"{arguments[0]}.log").open("w", encoding="utf-8")
        with (
            error_log,
            pinned(self.client_core),
            subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=error_log, cwd=CHECKOUT, text=True
            ) as process,
        ):
            try:
                yield process
            finally:
                process.kill()


def kill(scorer: ServiceProcess) -> None:
    """``kill -9`` where it still runs, and wait for the end."""
    if scorer.pid is not None and scorer.running():
        os.kill(scorer.pid, signal.SIGKILL)
    scorer.wait()

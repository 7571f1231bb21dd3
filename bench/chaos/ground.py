"""A pipeline to attack: server, services, producer and witness, from the first start to the last answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.chaos.collector import Collector
from bench.chaos.faults import Target
from bench.chaos.fleet import Fleet, PusherProcess
from bench.chaos.memory import MemoryWatch
from bench.chaos.proxy import Proxy
from bench.chaos.pusher import Task, read_journal
from bench.chaos.server import ChaosServer, RawClient
from bench.chaos.workload import FIRST_RUN, Workload, first_model
from core.connection import Connection
from core.keys import PipelineKeys
from core.redis_registry import RedisRegistry

PIPELINE = "chaos"
#: Pause between two looks at whether something has come true.
LOOK_S = 0.1
#: Entries that wait for longer than this are taken over.
TAKEOVER_IDLE_MS = 1_500

Turn = Callable[[], None]


@dataclass(frozen=True)
class GroundPlan:
    """How a case sets its pipeline up."""

    seed: int
    records: int
    partitions: int = 2
    keep_ms: int = 24 * 3_600_000
    keep_bytes: int = 16 * 1024**3
    max_backlog_entries: int = 1_000_000


@dataclass
class Ground:
    """A running pipeline."""

    plan: GroundPlan
    workload: Workload
    keys: PipelineKeys
    server: ChaosServer
    proxy: Proxy
    client: RawClient
    fleet: Fleet
    pusher: PusherProcess
    journal: Path
    collector: Collector
    memory: MemoryWatch

    @property
    def target(self) -> Target:
        """What faults need of it."""
        return Target(
            self.server,
            self.proxy,
            self.client,
            self.keys,
            self.plan.partitions,
            self.fleet,
            self.pusher,
            self.journal,
            self.workload.batches,
            TAKEOVER_IDLE_MS / 1000,
        )

    def pushed(self) -> bool:
        """Whether the producer has come to the end."""
        tried, _ = read_journal(self.journal)
        return bool(tried) and tried[-1] == self.workload.batches - 1 and not self.pusher.running()

    def wait(self, reached: Callable[[], bool], patience_s: float, turn: Turn) -> bool:
        """Turn until something has come true; whether it has, in time."""
        deadline_s = time.monotonic() + patience_s
        while not reached():
            if time.monotonic() > deadline_s:
                return False
            turn()
            time.sleep(LOOK_S)
        return True


@contextmanager
def ground(
    plan: GroundPlan, server: ChaosServer, proxy: Proxy, folder: Path, say: Callable[[str], None], witness_url: str
) -> Iterator[Ground]:
    """Set a pipeline up on a running server, one process of each service ready; all end with the block.

    Services and producer come through the proxy, witness and attacker by ``witness_url``.
    """
    keys, url = PipelineKeys(PIPELINE), proxy.url
    workload = Workload(plan.seed, plan.records)
    with Connection(url) as connection:
        RedisRegistry(connection, keys).promote(FIRST_RUN, first_model(plan.seed), 0, "chaos begins")
    fleet = Fleet(folder, {**service_options(plan, folder), "redis_url": url}, say)
    journal = folder / "journal.txt"
    task = Task(url, PIPELINE, plan.seed, plan.records, 0, str(journal), plan.max_backlog_entries)
    pusher = PusherProcess(task, folder / "producer.log")
    client = RawClient(witness_url)
    collector = Collector(witness_url, PIPELINE, plan.partitions, workload)
    memory = MemoryWatch(witness_url, fleet)
    collector.start()
    memory.start()
    try:
        for kind in ("scorer", "monitor", "trainer"):
            fleet.add(kind).process.wait_for("ready")
        yield Ground(plan, workload, keys, server, proxy, client, fleet, pusher, journal, collector, memory)
    finally:
        pusher.close()
        fleet.close()
        memory.stop()
        collector.stop()
        client.close()


def service_options(plan: GroundPlan, folder: Path) -> dict[str, object]:
    """Settings of every service: small reads and short limits, so that faults fall between many steps."""
    return {
        "pipeline": PIPELINE,
        "partitions": plan.partitions,
        "http_port": 0,
        "miniflow": str(folder / "miniflow"),
        "takeover_idle_ms": TAKEOVER_IDLE_MS,
        "read_bytes": 100_000,
        "max_entry_bytes": 128 * 1024,
        "trim_every_ms": 500,
        "records_keep_ms": plan.keep_ms,
        "records_keep_bytes": plan.keep_bytes,
        "window_records": 2_000,
        "window_limit_s": 1.5,
        "retrain_cooldown_s": 15.0,
        "sample_share": 0.05,
    }

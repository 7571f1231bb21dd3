"""The case ``failover``: an asynchronous replica that lags takes over, and again.

What is promised: acknowledgements and results are rolled back together, so each record that survives has exactly
one result that survives; a producer that lives on sends again, by sequence, what the new server does not know, as
far as it holds it; a reader may have seen results that were rolled back.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

from bench.chaos.accounting import (
    SETTLE_S,
    judge_answers,
    judge_completeness,
    judge_processes,
    judge_windows,
    settle,
)
from bench.chaos.collector import Collector
from bench.chaos.faults import FaultLog
from bench.chaos.ground import PIPELINE, Ground, GroundPlan, ground
from bench.chaos.proxy import Proxy
from bench.chaos.server import ChaosServer, RawClient
from bench.chaos.verdict import Verdict
from bench.chaos.workload import SIZES, first_model
from core.connection import Connection
from core.errors import Superseded
from core.redis_registry import RedisRegistry

#: Batches released in one step: a producer holds its last 64 calls, and each batch is one or two.
STEP_BATCHES = 4
STEP_S = 0.1
#: How long a replica may take to have all that its master has.
SYNC_S = 30.0
#: Steps before a failover, and how long the replica lags at most.
STEPS, MOST_LAG_S = 30, 0.4

#: Promoted on a master whose replica does not hear of it.
ROLLED_BACK_RUN = "f" * 12

Tell = Callable[[float, str], None]


def failover(seed: int, rounds: int, folder: Path, tell: Tell) -> Verdict:
    """Run the case with so many failovers, one after the other."""
    log = FaultLog()
    verdict = Verdict("failover", seed, log)
    dice = random.Random(seed)  # noqa: S311  (repeatable, no secret)
    records = (rounds + 1) * STEPS * STEP_BATCHES * sum(SIZES) // len(SIZES)
    servers = [ChaosServer(folder / "server-0", durable=False)]
    servers[0].start()
    try:
        with (
            closing(Proxy(servers[0].url)) as proxy,
            ground(GroundPlan(seed, records), servers[0], proxy, folder, log.say, proxy.url) as field,
        ):
            field.pusher.start(0)
            released = 0
            for number in range(1, rounds + 1):
                tell(number / (rounds + 1), f"failover {number} of {rounds}")
                replica = ChaosServer(folder / f"server-{number}", durable=False, replica_of=servers[-1].port)
                servers.append(replica.start())
                _await_sync(replica)
                released = _push_on(field, released, STEPS, log)
                released = _fail_over(
                    servers[-2], replica, proxy, dice.uniform(0.1, MOST_LAG_S), field, released, log
                )
            field.pusher.allow(field.workload.batches)
            field.wait(field.pushed, SETTLE_S, field.fleet.watch)
            _judge(verdict, field, servers[-1], rounds, folder, tell)
    finally:
        for server in servers:
            server.stop()
    return verdict


def _push_on(field: Ground, released: int, steps: int, log: FaultLog) -> int:
    for _ in range(steps):
        released = min(released + STEP_BATCHES, field.workload.batches)
        field.pusher.allow(released)
        field.fleet.watch()
        time.sleep(STEP_S)
    log.say(f"{released} batches released")
    return released


def _await_sync(replica: ChaosServer) -> None:
    client = RawClient(replica.url)
    deadline_s = time.monotonic() + SYNC_S
    while b"master_link_status:up" not in client.insist("INFO", "replication"):
        if time.monotonic() > deadline_s:
            break
        time.sleep(0.05)
    client.close()


def _fail_over(
    master: ChaosServer,
    replica: ChaosServer,
    proxy: Proxy,
    lag_s: float,
    field: Ground,
    released: int,
    log: FaultLog,
) -> int:
    """The replica stops following, the master goes on alone for a while, dies, and the replica is in its place."""
    client = RawClient(replica.url)
    client.insist("REPLICAOF", "NO", "ONE")
    # a promotion and results that are rolled back
    _promote_by_hand(field, log)
    books = field.collector.books
    before = books.predicted_rows
    released = _push_on(field, released, max(1, int(lag_s / STEP_S)), log)
    field.wait(lambda: books.predicted_rows > before, SYNC_S, field.fleet.watch)
    master.kill()
    proxy.switch(replica.url)
    client.close()
    log.say(f"master killed {lag_s:.2f} s after the replica stopped following")
    return released


def _promote_by_hand(field: Ground, log: FaultLog) -> None:
    with Connection(field.proxy.url) as connection, suppress(Superseded):  # by the trainer, which will do as well
        registry = RedisRegistry(connection, field.keys)
        production = registry.production()
        epoch = 0 if production is None else production.epoch
        registry.promote(ROLLED_BACK_RUN, first_model(field.plan.seed), epoch, "chaos")
        log.say(f"run {ROLLED_BACK_RUN} promoted")


def _judge(verdict: Verdict, field: Ground, survivor: ChaosServer, rounds: int, folder: Path, tell: Tell) -> None:
    """The promises hold for what survived, read anew from its beginning."""
    verdict.figure("failovers", rounds, "times")
    seen = field.collector.books
    witness = Collector(survivor.url, PIPELINE, field.plan.partitions, field.workload)
    witness.start()
    field = replace(field, server=survivor, collector=witness)
    try:
        field.wait(lambda: _has_all(field), SETTLE_S, field.fleet.watch)
        settle(verdict, field, field.fleet.watch, lambda what: tell(1.0, what))
        judge_completeness(verdict, field)
    finally:
        witness.stop()
    judge_answers(verdict, field)
    with_result = [place for place, rows in list(seen.answered.items()) if rows]
    rolled_back = sum(place not in witness.books.answered for place in with_result)
    verdict.at_least("entries whose result a reader saw and that were rolled back", rolled_back, "entries", 1)
    judge_processes(verdict, field)
    judge_windows(verdict, field, folder)


def _has_all(field: Ground) -> bool:
    """Whether the witness of what survived has read every record there is."""
    books = field.collector.books
    for number in range(field.plan.partitions):
        length = int(field.client.insist("XLEN", field.keys.partition(number).records))
        if sum(place[0] == number for place in list(books.rows)) < length:
            return False
    return True

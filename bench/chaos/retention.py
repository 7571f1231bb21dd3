"""The case ``retention``: little is kept, readers die and lag, and nothing unread is trimmed all the same."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from redis.exceptions import ResponseError

from bench.chaos.accounting import judge_answers, judge_completeness, judge_processes, judge_windows, settle
from bench.chaos.faults import FaultLog, Faults
from bench.chaos.ground import Ground, GroundPlan, ground
from bench.chaos.proxy import Proxy
from bench.chaos.schedule import plan
from bench.chaos.server import ChaosServer
from bench.chaos.verdict import Verdict

#: Faults that make readers lag; no server is killed and nothing is destroyed, for memory is the point here.
KINDS = ("kill scorer", "kill monitor", "pause scorer beyond takeover", "pause monitor", "scale to 4")
#: Of each stream of each partition: less than comes in a second, so that readers which lag or die need more.
KEEP_BYTES = 128 * 1024
#: What the server may need for what is kept: it trims whole nodes.
OVERHEAD = 1.25
#: Steps in which records are released, so that they come evenly.
STEP_S = 0.1
#: How long trimming may take to follow once all is read.
TRIM_S = 15.0

Tell = Callable[[float, str], None]


def retention(seed: int, records: int, faults: int, seconds: float, folder: Path, tell: Tell) -> Verdict:
    """Run the case; ``seconds`` is about how long the records take to come."""
    log = FaultLog()
    verdict = Verdict("retention", seed, log)
    schedule = [
        fault._replace(kind=KINDS[fault.number % len(KINDS)]) for fault in plan(seed, faults, seconds / faults)
    ]
    with (
        ChaosServer(folder / "server", durable=False) as server,
        closing(Proxy(server.url)) as proxy,
        ground(
            GroundPlan(seed, records, keep_bytes=KEEP_BYTES), server, proxy, folder, log.say, server.url
        ) as field,
    ):
        doing = Faults(field.target, log, seed, faults)
        doing.start_pusher()
        began_s, most = time.monotonic(), 0
        for fault in schedule:
            tell(fault.number / faults, f"{fault.number} of {faults} faults: {fault.kind}")
            until_s = time.monotonic() + fault.gap_s
            while time.monotonic() < until_s:
                share = (time.monotonic() - began_s) / seconds
                field.pusher.allow(min(field.workload.batches, int(field.workload.batches * share)))
                doing.tend()
                most = max(most, *_sizes(field).values())
                time.sleep(STEP_S)
            doing.perform(fault)
        field.pusher.allow(field.workload.batches)
        doing.undo_all()
        settle(verdict, field, doing.tend, lambda what: tell(1.0, what))
        verdict.at_least("most that a stream kept for readers that lag", most, "bytes", KEEP_BYTES * OVERHEAD)
        _judge_sizes(verdict, field, doing)
        judge_completeness(verdict, field)
        field.collector.stop()
        judge_answers(verdict, field)
        judge_processes(verdict, field)
        judge_windows(verdict, field, folder, replayed=False)
    return verdict


def _judge_sizes(verdict: Verdict, field: Ground, doing: Faults) -> None:
    """Records and predictions are as short as asked once all is read."""
    limit = KEEP_BYTES * OVERHEAD
    field.wait(lambda: max(_sizes(field).values()) <= limit, TRIM_S, doing.tend)
    for stream, size in _sizes(field).items():
        verdict.at_most(f"memory of {stream}", size, "bytes", limit)
    pushed = sum(field.collector.books.rows.values())
    verdict.at_least("rows pushed, of which a part is kept", pushed, "rows", 0.9 * field.workload.records)
    verdict.figure("server: used memory, most", max(field.memory.server, default=0) / 2**20, "MiB")


def _sizes(field: Ground) -> dict[str, int]:
    sizes = {}
    for number in range(field.plan.partitions):
        partition = field.keys.partition(number)
        for stream in (partition.records, partition.predictions):
            try:
                sizes[stream] = int(field.client.insist("MEMORY", "USAGE", stream, "SAMPLES", 0) or 0)
            except ResponseError:
                sizes[stream] = 0
    return sizes

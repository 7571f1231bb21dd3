"""The case ``attack``: every kind of fault on a pipeline under load; nothing may be lost, doubled or left dead."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from bench.chaos.accounting import (
    judge_answers,
    judge_completeness,
    judge_processes,
    judge_windows,
    settle,
)
from bench.chaos.faults import FaultLog, Faults
from bench.chaos.ground import Ground, GroundPlan, ground
from bench.chaos.proxy import Proxy
from bench.chaos.schedule import KINDS, Fault, plan
from bench.chaos.server import ChaosServer
from bench.chaos.verdict import Verdict

#: Resident memory that no service may exceed, whatever is thrown at it, in MiB.
MOST_RESIDENT_MIB = {"scorer": 128, "monitor": 160, "trainer": 256}
#: How long records come at most before the fault that falls into them.
MOST_HEAD_START_S = 0.06
#: Kinds that may have found no target each time, so that another was done instead.
NO_TARGET = 3
#: Of so many kills and pauses of scorers one has to come while it holds entries.
BITTEN_OF = 4
#: Waits for the records that come next.
BEFORE_LOAD = {"tear reply to producer"}
_MIB = 1024 * 1024

Tell = Callable[[float, str], None]


def attack(seed: int, records: int, faults: int, minutes: float, folder: Path, tell: Tell) -> Verdict:
    """Run the case.

    Parameters
    ----------
    seed
        Decides data and schedule.
    records, faults
        How many are pushed and done.
    minutes
        About how long the faults are spread over.
    folder
        Where data and logs go.
    tell
        Told the share that is done, and what is going on.
    """
    log = FaultLog()
    verdict = Verdict("attack", seed, log)
    schedule = plan(seed, faults, 60 * minutes / faults)
    with (
        ChaosServer(folder / "server") as server,
        closing(Proxy(server.url)) as proxy,
        ground(GroundPlan(seed, records), server, proxy, folder, log.say, server.url) as field,
    ):
        doing = Faults(field.target, log, seed, faults)
        doing.start_pusher()
        for fault in schedule:
            tell(fault.number / faults, f"{fault.number} of {faults} faults: {fault.kind}")
            _let_time_pass(doing, fault)
            if fault.kind in BEFORE_LOAD:
                doing.perform(fault)
            # else it falls into the load: these records have just begun to come
            field.pusher.allow(field.workload.batches * fault.number // faults)
            if fault.kind not in BEFORE_LOAD:
                time.sleep(MOST_HEAD_START_S * fault.choice)
                doing.perform(fault)
        doing.undo_all()
        settle(verdict, field, doing.tend, lambda what: tell(1.0, what))
        _judge(field, doing, verdict, folder, faults, tell)
    return verdict


def _let_time_pass(doing: Faults, fault: Fault) -> None:
    until_s = time.monotonic() + fault.gap_s
    while (left_s := until_s - time.monotonic()) > 0:
        doing.tend()
        time.sleep(min(0.05, left_s))


def _judge(field: Ground, doing: Faults, verdict: Verdict, folder: Path, faults: int, tell: Tell) -> None:
    for kind, count in sorted(doing.done.items()):
        verdict.figure(f"fault {kind}", count, "times")
    verdict.at_least("kinds of faults", len(doing.done), "kinds", min(len(KINDS), faults) - NO_TARGET)
    hits = sum(doing.done.get(kind, 0) for kind in KINDS if kind.startswith(("kill scorer", "pause scorer")))
    verdict.at_least("scorers hit while they held entries", doing.bitten, "times", hits // BITTEN_OF)
    late, least = field.fleet.count_said("late"), doing.done.get("pause scorer beyond takeover", 0) // BITTEN_OF
    verdict.at_least("commits that came too late", late, "times", least)
    verdict.at_least("replies torn", field.proxy.cuts, "times", 1)
    verdict.figure("garbage entries written", doing.garbage_entries, "entries")
    verdict.at_least("all faults", sum(doing.done.values()), "faults", faults)
    for member in field.fleet.members:
        field.fleet.terminate(member)
    field.wait(lambda: len(field.fleet.idle()) == len(field.fleet.members), 40.0, field.fleet.watch)
    judge_completeness(verdict, field)
    field.collector.stop()
    judge_answers(verdict, field)
    judge_processes(verdict, field)
    tell(1.0, "an undisturbed monitor reads the same records")
    judge_windows(verdict, field, folder)
    for kind, limit in MOST_RESIDENT_MIB.items():
        verdict.at_most(f"{kind}: resident memory, most", field.memory.most[kind] / _MIB, "MiB", limit)
    verdict.figure("server: used memory, most", max(field.memory.server, default=0) / _MIB, "MiB")

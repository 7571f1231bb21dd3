"""Resident memory of a scorer at steady full load, and whether it stays flat."""

from __future__ import annotations

from statistics import mean

from bench.answers import look
from bench.fill import Fill
from bench.growth import ROWS, keep_full
from bench.machine import memory_mib
from bench.run import PARTITION, Run
from bench.table import make_model
from core.errors import UsageError

#: The full load lasts so many times as long as another measurement.
_TIMES = 30
#: Samples of the resident memory in that time.
_SAMPLES = 120
#: Rows that wait all the while.
_WAITING = 200_000
#: Growth from the first third to the last that counts as flat: an arena more or less.
_FLAT_SHARE = 1.02


def measure(run: Run) -> None:
    """Fill the report; without figures where the system does not tell a process's memory."""
    model, samples = make_model(run.seed), []
    with run.connect() as connection:
        run.reset(connection, model)
        fill = Fill(connection, PARTITION.records, model, ROWS, run.seed)
        fill.add(_WAITING // ROWS)
        with run.scorer() as scorer:
            scorer.wait_for("ready")
            pid = scorer.pid
            if pid is None or memory_mib(pid, "VmRSS") is None:
                raise UsageError("this system has no /proc/<pid>/status; run the part 'memory' on Linux")
            keep_full(connection, fill, _WAITING, 1_000, float("inf"))
            for number in range(_SAMPLES):
                if not number % 10:
                    run.say(f"full load, sample {number} of {_SAMPLES}")
                keep_full(connection, fill, _WAITING, 0, run.seconds * _TIMES / _SAMPLES)
                samples.append(memory_mib(pid, "VmRSS") or 0.0)
            peak = memory_mib(pid, "VmHWM")
        records = look(connection, PARTITION.predictions).entries * ROWS
    third = len(samples) // 3
    first, last = mean(samples[:third]), mean(samples[-third:])
    add = run.report.add
    add("memory: resident at full load, mean of the last third", last, "MiB", at_most=64)
    add("memory: resident at its peak", peak, "MiB", at_most=64)
    hour = f"first third of {records:,} records, an hour at {records // 3600:,}/s"
    add("memory: resident, last third", last, "MiB", (hour, first), at_most=_FLAT_SHARE)

"""Records a second on one core, seven features, float64, no decoding; and memory over a long stream."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np

from bench.drift.engine_access import load_engine
from bench.drift.populations import draw_reference
from bench.drift.run import DriftRun
from bench.drift.run_length import Watcher
from bench.drift.seeds import Purpose, generator_for
from bench.drift.short_table import ShortTable
from bench.drift.tables import yes_or_no
from bench.machine import choose_cores, memory_mib, pinned
from bench.report import figure
from core.errors import UsageError
from core.model import Floats

#: Hardly anything alarms: what is measured is the watching, as of the peers, and not a fresh start.
_QUIET_BUDGET = 1_000_000
#: Rows of the stream, which is fed several times.
_STREAM_ROWS = 400_000
#: Rows a call: as many as keep the arrays in the cache, and as few as a small read of the monitor's.
_BLOCKS = (8_192, 512)
#: The engine's least speed with every feature detector on.
_TARGET = 1_500_000
#: Samples of the resident memory.
_SAMPLES = 120
#: Growth from the first third to the last that counts as flat: an arena more or less.
_FLAT_SHARE = 1.02
#: A peer that has not answered by then fails.
_PEER_S = 600.0
#: What the peers' process calls them, and the table.
_PEERS = {
    "adwin": "ADWIN a feature",
    "page_hinkley": "Page-Hinkley a feature",
    "kswin": "KSWIN a feature",
    "evidently-1000": "Evidently, windows of 1,000",
    "evidently-100000": "Evidently, windows of 100,000",
}
_CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Used:
    """What a watcher needs, in a process of its own."""

    rate: float | None  #: records a second
    grown_mib: float | None  #: over the rows alone
    reason: str = ""  #: why there is no figure


def measure(run: DriftRun) -> None:
    """Fill the report."""
    reference = draw_reference(run.raisin, generator_for(run.seed, Purpose.REFERENCE, 0)).rows
    stream = run.raisin.source(generator_for(run.seed, Purpose.SPEED)).take(_STREAM_ROWS)
    watcher = load_engine()(reference, _QUIET_BUDGET, known_truth=False, seed=0)
    with pinned(choose_cores()[1]):
        rates = {}
        for block in _BLOCKS:
            run.say(f"engine, {block:,} rows a call")
            rates[block] = max(_rate(watcher, stream, block) for _ in range(run.work.speed_rounds))
            run.report.add(
                f"speed, 7 features, {block:,} rows a call",
                rates[block],
                "records/s",
                at_least=_TARGET if block == _BLOCKS[0] else None,
            )
        _beside_peers(run, reference, stream, rates)
        _measure_memory(run, watcher, stream)


def _rate(watcher: Watcher, stream: Floats, block: int) -> float:
    """Records a second, restarts after alarms included."""
    watcher.restart()
    begin_s = time.perf_counter()
    _feed(watcher, stream, block)
    return len(stream) / (time.perf_counter() - begin_s)


def _feed(watcher: Watcher, stream: Floats, block: int) -> None:
    for start in range(0, len(stream), block):
        rest = stream[start : start + block]
        while len(rest) and (index := watcher.feed(rest)) is not None:
            watcher.restart()
            rest = rest[index + 1 :]


def _beside_peers(run: DriftRun, reference: Floats, stream: Floats, rates: dict[int, float]) -> None:
    """A result a peer, and the table of all of them."""
    path = run.folder / "speed.npz"
    np.savez(path, reference=reference, stream=stream)
    ours = rates[_BLOCKS[0]]
    own = _used(Path(sys.executable), "streamgauge", path)
    rows = [
        (f"streamgauge, {block:,} rows a call", figure(rate), "", figure(own.grown_mib))
        for block, rate in rates.items()
    ]
    for what, name in _PEERS.items():
        run.say(name)
        python = run.peers.python
        used = Used(None, None, run.peers.missing) if python is None else _used(python, what, path)
        title = f"{name}: {used.reason}" if used.rate is None else name
        run.report.add_tabled(
            f"speed, 7 features, {_BLOCKS[0]:,} rows a call", ours, "records/s", (title, used.rate), at_least=1.0
        )
        rows.append(_row(title, used.rate, used.grown_mib, ours))
    run.report.versions |= run.peers.versions("river", "evidently")
    columns = ("one core, 7 features", "records a second", "streamgauge is", "MiB over the rows alone")
    note = "Nothing alarms; without decoding. The memory is that of one process, with what it imports."
    run.report.add_table(ShortTable("speed", columns, tuple(rows), note))


def _row(name: str, rate: float | None, grown_mib: float | None, ours: float) -> tuple[str, str, str, str]:
    times = "" if rate is None else f"{figure(ours / rate)}x"
    return (name, figure(rate), times, figure(grown_mib))


def _used(python: Path, what: str, path: Path) -> Used:
    command = [str(python), "-m", "bench.drift.peers.speed", what, str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=_CHECKOUT, timeout=_PEER_S)
    except subprocess.TimeoutExpired:
        return Used(None, None, f"no answer in {_PEER_S:g} s")
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        return Used(None, None, lines[-1][:120] if lines else f"status {done.returncode}")
    said = json.loads(done.stdout.splitlines()[-1])
    return Used(said["records_per_second"], said["grown_mib"])


def _measure_memory(run: DriftRun, watcher: Watcher, stream: Floats) -> None:
    """Resident memory over a long stream; the rows are there before it begins."""
    if memory_mib(os.getpid(), "VmRSS") is None:
        raise UsageError("this system has no /proc/<pid>/status; run the part 'speed' on Linux")
    samples = []
    each = run.work.memory_records // _SAMPLES
    watcher.restart()
    _feed(watcher, stream, _BLOCKS[0])
    for number in range(_SAMPLES):
        run.say(f"memory, sample {number} of {_SAMPLES}")
        for start in range(0, each, len(stream)):
            _feed(watcher, stream[: min(len(stream), each - start)], _BLOCKS[0])
        samples.append(memory_mib(os.getpid(), "VmRSS") or 0.0)
    third = len(samples) // 3
    first, last = mean(samples[:third]), mean(samples[-third:])
    beside = (f"first third of {each * _SAMPLES:,} records", first)
    run.report.add("memory: resident, last third", last, "MiB", beside, at_most=_FLAT_SHARE)
    row = (f"{each * _SAMPLES:,}", figure(first), figure(last), yes_or_no(last <= _FLAT_SHARE * first))
    columns = ("records", "resident MiB, first third", "last third", "flat")
    note = "The bench's own process, its stream included."
    run.report.add_table(ShortTable("memory", columns, (row,), note))

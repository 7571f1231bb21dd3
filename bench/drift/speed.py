"""Records a second on one core, seven features, float64, no decoding; and memory over a long stream."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from statistics import mean

import numpy as np

from bench.drift.engine_access import load_engine
from bench.drift.populations import draw_reference
from bench.drift.run import DriftRun
from bench.drift.run_length import Watcher
from bench.drift.seeds import Purpose, generator_for
from bench.machine import choose_cores, memory_mib, pinned
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
        _beside_peers(run, reference, stream, rates[_BLOCKS[0]])
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


def _beside_peers(run: DriftRun, reference: Floats, stream: Floats, ours: float) -> None:
    path = run.folder / "speed.npz"
    np.savez(path, reference=reference, stream=stream)
    for what, name in _PEERS.items():
        run.say(name)
        python = run.peers.python
        figure, reason = (None, run.peers.missing) if python is None else _peer_rate(python, what, path)
        beside = (f"{name}: {reason}" if figure is None else name, figure)
        run.report.add(f"speed, 7 features, {_BLOCKS[0]:,} rows a call", ours, "records/s", beside, at_least=1.0)
    run.report.versions |= run.peers.versions("river", "evidently")


def _peer_rate(python: Path, what: str, path: Path) -> tuple[float | None, str]:
    """Its records a second, or why there is no figure."""
    command = [str(python), "-m", "bench.drift.peers.speed", what, str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=_CHECKOUT, timeout=_PEER_S)
    except subprocess.TimeoutExpired:
        return None, f"no answer in {_PEER_S:g} s"
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        return None, lines[-1][:120] if lines else f"status {done.returncode}"
    figure: float = json.loads(done.stdout.splitlines()[-1])
    return figure, ""


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

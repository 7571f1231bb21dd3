"""Peers measured in processes of their own, river's with the python of the peers' environment."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bench.drift.peers.job import Job, Outcome, write_population
from bench.drift.peers.kinds import PEERS
from bench.drift.populations import RowPopulation
from bench.peers.environment import PeerEnvironment

_CHECKOUT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Unmeasured:
    """A peer without figures."""

    name: str
    reason: str


def measure_all(
    jobs: list[Job],
    population: RowPopulation,
    folder: Path,
    peers: PeerEnvironment,
    processes: int,
    say: Callable[[str], None],
) -> list[Outcome | Unmeasured]:
    """One process a job, so many at once; in the order of the jobs."""
    population_path = folder / "population.npz"
    write_population(population_path, population)
    pythons = [Path(sys.executable) if not PEERS[job.peer].packages else peers.python for job in jobs]

    def measured(number: int) -> Outcome | Unmeasured:
        job, python = jobs[number], pythons[number]
        if python is None:
            return Unmeasured(job.peer, peers.missing)
        job_path, outcome_path = folder / f"peer-{number}.json", folder / f"peer-{number}-outcome.json"
        job.write(job_path)
        command = [str(python), "-m", "bench.drift.peers.measurement"]
        last = _run([*command, *map(str, (job_path, population_path, outcome_path))], job.peer, say)
        if last is not None:
            return Unmeasured(job.peer, last)
        return Outcome.read(outcome_path)

    with ThreadPoolExecutor(processes) as pool:
        return list(pool.map(measured, range(len(jobs))))


def _run(command: list[str], name: str, say: Callable[[str], None]) -> str | None:
    """Run it, and pass on what it says on its way; its last words where it failed."""
    last = ""
    with subprocess.Popen(command, stderr=subprocess.PIPE, cwd=_CHECKOUT, text=True) as process:
        try:
            for line in process.stderr or ():
                last = line.strip() or last
                say(f"{name}: {last}")
            status = process.wait()
        finally:
            process.kill()
    return (last[:120] or f"status {status}") if status else None

"""Measure one peer: ``python -m bench.drift.peers.measurement JOB POPULATION OUTCOME``, in either environment.

It needs NumPy, and river for river's detectors. References, streams and runs are drawn with the seeds that the
engine's are drawn with.
"""

from __future__ import annotations

import sys
from pathlib import Path

from bench.drift.changes import mean_changes, shape_changes
from bench.drift.peers.job import Job, Outcome, read_population
from bench.drift.peers.kinds import PEERS
from bench.drift.peers.tuning import TOLERANCE, Tuned, tune
from bench.drift.populations import Population, draw_reference
from bench.drift.run_length import (
    RunLengths,
    Watcher,
    delays,
    in_control_run_length,
    join_delays,
    join_run_lengths,
)
from bench.drift.seeds import Purpose, generator_for, seed_for
from core.model import Floats


def measure_peer(job: Job, population: Population) -> Outcome:
    """Tune its knob, then take its delays."""
    peer = PEERS[job.peer]
    numbers = range(job.references)
    references: list[Floats] = [
        draw_reference(population, generator_for(job.seed, Purpose.REFERENCE, number)).rows for number in numbers
    ]

    def watcher(number: int, knob: float) -> Watcher:
        return peer.build(references[number], knob, generator_for(job.seed, Purpose.PEER, number))

    def in_control(knob: float, records: int) -> RunLengths:
        parts = []
        for number in numbers:
            source = population.source(generator_for(job.seed, Purpose.IN_CONTROL, number))
            each = records // job.references
            parts.append(in_control_run_length(watcher(number, knob), source, each, each))
        _say(f"{peer.knob} {knob:.4g}: {join_run_lengths(parts).at_least:,.0f} records an alarm")
        return join_run_lengths(parts)

    if peer.fixed:
        found = in_control(peer.quiet, int(job.target_records * job.target_runs))
        off = abs(found.at_least / job.target_records - 1.0)
        tuned = Tuned(peer.quiet, found, off <= TOLERANCE)
    else:
        tuned = tune(in_control, peer.quiet, peer.loud, job.target_records, job.target_runs)
    found_delays = {}
    for change in mean_changes(population) + shape_changes(population):
        _say(change.name)
        found_delays[change.name] = join_delays(
            [
                delays(
                    watcher(number, tuned.knob),
                    population,
                    change,
                    job.runs,
                    seed_for(job.seed, Purpose.DELAY, number),
                    job.cap_records,
                )
                for number in numbers
            ]
        )
    return Outcome(peer.name, tuned.knob, tuned.within_tolerance, tuned.in_control, found_delays)


def _say(what: str) -> None:
    """A line that the bench shows as progress."""
    sys.stderr.write(f"{what}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    job_path, population_path, outcome_path = (Path(argument) for argument in sys.argv[1:])
    measure_peer(Job.read(job_path), read_population(population_path)).write(outcome_path)

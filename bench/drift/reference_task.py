"""What is measured of the engine on one reference: run lengths in control, and delays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.drift.changes import Change
from bench.drift.engine_access import load_engine
from bench.drift.populations import REFERENCE_ROWS, Population, draw_reference
from bench.drift.run_length import CAP_RECORDS, Delays, RunLengths, Watcher, delays, in_control_run_length
from bench.drift.seeds import Purpose, generator_for, seed_for

#: The changes to measure, made for the population that the stream is drawn from.
Changes = Callable[[Population], list[Change]]


@dataclass(frozen=True, eq=False)
class ReferenceTask:
    """One reference and the engine calibrated on it; reference number i of a seed is the same in every part."""

    population: Population
    seed: int
    number: int
    budget: float
    known_truth: bool = False  #: the stream draws the reference's own rows, and the engine knows it
    reference_rows: int = REFERENCE_ROWS
    ordered: bool = False

    def open(self) -> tuple[Watcher, Population]:
        """A calibrated watcher, and the population that its stream is drawn from."""
        generator = generator_for(self.seed, Purpose.REFERENCE, self.number)
        reference = draw_reference(self.population, generator, self.reference_rows)
        watcher = load_engine()(
            reference.rows, self.budget, known_truth=self.known_truth, ordered=self.ordered, seed=self.number
        )
        return watcher, reference if self.known_truth else self.population


def run_lengths_of(task: ReferenceTask, alarms: int, max_records: int, *, until_plain: bool = False) -> RunLengths:
    """Run lengths in control until so many alarms or records, or until they are plainly above the budget."""
    watcher, population = task.open()
    source = population.source(generator_for(task.seed, Purpose.IN_CONTROL, task.number))
    return in_control_run_length(watcher, source, alarms, max_records, task.budget if until_plain else None)


def delays_of(
    task: ReferenceTask, changes: Changes, runs: int, cap_records: int = CAP_RECORDS
) -> dict[str, Delays]:
    """Delays by the change's name."""
    watcher, population = task.open()
    return _delays(watcher, population, task, changes, runs, cap_records)


def both_of(
    task: ReferenceTask, changes: Changes, runs: int, cap_records: int, max_records: int
) -> tuple[RunLengths, dict[str, Delays]]:
    """Run lengths over so many records, and delays, after one calibration."""
    watcher, population = task.open()
    source = population.source(generator_for(task.seed, Purpose.IN_CONTROL, task.number))
    in_control = in_control_run_length(watcher, source, max_records, max_records)
    return in_control, _delays(watcher, population, task, changes, runs, cap_records)


def _delays(
    watcher: Watcher, population: Population, task: ReferenceTask, changes: Changes, runs: int, cap_records: int
) -> dict[str, Delays]:
    seed = seed_for(task.seed, Purpose.DELAY, task.number)
    return {
        change.name: delays(watcher, population, change, runs, seed, cap_records) for change in changes(population)
    }

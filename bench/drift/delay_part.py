"""Delays after changes of the mean, under the guarantee for an estimated reference and with known truth."""

from __future__ import annotations

from functools import partial

from bench.drift.changes import Change, mean_changes
from bench.drift.populations import Population
from bench.drift.reference_task import Changes, ReferenceTask, delays_of
from bench.drift.run import BUDGET, DriftRun
from bench.drift.run_length import Delays, join_delays
from bench.drift.tables import DelayTable, delay_unit
from bench.drift.workers import spread

#: Most records of mean delay on Raisin by the kind of change: with an estimated reference, and with known truth.
TARGETS = {
    "all features 0.5 sd": (28.0, 24.0),
    "all features 0.25 sd": (90.0, 72.0),
    "Extent 0.5 sd": (80.0, 64.0),
    "Area 0.25 sd": (6.0, 6.0),
    "MajorAxisLength and Perimeter 0.5 sd": (7.0, 6.0),
}


def measure(run: DriftRun) -> None:
    """Fill the report."""
    work = run.work
    columns: dict[str, dict[str, Delays]] = {}
    for known_truth, mode in ((False, "estimated"), (True, "known truth")):
        found = measured(
            run, run.raisin, mean_changes, work.delay_references, work.delay_runs, known_truth=known_truth
        )
        columns[mode] = found
        for change in mean_changes(run.raisin):
            target = TARGETS.get(change.kind)
            add_delay(run, f"delay, Raisin, {mode}", change, found, target[known_truth] if target else None)
    run.report.add_table(DelayTable(f"Raisin, budget {BUDGET:,}: delay of the engine", columns, {}))
    columns = {}
    for population in run.gaussians:
        found = measured(run, population, mean_changes, work.gaussian_references, work.gaussian_runs)
        columns[population.name] = found
        for change in mean_changes(population):
            add_delay(run, f"delay, {population.name}, estimated", change, found, None)
    run.report.add_table(DelayTable(f"Gaussian, budget {BUDGET:,}, estimated: delay of the engine", columns, {}))


def measured(
    run: DriftRun,
    population: Population,
    changes: Changes,
    references: int,
    runs: int,
    *,
    known_truth: bool = False,
) -> dict[str, Delays]:
    """Delays by the change's name, over all references."""
    tasks = [
        ReferenceTask(population, run.seed, number, BUDGET, known_truth=known_truth)
        for number in range(references)
    ]
    mode = "known truth" if known_truth else "estimated"
    parts = spread(
        partial(delays_of, changes=changes, runs=runs),
        tasks,
        run.processes,
        lambda what: run.say(f"{population.name}, {mode}: {what}"),
    )
    return {name: join_delays([part[name] for part in parts]) for name in parts[0]}


def add_delay(
    run: DriftRun, beginning: str, change: Change, found: dict[str, Delays], at_most: float | None
) -> None:
    """A result; in the list where it has a target, in the large table in any case."""
    delays = found[change.name]
    add = run.report.add if at_most is not None else run.report.add_tabled
    value = delays.mean if len(delays.records) else None
    add(f"{beginning}: {change.name}", value, delay_unit(delays), at_most=at_most)

"""Delays after changes of the mean, under the guarantee for an estimated reference and with known truth."""

from __future__ import annotations

from functools import partial

from bench.drift.changes import Change, mean_changes
from bench.drift.populations import Population
from bench.drift.reference_task import Changes, ReferenceTask, delays_of
from bench.drift.run import BUDGET, DriftRun
from bench.drift.run_length import Delays, join_delays
from bench.drift.short_table import ShortTable
from bench.drift.tables import DELAY_NOTE, delay_unit, shown, yes_or_no
from bench.drift.workers import spread
from bench.report import figure

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
    _measure_raisin(run)
    _measure_gaussians(run)


def _measure_raisin(run: DriftRun) -> None:
    work = run.work
    modes = []
    for known_truth, mode in ((False, "estimated"), (True, "known truth")):
        found = measured(
            run, run.raisin, mean_changes, work.delay_references, work.delay_runs, known_truth=known_truth
        )
        modes.append(found)
        for change in mean_changes(run.raisin):
            target = TARGETS.get(change.kind)
            add_delay(run, f"delay, Raisin, {mode}", change, found, target[known_truth] if target else None)
    rows = []
    for kind, changes in both_directions(mean_changes(run.raisin)).items():
        cells = [shown(found[change.name]) for found in modes for change in changes]
        rows.append((kind, *cells, *_aimed(kind, modes, changes)))
    columns = (
        "change", "estimated, up", "estimated, down", "known truth, up", "known truth, down", "at most", "met",
    )  # fmt: skip
    note = f"References: {work.delay_references}, runs of each: {work.delay_runs}. {DELAY_NOTE}"
    run.report.add_table(ShortTable("delays, Raisin", columns, tuple(rows), note))


def _aimed(kind: str, modes: list[dict[str, Delays]], changes: list[Change]) -> tuple[str, str]:
    """The targets of both modes, and whether both directions keep them."""
    if kind not in TARGETS:
        return "", ""
    targets = TARGETS[kind]
    kept = [
        found[change.name].mean <= target
        for found, target in zip(modes, targets, strict=True)
        for change in changes
    ]
    return " / ".join(map(figure, targets)), yes_or_no(all(kept))


def _measure_gaussians(run: DriftRun) -> None:
    work = run.work
    found = {}
    for population in run.gaussians:
        found[population.name] = measured(
            run, population, mean_changes, work.gaussian_references, work.gaussian_runs
        )
        for change in mean_changes(population):
            add_delay(run, f"delay, {population.name}, estimated", change, found[population.name], None)
    rows = [
        (kind, *(" / ".join(shown(delays[change.name]) for change in changes) for delays in found.values()))
        for kind, changes in both_directions(mean_changes(run.gaussians[0])).items()
    ]
    note = f"Up / down; references: {work.gaussian_references}, runs of each: {work.gaussian_runs}. {DELAY_NOTE}"
    run.report.add_table(ShortTable("delays, Gaussian", ("change", *found), tuple(rows), note))


def both_directions(changes: list[Change]) -> dict[str, list[Change]]:
    """The changes of each kind, upwards first."""
    kinds: dict[str, list[Change]] = {}
    for change in changes:
        kinds.setdefault(change.kind, []).append(change)
    return kinds


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

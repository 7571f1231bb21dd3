"""Run lengths in control: with known truth, with an estimated reference, and with autocorrelated streams."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from bench.drift.populations import ORDERED_REFERENCE_ROWS, AutoregressivePopulation
from bench.drift.reference_task import ReferenceTask, run_lengths_of
from bench.drift.run import BUDGET, DriftRun
from bench.drift.run_length import RunLengths, join_run_lengths
from bench.drift.workers import spread
from bench.report import figure

#: With known truth the run length is at most so far from the budget.
_OFF_PERCENT = {10_000: 15.0, 100_000: 25.0}
#: Of estimated references, at least so many keep the budget.
_KEPT_PERCENT = 90.0
#: A run that never alarms ends here, in budgets; it is then plain that it is too quiet.
_MOST_BUDGETS = 20
_AUTOCORRELATIONS = (0.5, 0.9)
_WIDTH = 7


def known_truth(run: DriftRun) -> None:
    """The stream draws the reference's own rows: the run length equals the budget."""
    work = run.work
    for budget, alarms in work.truth_alarms.items():
        for population in run.populations:
            name = f"known truth, {population.name}, budget {budget:,}"
            tasks = [
                ReferenceTask(population, run.seed, number, budget, known_truth=True)
                for number in range(work.truths)
            ]
            most = _MOST_BUDGETS * budget * alarms
            measure = partial(run_lengths_of, alarms=alarms, max_records=most)
            parts = spread(measure, tasks, run.processes, _saying(run, name))
            found = join_run_lengths(parts)
            run.report.add(
                f"{name}: ARL0, {len(tasks)} references, {found.alarms:,} alarms",
                found.at_least,
                _unit(found),
                ("the budget", float(budget)),
            )
            off = 100.0 * abs(found.at_least / budget - 1.0)
            run.report.add(f"{name}: off the budget", off, "%", at_most=_OFF_PERCENT[budget])
            worst = max(parts, key=lambda part: abs(part.at_least / budget - 1.0))
            run.report.add(f"{name}: the reference that is furthest off", worst.at_least, _unit(worst))


def estimated(run: DriftRun) -> None:
    """Fresh references: the run length is at least the budget for nearly all of them."""
    for population in run.populations:
        name = f"estimated, {population.name}, budget {BUDGET:,}"
        tasks = [ReferenceTask(population, run.seed, number, BUDGET) for number in range(run.work.references)]
        measure = partial(run_lengths_of, alarms=run.work.records, max_records=run.work.records)
        parts = spread(measure, tasks, run.processes, _saying(run, name))
        _add_shares(run, name, parts)


def autocorrelated(run: DriftRun) -> None:
    """AR(1) streams and ordered references: the run length is at least the budget."""
    for r in _AUTOCORRELATIONS:
        population = AutoregressivePopulation(_WIDTH, r)
        name = f"ordered reference, {population.name}, budget {BUDGET:,}"
        tasks = [
            ReferenceTask(
                population,
                run.seed,
                number,
                BUDGET,
                reference_rows=ORDERED_REFERENCE_ROWS,
                ordered=True,
            )
            for number in range(run.work.ordered_references)
        ]
        measure = partial(run_lengths_of, alarms=run.work.records, max_records=run.work.records)
        parts = spread(measure, tasks, run.processes, _saying(run, name))
        found = join_run_lengths(parts)
        run.report.add(
            f"{name}: ARL0, {found.records:,} records",
            found.at_least,
            _unit(found),
            ("the budget", float(BUDGET)),
            at_least=1.0,
        )
        _add_shares(run, name, parts)


def _add_shares(run: DriftRun, name: str, parts: list[RunLengths]) -> None:
    """How many references keep the budget, and how their run lengths are distributed."""
    means = np.array([part.at_least for part in parts])
    kept = 100.0 * float((means >= BUDGET).mean())
    run.report.add(f"{name}: ARL0 >= budget", kept, f"% of {len(parts)} references", at_least=_KEPT_PERCENT)
    low, middle, high = np.quantile(means, (0.05, 0.5, 0.95)).tolist()
    run.report.add(f"{name}: ARL0, 5 % quantile over references", low, "records")
    run.report.add(f"{name}: ARL0, median; 95 % quantile {figure(high)}", middle, "records")


def _unit(found: RunLengths) -> str:
    return f"records ± {figure(found.standard_error)}" if found.alarms else "records without an alarm"


def _saying(run: DriftRun, name: str) -> Callable[[str], None]:
    return lambda what: run.say(f"{name}: {what}")

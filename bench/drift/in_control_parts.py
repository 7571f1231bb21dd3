"""Run lengths in control: with known truth, with an estimated reference, and with autocorrelated streams."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from bench.drift.populations import ORDERED_REFERENCE_ROWS, AutoregressivePopulation, Population
from bench.drift.reference_task import ReferenceTask, run_lengths_of
from bench.drift.run import BUDGET, DEFAULT_BUDGET, DriftRun
from bench.drift.run_length import RunLengths, join_run_lengths
from bench.drift.short_table import ShortTable
from bench.drift.tables import yes_or_no
from bench.drift.workers import spread
from bench.report import figure

#: With known truth the run length is at most so far from the budget.
_OFF_PERCENT = {BUDGET: 15.0, DEFAULT_BUDGET: 25.0}
#: Of estimated references, at least so many keep the budget.
_KEPT_PERCENT = 90.0
#: A run that never alarms ends here, in budgets; it is then plain that it is too quiet.
_MOST_BUDGETS = 20
#: The same for the alarms of an ordered reference, whose run length may be a few budgets.
_MOST_ORDERED_BUDGETS = 5
_AUTOCORRELATIONS = (0.5, 0.9)
_WIDTH = 7
_SHARE_COLUMNS = ("references", "keep the budget", "5 % quantile", "median", "95 % quantile", "met")


@dataclass(frozen=True)
class Shares:
    """How many references keep the budget, and how their run lengths are distributed."""

    references: int
    kept: float  #: percent
    low: float
    middle: float
    high: float

    @classmethod
    def of(cls, parts: list[RunLengths], budget: int) -> Shares:
        """Those of one run length a reference."""
        means = np.array([part.at_least for part in parts])
        low, middle, high = np.quantile(means, (0.05, 0.5, 0.95)).tolist()
        return cls(len(parts), 100.0 * float((means >= budget).mean()), low, middle, high)

    @property
    def cells(self) -> tuple[str, ...]:
        """In the columns of a table."""
        quantiles = (figure(value) for value in (self.low, self.middle, self.high))
        kept = f"{figure(self.kept)} %"
        return (str(self.references), kept, *quantiles, yes_or_no(self.kept >= _KEPT_PERCENT))


def known_truth(run: DriftRun) -> None:
    """The stream draws the reference's own rows: the run length equals the budget."""
    rows = [
        _known_truth(run, population, budget, alarms)
        for budget, alarms in run.work.truth_alarms.items()
        for population in run.populations
    ]
    columns = (
        "known truth",
        "budget",
        "records an alarm",
        "alarms",
        "off",
        "at most",
        "met",
        "furthest reference",
    )
    note = f"References a row: {run.work.truths}; the stream draws the reference's own rows."
    run.report.add_table(ShortTable("known truth", columns, tuple(rows), note))


def _known_truth(run: DriftRun, population: Population, budget: int, alarms: int) -> tuple[str, ...]:
    """Fill the report, and a row of the table."""
    name = f"known truth, {population.name}, budget {budget:,}"
    tasks = [
        ReferenceTask(population, run.seed, number, budget, known_truth=True) for number in range(run.work.truths)
    ]
    measure = partial(run_lengths_of, alarms=alarms, max_records=_MOST_BUDGETS * budget * alarms)
    parts = spread(measure, tasks, run.processes, _saying(run, name))
    found = join_run_lengths(parts)
    run.report.add_tabled(
        f"{name}: ARL0, {len(tasks)} references, {found.alarms:,} alarms",
        found.at_least,
        _unit(found),
        ("the budget", float(budget)),
    )
    off = 100.0 * abs(found.at_least / budget - 1.0)
    run.report.add(f"{name}: off the budget", off, "%", at_most=_OFF_PERCENT[budget])
    worst = max(parts, key=lambda part: abs(part.at_least / budget - 1.0))
    run.report.add_tabled(f"{name}: the reference that is furthest off", worst.at_least, _unit(worst))
    return (
        population.name,
        f"{budget:,}",
        figure(found.at_least),
        f"{found.alarms:,}",
        f"{figure(off)} %",
        f"{figure(_OFF_PERCENT[budget])} %",
        yes_or_no(off <= _OFF_PERCENT[budget]),
        figure(worst.at_least),
    )


def estimated(run: DriftRun) -> None:
    """Fresh references: the run length is at least the budget for nearly all of them."""
    _estimated(run, run.populations, run.work.references, BUDGET)


def estimated_default(run: DriftRun) -> None:
    """The same at the default budget, on Raisin."""
    _estimated(run, [run.raisin], run.work.default_references, DEFAULT_BUDGET)


def _estimated(run: DriftRun, populations: list[Population], references: int, budget: int) -> None:
    rows = []
    most = run.work.budgets * budget
    for population in populations:
        name = f"estimated, {population.name}, budget {budget:,}"
        tasks = [ReferenceTask(population, run.seed, number, budget) for number in range(references)]
        measure = partial(run_lengths_of, alarms=most, max_records=most, until_plain=True)
        parts = spread(measure, tasks, run.processes, _saying(run, name))
        rows.append((population.name, *_add_shares(run, name, parts, budget).cells))
    note = f"Up to {most:,} records a reference; fewer where the run length is plainly above the budget by then."
    run.report.add_table(ShortTable(f"estimated, {budget:,}", ("population", *_SHARE_COLUMNS), tuple(rows), note))


def autocorrelated(run: DriftRun) -> None:
    """AR(1) streams and ordered references: the run length is at least the budget."""
    rows = []
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
        alarms = run.work.ordered_alarms
        most = _MOST_ORDERED_BUDGETS * BUDGET * alarms
        measure = partial(run_lengths_of, alarms=alarms, max_records=most)
        parts = spread(measure, tasks, run.processes, _saying(run, name))
        found = join_run_lengths(parts)
        run.report.add(
            f"{name}: ARL0, {found.records:,} records",
            found.at_least,
            _unit(found),
            ("the budget", float(BUDGET)),
            at_least=1.0,
        )
        shares = _add_shares(run, name, parts, BUDGET)
        rows.append((population.name, figure(found.at_least), f"{found.alarms:,}", *shares.cells))
    columns = ("stream", "records an alarm", "alarms", *_SHARE_COLUMNS)
    note = f"References of {ORDERED_REFERENCE_ROWS:,} rows in stream order."
    run.report.add_table(ShortTable("autocorrelated", columns, tuple(rows), note))


def _add_shares(run: DriftRun, name: str, parts: list[RunLengths], budget: int) -> Shares:
    found = Shares.of(parts, budget)
    unit = f"% of {found.references} references"
    run.report.add(f"{name}: ARL0 >= budget", found.kept, unit, at_least=_KEPT_PERCENT)
    run.report.add_tabled(f"{name}: ARL0, 5 % quantile over references", found.low, "records")
    run.report.add_tabled(f"{name}: ARL0, median; 95 % quantile {figure(found.high)}", found.middle, "records")
    return found


def _unit(found: RunLengths) -> str:
    return f"records ± {figure(found.standard_error)}" if found.alarms else "records without an alarm"


def _saying(run: DriftRun, name: str) -> Callable[[str], None]:
    return lambda what: run.say(f"{name}: {what}")

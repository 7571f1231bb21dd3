"""Changes that leave every mean alone: of the variance, of the correlation, and of the labels."""

from __future__ import annotations

from bench.drift import label_change
from bench.drift.changes import shape_changes
from bench.drift.delay_part import add_delay, measured
from bench.drift.run import DriftRun
from bench.drift.run_length import CAP_RECORDS
from bench.drift.short_table import ShortTable
from bench.drift.tables import DELAY_NOTE, shown, yes_or_no
from bench.report import figure

#: Share of runs in which a change of shape may stay unfound within the cap, in percent.
_UNFOUND_PERCENT = 1.0


def measure(run: DriftRun) -> None:
    """Fill the report."""
    rows = []
    work = run.work
    for population in run.populations:
        found = measured(run, population, shape_changes, work.gaussian_references, work.gaussian_runs)
        for change in shape_changes(population):
            add_delay(run, f"shape, {population.name}, estimated", change, found, None)
            missed = 100.0 * found[change.name].undetected_share
            said = f"{population.name}: {change.name}"
            rows.append(
                (said, shown(found[change.name]), f"{figure(missed)} %", yes_or_no(missed <= _UNFOUND_PERCENT))
            )
            run.report.add(
                f"shape, {population.name}: {change.name}: not found in {CAP_RECORDS:,} records",
                missed,
                f"% of {len(found[change.name].records)} runs",
                at_most=_UNFOUND_PERCENT,
            )
    columns = ("means equal", "delay", f"not found in {CAP_RECORDS:,}", "met")
    note = f"References: {work.gaussian_references}, estimated; runs of each: {work.gaussian_runs}. {DELAY_NOTE}"
    run.report.add_table(ShortTable("means equal", columns, tuple(rows), note))
    label_change.measure(run)

"""Changes that leave every mean alone: of the variance, of the correlation, and of the labels."""

from __future__ import annotations

from bench.drift import label_change
from bench.drift.changes import shape_changes
from bench.drift.delay_part import add_delay, measured
from bench.drift.run import BUDGET, DriftRun
from bench.drift.run_length import CAP_RECORDS, Delays
from bench.drift.tables import DelayTable

#: Share of runs in which a change of shape may stay unfound within the cap, in percent.
_UNFOUND_PERCENT = 1.0


def measure(run: DriftRun) -> None:
    """Fill the report."""
    columns: dict[str, dict[str, Delays]] = {}
    work = run.work
    for population in run.populations:
        found = measured(run, population, shape_changes, work.gaussian_references, work.gaussian_runs)
        columns[population.name] = found
        for change in shape_changes(population):
            add_delay(run, f"shape, {population.name}, estimated", change, found, None)
            run.report.add(
                f"shape, {population.name}: {change.name}: not found in {CAP_RECORDS:,} records",
                100.0 * found[change.name].undetected_share,
                f"% of {len(found[change.name].records)} runs",
                at_most=_UNFOUND_PERCENT,
            )
    run.report.add_table(DelayTable(f"means equal, budget {BUDGET:,}, estimated: delay", columns, {}))
    label_change.measure(run)

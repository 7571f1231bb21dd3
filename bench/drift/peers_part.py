"""The engine beside what people use today: the same references, streams and runs, at a measured alarm rate."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from bench.drift.changes import Change, mean_changes, shape_changes
from bench.drift.peer_table import best_of, delay_table, rate_table
from bench.drift.peers.job import Job, Outcome
from bench.drift.peers.kinds import PEERS
from bench.drift.peers.processes import Unmeasured, measure_all
from bench.drift.peers.tuning import TOLERANCE
from bench.drift.populations import Population
from bench.drift.reference_task import ReferenceTask, both_of, run_lengths_of
from bench.drift.run import BUDGET, DriftRun
from bench.drift.run_length import CAP_RECORDS, join_delays, join_run_lengths
from bench.drift.short_table import ShortTable
from bench.drift.tables import delay_unit
from bench.drift.workers import spread
from bench.report import figure

#: The engine at its default: at least the budget for 95 % of the references, so that a typical one alarms less.
ENGINE = "streamgauge"
#: The engine at the alarm rate that the peers are brought to, by its own knob, the budget.
ENGINE_TUNED = "streamgauge, same rate"
#: Budgets that are tried for it; run lengths are nearly proportional to the budget.
_MOST_STEPS = 4
#: Peers that are not run, and why; where there are figures, they are of one run by hand.
NOT_RUN = {
    "alibi-detect, MMDDriftOnline": "needs TensorFlow or PyTorch beside NumPy below 2",
    "alibi-detect, CVMDriftOnline": (
        "needs NumPy below 2; by hand, ERT 10,000, windows of 20, 50, 100: ARL0 20,000, delays 43 (all +0.5 sd), "
        "245 (all +0.25), 76 (Extent), 1,007 (Area), 83 (MajorAxisLength and Perimeter); about 1,000 records/s"
    ),
    "KSWIN of river": "under a thousand records a second: an alarm in 10,000 cannot be measured (see speed)",
}


def measure(run: DriftRun) -> None:
    """Fill the report."""
    work = run.work
    jobs = [
        Job(
            name, run.seed, float(BUDGET), work.peer_target_runs, work.peer_references, work.peer_runs, CAP_RECORDS
        )
        for name in PEERS
    ]
    measured = measure_all(jobs, run.raisin, run.folder, run.peers, run.processes, run.say)
    run.report.versions |= run.peers.versions("river")
    outcomes = [found for found in measured if isinstance(found, Outcome)]
    unmeasured = {
        missing.name: missing.reason for missing in measured if isinstance(missing, Unmeasured)
    } | NOT_RUN
    for name, reason in unmeasured.items():
        run.report.add_tabled(f"peer {name}: not measured", None, "", (reason, None))
    default = _engine(run, ENGINE, float(BUDGET))
    ours = _tuned_engine(run, default)
    _add_rates(run, [default, ours, *outcomes])
    for change in all_changes(run.raisin):
        _compare(run, change.name, ours, outcomes)
        at_default = default.delays[change.name]
        run.report.add_tabled(
            f"side by side, at the default, {change.name}: delay",
            at_default.mean if len(at_default.records) else None,
            delay_unit(at_default),
        )
    _add_tables(run, default, ours, outcomes, unmeasured)


def all_changes(population: Population) -> list[Change]:
    """Of means and of shape."""
    return mean_changes(population) + shape_changes(population)


def _tuned_engine(run: DriftRun, default: Outcome) -> Outcome:
    """The engine at the target's measured alarm rate: where the peers are, whatever its budget is then."""
    length, budget = default.in_control.at_least, float(BUDGET)
    for _ in range(_MOST_STEPS):
        budget *= BUDGET / length
        one = partial(run_lengths_of, alarms=_each(run), max_records=_each(run))
        parts = spread(one, _tasks(run, budget), run.processes, _saying(run, ENGINE_TUNED, budget))
        length = join_run_lengths(parts).at_least
        if _near(length):
            break
    return _engine(run, ENGINE_TUNED, budget)


def _engine(run: DriftRun, name: str, budget: float) -> Outcome:
    """The engine with some budget on the references and streams of the peers."""
    one = partial(
        both_of, changes=all_changes, runs=run.work.peer_runs, cap_records=CAP_RECORDS, max_records=_each(run)
    )
    parts = spread(one, _tasks(run, budget), run.processes, _saying(run, name, budget))
    in_control = join_run_lengths([part[0] for part in parts])
    delays = {change: join_delays([part[1][change] for part in parts]) for change in parts[0][1]}
    return Outcome(name, budget, _near(in_control.at_least), in_control, delays)


def _tasks(run: DriftRun, budget: float) -> list[ReferenceTask]:
    return [ReferenceTask(run.raisin, run.seed, number, budget) for number in range(run.work.peer_references)]


def _each(run: DriftRun) -> int:
    """Records in control of each reference."""
    return run.work.peer_target_runs * BUDGET // run.work.peer_references


def _near(length: float) -> bool:
    return abs(length / BUDGET - 1.0) <= TOLERANCE


def _saying(run: DriftRun, name: str, budget: float) -> Callable[[str], None]:
    return lambda what: run.say(f"{name}, budget {budget:,.0f}: {what}")


def _add_rates(run: DriftRun, outcomes: list[Outcome]) -> None:
    for found in outcomes:
        knob = PEERS[found.name].knob if found.name in PEERS else "budget"
        run.report.add_tabled(
            f"side by side, {found.name}, {knob} {figure(found.knob)}: ARL0",
            found.in_control.at_least,
            f"records, {found.in_control.alarms:,} alarms",
            ("the target", float(BUDGET)),
        )


def _compare(run: DriftRun, change: str, ours: Outcome, outcomes: list[Outcome]) -> None:
    """A result for each peer in the file; the best of those at the rate also in the list."""
    delays = ours.delays[change]
    value = delays.mean if len(delays.records) else None
    name = f"side by side, {change}: delay"
    for found in outcomes:
        if len(found.delays[change].records):
            beside = (found.name, found.delays[change].mean)
            run.report.add_tabled(name, value, delay_unit(delays), beside, at_most=1.0)
    best = min(best_of(outcomes, change).values(), key=lambda one: one.delays.mean, default=None)
    if best is not None:
        beside = (best.name, best.delays.mean)
        run.report.add(f"{name}, beside the best", value, delay_unit(delays), beside, at_most=1.0)


def _add_tables(
    run: DriftRun, default: Outcome, ours: Outcome, outcomes: list[Outcome], unmeasured: dict[str, str]
) -> None:
    work = run.work
    note = f"Raisin, the same for all: {work.peer_references} references, {work.peer_runs} runs of each."
    run.report.add_table(delay_table("peers, delays", default, ours, outcomes, note))
    note = (
        f"All but {ENGINE} and fixed settings were brought to one measured alarm in {BUDGET:,} records, "
        f"to {100 * TOLERANCE:.0f} %; one that was not is left out of the delays."
    )
    run.report.add_table(rate_table("peers, alarm rates", [default, ours, *outcomes], note))
    run.report.add_table(ShortTable("peers, not run", ("peer", "why"), tuple(unmeasured.items())))

"""The engine beside what people use today: the same references, streams and runs, at a measured alarm rate."""

from __future__ import annotations

from functools import partial

from bench.drift.changes import Change, mean_changes, shape_changes
from bench.drift.peers.job import Job, Outcome
from bench.drift.peers.kinds import PEERS
from bench.drift.peers.processes import Unmeasured, measure_all
from bench.drift.peers.tuning import TOLERANCE
from bench.drift.populations import Population
from bench.drift.reference_task import ReferenceTask, both_of
from bench.drift.run import BUDGET, DriftRun
from bench.drift.run_length import CAP_RECORDS, join_delays, join_run_lengths
from bench.drift.tables import DelayTable, delay_unit
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
    for missing in measured:
        if isinstance(missing, Unmeasured):
            run.report.add(f"peer {missing.name}: not measured", None, "", (missing.reason, None))
    for name, reason in NOT_RUN.items():
        run.report.add(f"peer {name}: not measured", None, "", (reason, None))
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
    _add_table(run, [default, ours, *outcomes])


def all_changes(population: Population) -> list[Change]:
    """Of means and of shape."""
    return mean_changes(population) + shape_changes(population)


def _tuned_engine(run: DriftRun, default: Outcome) -> Outcome:
    """The engine at the target's measured alarm rate: where the peers are, whatever its budget is then."""
    found, budget = default, float(BUDGET)
    for _ in range(_MOST_STEPS):
        budget *= BUDGET / found.in_control.at_least
        found = _engine(run, ENGINE_TUNED, budget)
        if found.tuned:
            break
    return found


def _engine(run: DriftRun, name: str, budget: float) -> Outcome:
    """The engine with some budget on the references and streams of the peers."""
    work = run.work
    tasks = [ReferenceTask(run.raisin, run.seed, number, budget) for number in range(work.peer_references)]
    each = work.peer_target_runs * BUDGET // work.peer_references
    one = partial(both_of, changes=all_changes, runs=work.peer_runs, cap_records=CAP_RECORDS, max_records=each)
    parts = spread(one, tasks, run.processes, lambda what: run.say(f"{name}, budget {budget:,.0f}: {what}"))
    in_control = join_run_lengths([part[0] for part in parts])
    delays = {change: join_delays([part[1][change] for part in parts]) for change in parts[0][1]}
    near = abs(in_control.at_least / BUDGET - 1.0) <= TOLERANCE
    return Outcome(name, budget, near, in_control, delays)


def _add_rates(run: DriftRun, outcomes: list[Outcome]) -> None:
    for found in outcomes:
        knob = PEERS[found.name].knob if found.name in PEERS else "budget"
        run.report.add(
            f"side by side, {found.name}, {knob} {figure(found.knob)}: ARL0",
            found.in_control.at_least,
            f"records, {found.in_control.alarms:,} alarms",
            ("the target", float(BUDGET)),
        )


def _compare(run: DriftRun, change: str, ours: Outcome, outcomes: list[Outcome]) -> None:
    """A result for each peer in the file; the nearest one also in the list."""
    delays = ours.delays[change]
    value = delays.mean if len(delays.records) else None
    peers = [(found.delays[change].mean, found.name) for found in outcomes if len(found.delays[change].records)]
    name = f"side by side, {change}: delay"
    for mean, peer in peers:
        run.report.add_tabled(name, value, delay_unit(delays), (peer, mean), at_most=1.0)
    if peers:
        mean, peer = min(peers)
        run.report.add(f"{name}, beside the best", value, delay_unit(delays), (peer, mean), at_most=1.0)


def _add_table(run: DriftRun, outcomes: list[Outcome]) -> None:
    notes = {found.name: f"{figure(found.in_control.at_least)} ({found.in_control.alarms})" for found in outcomes}
    columns = {found.name: found.delays for found in outcomes}
    title = (
        f"Raisin, {run.work.peer_references} estimated references: peers at a measured alarm in {BUDGET:,} records"
    )
    run.report.add_table(DelayTable(title, columns, notes, "ARL0 in control (alarms)"))

"""What every part of the bench is given: where results go, the seed, and how much work to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from bench.drift.populations import GaussianPopulation, Population, RowPopulation
from bench.drift.raisin import raisin
from bench.drift.tables import DriftReport
from bench.peers.environment import PeerEnvironment

#: The budget of the issue's targets: one false alarm in so many records.
BUDGET = 10_000
#: The monitor's own; also measured where that takes no hour.
DEFAULT_BUDGET = 100_000
#: Features of the wide Gaussian populations.
_WIDE = 50
_RAISIN_WIDTH = 7
_CORRELATION = 0.9


@dataclass(frozen=True)
class Work:
    """How much is measured; the figures of :data:`FULL` are those of the issue, or more."""

    truths: int  #: references with known truth
    truth_alarms: dict[int, int]  #: of each of them, by budget
    references: int  #: fresh references, for the share that keeps the budget
    default_references: int  #: such references at the default budget
    budgets: int  #: records in control of each of them, in budgets; fewer where that many are not needed
    ordered_references: int
    ordered_alarms: int  #: of each of them
    delay_references: int
    delay_runs: int  #: of each change and reference
    gaussian_references: int
    gaussian_runs: int
    peer_references: int
    peer_runs: int
    peer_target_runs: int  #: alarms in control that settle a peer's knob
    speed_rounds: int
    memory_records: int


#: ``make bench-drift``. A reference is watched over 40 budgets: 40 alarms give a run length of the budget to 16 %.
FULL = Work(
    truths=3,
    truth_alarms={BUDGET: 400, DEFAULT_BUDGET: 64},  # together 1,200 and 192: to 3 and 7 %
    references=100,
    default_references=40,
    budgets=40,
    ordered_references=10,
    ordered_alarms=100,  # of each reference, to 10 %
    delay_references=40,
    delay_runs=25,
    gaussian_references=10,
    gaussian_runs=40,
    peer_references=40,
    peer_runs=6,
    peer_target_runs=400,
    speed_rounds=5,
    memory_records=30_000_000,
)
#: ``--quick``: whether the bench runs, and what roughly comes out.
QUICK = Work(
    truths=1,
    truth_alarms={BUDGET: 100},
    references=4,
    default_references=2,
    budgets=10,
    ordered_references=1,
    ordered_alarms=10,
    delay_references=3,
    delay_runs=20,
    gaussian_references=1,
    gaussian_runs=20,
    peer_references=3,
    peer_runs=10,
    peer_target_runs=50,
    speed_rounds=2,
    memory_records=3_000_000,
)


@dataclass(frozen=True)
class DriftRun:
    """One run of the bench."""

    report: DriftReport
    seed: int
    work: Work
    processes: int
    folder: Path  #: for files of this run
    say: Callable[[str], None]  #: what is being done now
    peers: PeerEnvironment
    quick: bool = field(default=False)

    @cached_property
    def raisin(self) -> RowPopulation:
        """Raisin's 900 rows; raises DataError where there is no file."""
        return raisin()

    @property
    def gaussians(self) -> list[Population]:
        """The Gaussian populations; the quick form has none that is wide."""
        widths = (_RAISIN_WIDTH,) if self.quick else (_RAISIN_WIDTH, _WIDE)
        return [GaussianPopulation(width, correlation) for width in widths for correlation in (0.0, _CORRELATION)]

    @property
    def populations(self) -> list[Population]:
        """Raisin and the Gaussian ones."""
        return [self.raisin, *self.gaussians]

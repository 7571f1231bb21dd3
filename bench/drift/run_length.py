"""Run lengths in control and delays after a change, of anything that watches a stream."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bench.drift.changes import Change
from bench.drift.populations import Population
from bench.drift.sources import Source
from core.model import Floats

Counts = NDArray[np.int64]

#: Rows drawn from a stream at once, and at most fed at once. Draws depend on it, so it is one for all watchers.
CHUNK_RECORDS = 8_192
#: Rows fed first after a start; each further piece is twice as long, so that what follows an alarm is not wasted.
_FIRST_RECORDS = 64
#: Records in control before a change, drawn evenly: windows of every length stand anywhere when it comes.
WARM_UP_RECORDS = (200, 1_000)
#: A run that has not alarmed after so many changed records counts as so many; twice the usual budget.
CAP_RECORDS = 20_000
#: Budgets between two looks at whether a run length is plainly above the budget.
_LOOK_BUDGETS = 10
#: So few alarms, or fewer, have at most this chance at a run length of the budget: it is plainly above.
_PLAIN_CHANCE = 0.001


class Watcher(Protocol):
    """A set of detectors over one stream that alarms as one."""

    @property
    def name(self) -> str:
        """As tables show it."""
        ...

    def restart(self) -> None:
        """Forget the stream: the next record is the first."""
        ...

    def feed(self, x: Floats) -> int | None:
        """Watch (n, d) raw rows; the index of the one that raised the first alarm, None where none did.

        How a stream is cut into calls must not matter. After an alarm the caller restarts it and feeds the rest.
        """
        ...


@dataclass(frozen=True, eq=False)
class RunLengths:
    """Runs in control from a fresh start to an alarm; the last one may have been cut off."""

    lengths: Counts  #: (k,) records of each run that ended with an alarm, that record included
    records: int  #: all records, those of a run that was cut off included

    @property
    def alarms(self) -> int:
        """Runs that ended with an alarm."""
        return len(self.lengths)

    @property
    def mean(self) -> float:
        """Records an alarm, the estimate for exponential runs that are cut off; infinite without an alarm."""
        return self.records / self.alarms if self.alarms else float("inf")

    @property
    def at_least(self) -> float:
        """The mean, or where nothing alarmed the records: what a table can show."""
        return self.records / max(1, self.alarms)

    @property
    def standard_error(self) -> float:
        """Of the mean: mean / sqrt(alarms), as of exponential runs."""
        return self.mean / np.sqrt(self.alarms) if self.alarms else float("inf")


@dataclass(frozen=True, eq=False)
class Delays:
    """Changed records up to and including the alarm, over runs without an alarm before the change."""

    records: Counts  #: (runs,) at most the cap
    detected: NDArray[np.bool_]  #: (runs,) whether it alarmed within the cap
    false_alarms: int  #: runs that were dropped for an alarm before the change

    @property
    def mean(self) -> float:
        """Mean delay, runs without an alarm counted as the cap; not a number where every run was dropped."""
        return float(self.records.mean()) if len(self.records) else float("nan")

    @property
    def standard_error(self) -> float:
        """Of the mean, the runs taken as independent."""
        if len(self.records) < 2:
            return float("nan")
        return float(self.records.std(ddof=1) / np.sqrt(len(self.records)))

    @property
    def median(self) -> float:
        """Median delay."""
        return float(np.median(self.records)) if len(self.records) else float("nan")

    @property
    def undetected_share(self) -> float:
        """Share of runs without an alarm within the cap."""
        return float(1.0 - self.detected.mean()) if len(self.detected) else float("nan")


def join_run_lengths(parts: Sequence[RunLengths]) -> RunLengths:
    """The runs of several references as one."""
    return RunLengths(np.concatenate([part.lengths for part in parts]), sum(part.records for part in parts))


def join_delays(parts: Sequence[Delays]) -> Delays:
    """The delays of several references as one."""
    return Delays(
        np.concatenate([part.records for part in parts]),
        np.concatenate([part.detected for part in parts]),
        sum(part.false_alarms for part in parts),
    )


def in_control_run_length(
    watcher: Watcher, source: Source, alarms: int, max_records: int, budget: float | None = None
) -> RunLengths:
    """Feed a stream without a change until so many alarms or records; each alarm begins a new run.

    With a ``budget`` it also ends, at a look every ten budgets, where the run length is plainly above it. What is
    plainly quiet is then measured on fewer records; a run length near the budget or below it is on all of them.
    """
    watcher.restart()
    lengths: list[int] = []
    records = run = 0
    piece = _FIRST_RECORDS
    look_records = math.inf if budget is None else _LOOK_BUDGETS * budget
    next_look = look_records
    while records < max_records and len(lengths) < alarms:
        if budget is not None and records >= next_look:
            if plainly_above(budget, len(lengths), records):
                break
            next_look += look_records
        rows = source.take(CHUNK_RECORDS)[: max_records - records]
        start = 0
        while start < len(rows) and len(lengths) < alarms:
            part = rows[start : start + piece]
            index = watcher.feed(part)
            fed = len(part) if index is None else index + 1
            start, records, run = start + fed, records + fed, run + fed
            piece = min(CHUNK_RECORDS, 2 * piece)
            if index is not None:
                lengths.append(run)
                watcher.restart()
                run, piece = 0, _FIRST_RECORDS
    return RunLengths(np.array(lengths, dtype=np.int64), records)


def plainly_above(budget: float, alarms: int, records: int) -> bool:
    """Whether a run length of the budget would hardly ever give so few alarms in so many records (Poisson)."""
    expected = records / budget
    term = chance = math.exp(-expected)
    for count in range(1, alarms + 1):
        term *= expected / count
        chance += term
    return chance <= _PLAIN_CHANCE


def delays(
    watcher: Watcher,
    population: Population,
    change: Change,
    runs: int,
    seed: Sequence[int],
    cap_records: int = CAP_RECORDS,
) -> Delays:
    """Delays over runs that each start afresh; run i draws with the seed (*seed, i), whatever watches it."""
    found, detected, false_alarms = [], [], 0
    for number in range(runs):
        generator = np.random.default_rng([*seed, number])
        source = population.source(generator)
        warm_up = int(generator.integers(WARM_UP_RECORDS[0], WARM_UP_RECORDS[1] + 1))
        watcher.restart()
        if watcher.feed(source.take(warm_up)) is not None:
            false_alarms += 1
            continue
        delay = _first_alarm(watcher, change.transform.after(source), cap_records)
        found.append(cap_records if delay is None else delay)
        detected.append(delay is not None)
    return Delays(np.array(found, dtype=np.int64), np.array(detected, dtype=np.bool_), false_alarms)


def _first_alarm(watcher: Watcher, source: Source, cap_records: int) -> int | None:
    """Records up to and including the alarm; None where there is none within the cap."""
    seen, piece = 0, _FIRST_RECORDS
    while seen < cap_records:
        rows = source.take(piece)[: cap_records - seen]
        index = watcher.feed(rows)
        if index is not None:
            return seen + index + 1
        seen += len(rows)
        piece = min(CHUNK_RECORDS, 2 * piece)
    return None

"""How many records pass from a change to its alarm: streams with a change, through the monitor's own engine."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import msgspec
import numpy as np

from core.drift.reference_rows import ReferenceRows
from core.drift.sieve import SieveStreams
from core.drift.statistics import SCALES
from core.model import Floats
from core.model_file import ModelFile
from monitor.drift_engine import DriftEngine, Limits

#: Records before a change at least: every statistic is under way.
_RUN_IN = max(SCALES)
#: A change that is not found within so many records counts as found there.
MOST_RECORDS = 5_000
#: Dependent streams side by side, and the records of each: a trial takes a part of one.
_STREAMS, _STREAM_RECORDS = 16, 2 * MOST_RECORDS


class Delay(msgspec.Struct, frozen=True):
    """What was measured of one change."""

    records: float | None  #: mean of the trials; None: there is none, every attempt alarmed before its change
    standard_error: float
    trials: int
    missed: int  #: trials in which it was not found within ``MOST_RECORDS``, as which they count


@dataclass(frozen=True, eq=False)
class Records:
    """n records as they would come."""

    x: Floats  #: (n, d) raw
    probability: Floats  #: (n,)


class Stream(Protocol):
    """Draws records that have not drifted."""

    def draw(self, count: int, generator: np.random.Generator) -> Records:
        """The next records of a stream."""
        ...


class IndependentStream:
    """Training rows drawn with replacement."""

    def __init__(self, rows: ReferenceRows) -> None:
        self._rows = rows

    def draw(self, count: int, generator: np.random.Generator) -> Records:
        """See :class:`Stream`."""
        some = generator.integers(0, len(self._rows.x), count)
        return Records(self._rows.x[some], self._rows.probability[some])


class DependentStream:
    """Records that follow the reference's own AR(1) filter (see :mod:`core.drift.sieve`)."""

    def __init__(self, rows: ReferenceRows, file: ModelFile, generator: np.random.Generator) -> None:
        assert rows.before is not None  # noqa: S101  (dependence is known of ordered rows; for the type checker)
        self._transform = transform = file.drift.transform
        known = rows.known
        z = transform.standardised(rows.x[known], rows.probability[known]).T
        innovations = z - transform.autocorrelation * transform.standardised_values(rows.before[known]).T
        streams = SieveStreams(transform.autocorrelation, innovations, _STREAMS, generator)
        self._paths = streams.next(_STREAM_RECORDS)
        self._mean = file.profile.mean

    def draw(self, count: int, generator: np.random.Generator) -> Records:
        """See :class:`Stream`."""
        begin = int(generator.integers(0, _STREAM_RECORDS - count + 1))
        path = self._paths[generator.integers(0, _STREAMS), begin : begin + count]
        transform = self._transform
        x = np.tile(self._mean, (count, 1))
        x[:, transform.index] = transform.mean + path[:, :-1] * transform.standard_deviation
        factor = transform.probability_factor
        probability = transform.probability_mean + (path[:, -1] / factor if factor else np.zeros(count))
        return Records(x, np.clip(probability, 0.0, 1.0))


def stream_of(rows: ReferenceRows, file: ModelFile, seed: int) -> Stream:
    """A stream like the training rows."""
    if rows.dependent:
        return DependentStream(rows, file, np.random.default_rng(seed))
    return IndependentStream(rows)


def measure_delay(file: ModelFile, stream: Stream, limits: Limits, shift: Floats, trials: int, seed: int) -> Delay:
    """Mean delay of a shift by ``shift`` (d,) training SD, upwards and downwards in turn.

    The change comes at a random place of a pane. A trial that alarms before it does not count, and is made again.
    """
    generator = np.random.default_rng(seed)
    found: list[int] = []
    attempts = 0
    while len(found) < trials and attempts < 3 * trials:
        sign = 1.0 if attempts % 2 else -1.0
        attempts += 1
        delay = _trial(file, stream, limits, sign * shift, generator)
        if delay is not None:
            found.append(delay)
    if not found:
        return Delay(None, 0.0, 0, 0)
    error = float(np.std(found)) / math.sqrt(len(found))
    return Delay(float(np.mean(found)), error, len(found), found.count(MOST_RECORDS))


def _trial(
    file: ModelFile, stream: Stream, limits: Limits, shift: Floats, generator: np.random.Generator
) -> int | None:
    """Records from a change to the alarm; None for an alarm before it."""
    quiet = _RUN_IN + limits.min_records + int(generator.integers(0, limits.slide))
    engine = DriftEngine(file.profile, file.drift, limits)
    taken = 0
    while taken < quiet + MOST_RECORDS:
        count = min(limits.slide - engine.pane_records, _piece(taken - quiet))
        records = stream.draw(count, generator)
        records = _shifted(file, records, shift, max(0, quiet - taken))
        taken += engine.take(records.x, records.probability, stop=True)
        alarmed = engine.alarmed
        if not alarmed and engine.pane_records == limits.slide:
            alarmed = engine.close_pane(0, 0).crossing is not None
        if alarmed:
            return min(taken - quiet, MOST_RECORDS) if taken > quiet else None
    return MOST_RECORDS


def _piece(since: int) -> int:
    """Records to draw at once: all until the change, then about as many again as have come since."""
    return -since + 32 if since < 0 else max(32, since)


def _shifted(file: ModelFile, records: Records, shift: Floats, start: int) -> Records:
    """The records with every one from ``start`` on shifted, and its probability moved with it."""
    if start >= len(records.x):
        return records
    x, probability = records.x.copy(), records.probability.copy()
    before = file.model.score(x[start:]).uncalibrated
    x[start:] += shift * file.profile.standard_deviation
    probability[start:] += file.model.score(x[start:]).uncalibrated - before
    return Records(x, np.clip(probability, 0.0, 1.0))

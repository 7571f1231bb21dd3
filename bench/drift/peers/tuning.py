"""Bring a peer to the alarm rate asked for, by its one knob and by measurement."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from bench.drift.run_length import RunLengths

#: Records in control for a knob's settled value, in target run lengths: 400 alarms give the rate to 5 %.
TARGET_RUNS = 400
#: A tuned rate is at most so far from the target.
TOLERANCE = 0.1
#: Shares of those records that a value is tried with; a rate that is plainly wrong by then goes no further.
_SHARES = (1 / 20, 1 / 5, 1.0)
#: A rate is plainly wrong when it is off by more than so many standard errors.
_PLAIN_ERRORS = 4.0
#: Halvings of the range before giving up: the range of a knob is then divided by 60,000.
_MOST_STEPS = 16

#: Measures a knob's value over so many records in all.
Measure = Callable[[float, int], RunLengths]


@dataclass(frozen=True, eq=False)
class Tuned:
    """A knob's value and what was measured with it."""

    knob: float
    in_control: RunLengths
    within_tolerance: bool


def tune(
    measure: Measure, low: float, high: float, target_records: float, target_runs: float = TARGET_RUNS
) -> Tuned:
    """Bisect the logarithm of a knob until one alarm comes in the target's number of records.

    ``low`` is the value with the fewest alarms, ``high`` that with the most, in whichever order as numbers. Where
    no value in the range will do, the nearest that was tried is returned, and says so.
    """
    near: Tuned | None = None
    quiet, loud = math.log(low), math.log(high)
    for _ in range(_MOST_STEPS):
        knob = math.exp((quiet + loud) / 2.0)
        found = _tried(measure, knob, target_records, target_runs)
        ratio = target_records / found.at_least
        tried = Tuned(knob, found, abs(ratio - 1.0) <= TOLERANCE)
        if near is None or abs(math.log(ratio)) <= abs(math.log(target_records / near.in_control.at_least)):
            near = tried
        if tried.within_tolerance:
            return tried
        if ratio < 1.0:
            quiet = math.log(knob)
        else:
            loud = math.log(knob)
    if near is None:
        raise AssertionError("a bisection has steps")
    return near


def _tried(measure: Measure, knob: float, target_records: float, target_runs: float) -> RunLengths:
    """The knob's run lengths, over few records where those show that it is plainly wrong."""
    for share in _SHARES:
        found = measure(knob, int(share * target_runs * target_records))
        expected = found.records / target_records
        if abs(found.alarms - expected) > _PLAIN_ERRORS * math.sqrt(max(expected, found.alarms)):
            break
    return found

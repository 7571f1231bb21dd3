"""The short form of the bench: what the engine itself alarms for, and how soon, at a budget that alarms often.

Known truth and estimated reference, as in the bench; fixed seeds, so that the figures differ only where the engine
does. The bounds are narrow enough that thresholds a tenth too low or too high are outside, which a test shows.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from bench.drift.changes import mean_changes
from bench.drift.engine import EngineWatcher, build_watcher
from bench.drift.populations import RowPopulation, draw_reference
from bench.drift.run_length import Delays, delays, in_control_run_length, join_delays, join_run_lengths
from core.drift.thresholds import Thresholds
from streamgauge.demo.raisin_like import FEATURES, draw_rows

ROWS, LABELS = draw_rows(0)
RAISIN_LIKE = RowPopulation("Raisin", FEATURES, ROWS, LABELS.astype(bool))
#: An anchor of the calibration: alarms often enough to count them, and no extrapolation.
BUDGET = 2_500
KNOWN = (0, 1)
ESTIMATED = (0, 1, 2)
#: Of each reference: together 200 with known truth, which give a run length to 7 %.
ALARMS = 100
#: A run length with known truth is at most so far from the budget.
OFF = 0.35
#: A typical estimated reference alarms once in two to four budgets; the median of three is in this range.
TYPICAL = (1.0, 4.5)
#: Mean delay with known truth after all features moved by half a standard deviation.
DELAY = (14.0, 21.0)


@cache
def watcher(number: int, *, known_truth: bool) -> tuple[EngineWatcher, RowPopulation]:
    """Calibrated once for all tests, and what its stream is drawn from."""
    reference = draw_reference(RAISIN_LIKE, np.random.default_rng([number, 1]))
    found = build_watcher(reference.rows, BUDGET, known_truth=known_truth, seed=number)
    assert isinstance(found, EngineWatcher)
    return found, reference if known_truth else RAISIN_LIKE


def scaled(found: EngineWatcher, factor: float) -> EngineWatcher:
    """The same engine with thresholds that are wrong by a factor."""
    right = found._reference.thresholds
    wrong = Thresholds(factor * right.intercept, factor * right.slope)
    return EngineWatcher(
        found._profile, replace(found._reference, thresholds=wrong), found._model, found._limits.budget
    )


def known_truth_budgets(factor: float) -> float:
    """Run length in budgets."""
    parts = []
    for number in KNOWN:
        found, population = watcher(number, known_truth=True)
        source = population.source(np.random.default_rng([number, 2]))
        parts.append(in_control_run_length(scaled(found, factor), source, ALARMS, 10 * ALARMS * BUDGET))
    return join_run_lengths(parts).mean / BUDGET


def estimated_budgets(factor: float) -> list[float]:
    """Run length of each reference in budgets, in order of size."""
    lengths = []
    for number in ESTIMATED:
        found, population = watcher(number, known_truth=False)
        source = population.source(np.random.default_rng([number, 2]))
        lengths.append(in_control_run_length(scaled(found, factor), source, ALARMS, ALARMS * BUDGET).at_least)
    return sorted(length / BUDGET for length in lengths)


def delay_after(name: str) -> Delays:
    parts = []
    for number in KNOWN:
        found, population = watcher(number, known_truth=True)
        (change,) = (change for change in mean_changes(population) if change.name == name)
        parts.append(delays(found, population, change, 80, (number, 3)))
    return join_delays(parts)


def test_with_known_truth_one_alarm_comes_in_a_budget_of_records() -> None:
    assert abs(known_truth_budgets(1.0) - 1.0) < OFF


def test_an_estimated_reference_keeps_the_budget_and_is_no_more_than_a_few_times_as_quiet() -> None:
    budgets = estimated_budgets(1.0)
    assert budgets[0] > 0.75  # each at least the budget at a nominal 95 %; 75 alarms or more tell .75 from 1
    assert TYPICAL[0] < budgets[1] < TYPICAL[1]


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_thresholds_a_tenth_off_are_outside_of_these_bounds(factor: float) -> None:
    assert abs(known_truth_budgets(factor) - 1.0) > OFF
    assert not TYPICAL[0] < estimated_budgets(factor)[1] < TYPICAL[1]


@pytest.mark.parametrize("sign", ["+", "-"])
def test_a_shift_of_all_features_is_found_as_soon_as_the_bench_says_and_no_sooner(sign: str) -> None:
    found = delay_after(f"all features {sign}0.5 sd")
    assert found.undetected_share == 0.0
    assert found.false_alarms < len(found.records) / 2
    assert DELAY[0] < found.mean < DELAY[1]

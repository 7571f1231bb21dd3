"""Which thresholds the detectors get."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.drift.budget import CALM_PANES, CONSTANT_SHARE, RECORD_SHARE, UNUSABLE_SHARE
from monitor.detectors.base import Reading
from monitor.detectors.panel import DETECTORS
from tests.monitor.detectors.alone import SLIDE, Alone, draw, model_file

BUDGET = 20_000.0
STOCHASTIC = ("mean_abs_z", "mean_shift", "cusum", "prediction", "spread", "distribution")


def reading(name: str, budget: float = BUDGET, seed: int = 3, skipped: int = 0) -> Reading:
    alone = Alone(name, budget=budget)
    alone.take(draw(np.random.default_rng(seed), SLIDE))
    return alone.close(skipped)


@pytest.mark.parametrize("name", ["mean_shift", "cusum", "prediction", "spread"])
def test_record_detectors_get_the_thresholds_of_their_share(name: str) -> None:
    thresholds = model_file().drift.thresholds.at(BUDGET / RECORD_SHARE)
    assert reading(name).threshold in thresholds


def test_shares_of_events_are_split_over_their_cusums() -> None:
    """Two of unusable records, and one of a single constant feature."""
    assert reading("unusable").threshold == pytest.approx(math.log(BUDGET / (UNUSABLE_SHARE / 2)))
    assert reading("constant").threshold == pytest.approx(math.log(BUDGET / CONSTANT_SHARE))


@pytest.mark.parametrize("name", [name for name in DETECTORS if name not in {"mean_shift", "cusum"}])
def test_a_larger_budget_means_a_higher_threshold(name: str) -> None:
    """Of detectors with several channels the nearest one is shown, which need not be the same."""
    assert reading(name, 1e7).threshold > reading(name, 1e4).threshold


@pytest.mark.parametrize("name", STOCHASTIC)
def test_some_quiet_panes_are_not_calm_whatever_the_budget_is(name: str) -> None:
    seen = {}
    for budget in (1e5, 1e9):
        readings = [reading(name, budget, seed) for seed in range(150)]
        assert not any(said.alarm for said in readings)
        seen[budget] = [said.calm for said in readings]
    assert seen[1e5] == seen[1e9]
    assert 60 <= sum(seen[1e5]) < 150


def test_a_pane_with_some_rejected_records_is_neither_alarm_nor_calm() -> None:
    """Between the thresholds of 4.5 panes and of the budget."""
    calm = math.log(CALM_PANES / 0.01)
    said = next(
        said for said in (reading("unusable", 1e7, skipped=skipped) for skipped in range(30)) if not said.calm
    )
    assert calm <= said.statistic < said.threshold


@pytest.mark.parametrize("name", ["mean_shift", "cusum", "prediction", "spread"])
def test_with_a_tiny_budget_calm_is_never_more_than_no_alarm(name: str) -> None:
    readings = [reading(name, 50.0, seed) for seed in range(40)]
    assert any(said.alarm for said in readings)
    assert not any(said.alarm and said.calm for said in readings)

from __future__ import annotations

import math

import numpy as np
import pytest

from core.drift.budget import (
    CALM_TAIL,
    CONSTANT_SHARE,
    DISTRIBUTION_SHARE,
    HEADLINE_SHARE,
    RECORD_SHARE,
    UNUSABLE_SHARE,
    bernoulli_threshold,
    record_budget,
    tail,
)


def test_the_shares_are_the_whole_budget() -> None:
    shares = (RECORD_SHARE, HEADLINE_SHARE, DISTRIBUTION_SHARE, UNUSABLE_SHARE, CONSTANT_SHARE)
    assert math.fsum(shares) == pytest.approx(1.0)


def test_a_smaller_share_means_rarer_alarms() -> None:
    assert record_budget(10_000.0) == pytest.approx(10_000.0 / RECORD_SHARE)


def test_tails_add_up_to_the_share_over_the_budget() -> None:
    panes = [500, 17, 1, 3_000]
    assert sum(tail(10_000.0, 0.05, pane) for pane in panes) == pytest.approx(0.05 * sum(panes) / 10_000.0)


def test_a_tail_is_a_probability_for_any_pane_and_budget() -> None:
    for pane in (0, 1, 10**9):
        for budget in (1.0, 1e12):
            assert 0.0 < tail(budget, 0.05, pane) <= CALM_TAIL


def run_length_of_events(rng: np.random.Generator, threshold: float, pane: int, panes: int) -> float:
    """Records to an alarm of a CUSUM of events at the tolerated share, judged every ``pane`` records."""
    p0, p1 = 0.01, 0.05
    weight = np.array([math.log((1.0 - p1) / (1.0 - p0)), math.log(p1 / p0)])
    events = rng.binomial(pane, p0, size=panes)
    height, alarms = 0.0, 0
    for rise in (events * weight[1] + (pane - events) * weight[0]).tolist():
        height = max(0.0, height + rise)
        if height > threshold:
            height, alarms = 0.0, alarms + 1
    return panes * pane / max(1, alarms)


@pytest.mark.parametrize("pane", [1, 10, 200])
def test_a_cusum_of_events_keeps_its_share_of_the_budget_however_short_the_panes_are(pane: int) -> None:
    wanted = 200.0
    threshold = bernoulli_threshold(wanted * 0.5, 0.5)
    found = run_length_of_events(np.random.default_rng(pane), threshold, pane, 200_000)
    assert found > 0.95 * wanted

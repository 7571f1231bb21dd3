from __future__ import annotations

import math

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


def test_a_cusum_of_events_reaches_its_threshold_once_in_its_share_of_the_budget() -> None:
    assert math.exp(bernoulli_threshold(10_000.0, 0.02, 500)) * 500 == pytest.approx(10_000.0 / 0.02)
    assert bernoulli_threshold(1.0, 1.0, 500) == 1.0

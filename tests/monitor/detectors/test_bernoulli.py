from __future__ import annotations

import math

import numpy as np
import pytest

from monitor.detectors.bernoulli import BernoulliCusum
from monitor.detectors.constant import departure_shares
from monitor.detectors.unusable import alternative


def one(p0: float = 0.01, p1: float = 0.05) -> BernoulliCusum:
    return BernoulliCusum(np.array([p0]), np.array([p1]))


def test_it_sums_log_likelihood_ratios_and_stays_above_0() -> None:
    cusum = one()
    cusum.add(np.array([20]), 100, 80)
    expected = 20 * math.log(5) + 80 * math.log(0.95 / 0.99)
    assert cusum.height == pytest.approx([expected])
    assert cusum.since.tolist() == [[20], [100], [80]]
    cusum.add(np.array([0]), 10_000, 10_000)
    assert cusum.height.tolist() == [0.0]
    assert cusum.since.tolist() == [[0], [0], [0]]


def test_at_the_tolerated_share_it_runs_at_least_as_long_as_promised() -> None:
    """Mean run length in panes against exp(threshold)."""
    generator = np.random.default_rng(0)
    threshold = 4.0
    alarms = 0
    cusum = one()
    panes = 20_000
    for events in generator.binomial(500, 0.01, panes):
        cusum.add(np.array([events]), 500, 500)
        if cusum.height[0] >= threshold:
            alarms += 1
            cusum.restart()
    assert panes / math.exp(threshold) >= alarms > 0


def test_each_event_has_its_own() -> None:
    cusum = BernoulliCusum(np.array([0.01, 0.01]), np.array([0.05, 0.05]))
    cusum.add(np.array([50, 0]), 500, 450)
    assert cusum.height[0] > 0
    assert cusum.height[1] == 0
    assert cusum.since[:, 1].tolist() == [0, 0, 0]


@pytest.mark.parametrize("rows", [2, 3, 10, 100, 720, 100_000])
def test_departures_from_a_constant_have_shares_in_order_for_any_number_of_rows(rows: int) -> None:
    p0, p1 = departure_shares(rows)
    assert 0.0 < p0 < p1 < 1.0
    assert (1.0 - p0) ** rows == pytest.approx(0.05)  # none in N rows would be one chance in twenty


@pytest.mark.parametrize("tolerated", [1e-6, 0.01, 0.2, 0.5, 0.99])
def test_the_alternative_lies_above_what_is_tolerated(tolerated: float) -> None:
    [share] = alternative(np.array([tolerated]))
    assert tolerated < share < 1.0

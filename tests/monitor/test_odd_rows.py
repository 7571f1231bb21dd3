"""Rows on which detectors that are right for normal ones cry wolf, or see nothing."""

from __future__ import annotations

import numpy as np
import pytest

from core.drift.reference import fit_reference
from core.drift.reference_rows import ReferenceRows
from core.drift.thresholds import ADJUSTED, FEATURE
from core.model import Floats
from core.profile import profile_rows
from monitor.drift_engine import DriftEngine, Limits
from tests.drift_references import QUICK_BLOCKS


def engine_of(
    x: Floats, probability: Floats | None = None, budget: float = 10_000.0, *, known_truth: bool = False
) -> DriftEngine:
    """An engine whose reference are rows (N, d), which all predict one half where nothing else is said."""
    half = np.full(len(x), 0.5) if probability is None else probability
    profile = profile_rows(x, tuple(f"f{column}" for column in range(x.shape[1])), 0)
    rows = ReferenceRows(x, half, np.flatnonzero(profile.varies))
    reference = fit_reference(rows, 0, known_truth=known_truth, blocks=QUICK_BLOCKS)
    return DriftEngine(profile, reference, Limits(budget=budget, slide=500))


def alarms(engine: DriftEngine, x: Floats, probability: Floats | None = None) -> list[str]:
    """The detectors that alarm over a stream, an alarm ends its pane."""
    p = np.full(len(x), 0.5) if probability is None else probability
    found, start = [], 0
    while start < len(x):
        stop = start + 500 - engine.pane_records
        start += engine.take(x[start:stop], p[start:stop], stop=True)
        if engine.alarmed or engine.pane_records == 500:
            crossing = engine.close_pane(0, 0).crossing
            if crossing is not None:
                found.append(crossing.detector)
    return found


def rare_event(x: Floats) -> Floats:
    """(n,) probabilities that are nearly always small."""
    return 1.0 / (1.0 + np.exp(6.0 - 0.8 * np.clip(x[:, 0], -50.0, 50.0)))


def test_one_absurd_record_alarms_nothing_not_even_of_a_rare_event() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(720, 3))
    stream = rng.normal(size=(1_000, 3))
    assert alarms(engine_of(x, rare_event(x)), stream, rare_event(stream)) == []
    stream[300] = 1e9
    assert alarms(engine_of(x, rare_event(x)), stream, rare_event(stream)) == []
    stream[300:310] = 1e9
    assert alarms(engine_of(x, rare_event(x)), stream, rare_event(stream))


@pytest.mark.parametrize("ones", [1, 3, 10])
def test_a_column_that_is_hardly_ever_one_does_not_blind_the_detectors_of_the_others(ones: int) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(720, 3))
    rare = np.zeros(720)
    rare[rng.permutation(720)[:ones]] = 1.0

    def thresholds(rows: Floats) -> Floats:
        reference = fit_reference(
            ReferenceRows(rows, np.full(720, 0.5), np.arange(rows.shape[1])), 0, blocks=QUICK_BLOCKS
        )
        return reference.thresholds.at(10_000.0)[[FEATURE, ADJUSTED]]

    assert (thresholds(np.column_stack([x, rare])) < 1.5 * thresholds(x)).all()


@pytest.mark.parametrize(("width", "values"), [(1, 2), (3, 2), (2, 4)])
def test_rows_of_few_integers_keep_the_budget_when_the_truth_is_known(width: int, values: int) -> None:
    """Thresholds lie on values that the statistics take: reached is not exceeded."""
    rng = np.random.default_rng(2)
    x = rng.integers(0, values, size=(720, width)).astype(float)
    stream = x[rng.integers(0, 720, 40_000)]
    assert len(alarms(engine_of(x, budget=1_000.0, known_truth=True), stream)) < 60


def test_what_differs_by_rounding_has_not_left_its_only_value() -> None:
    rng = np.random.default_rng(3)
    x = np.column_stack([rng.normal(size=720), np.where(rng.random(720) < 0.5, 0.1 + 0.2, 0.3)])
    stream = x[rng.integers(0, 720, 2_000)]
    assert alarms(engine_of(x), stream) == []
    stream[:, 1] *= 1.0 + 1e-6
    assert set(alarms(engine_of(x), stream)) == {"constant"}


def test_the_score_of_heavy_tails_keeps_to_its_share() -> None:
    """Without a bound on what one record adds, one Cauchy feature alarms in a tenth of all windows."""
    rng = np.random.default_rng(4)
    found: list[str] = []
    for _ in range(3):
        x = np.column_stack([rng.standard_cauchy(720), rng.normal(size=(720, 2))])
        stream = np.column_stack([rng.standard_cauchy(40_000), rng.normal(size=(40_000, 2))])
        found += alarms(engine_of(x), stream)
    assert found.count("mean_abs_z") <= 2

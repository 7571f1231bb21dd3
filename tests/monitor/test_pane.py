from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from core.model_file import ModelFile
from core.profile import TrainingProfile
from monitor.detectors.headline import allowed_changes, judge_window
from monitor.pane import LARGEST_Z, PaneAccumulator
from tests.monitor.scenario import make_model

FILE: ModelFile = make_model(("a", "b", "constant"), 1)
PROFILE: TrainingProfile = FILE.profile
ROWS = np.random.default_rng(0).normal(0.3, 2.0, (700, 3))


@given(st.lists(st.integers(1, 300), max_size=20))
def test_sums_are_bit_identical_however_the_rows_came(cuts: list[int]) -> None:
    probability = np.abs(np.sin(ROWS[:, 0]))
    whole = PaneAccumulator(PROFILE)
    whole.add(ROWS, probability)
    split = PaneAccumulator(PROFILE)
    start = 0
    for step in [*cuts, len(ROWS)]:
        part = slice(start, min(len(ROWS), start + step))
        if part.start < part.stop:
            split.add(ROWS[part], probability[part])
        start = part.stop
    assert split.n == whole.n == len(ROWS)
    (z_sum, p_sum, changed), (whole_z, whole_p, whole_changed) = split.sums(), whole.sums()
    assert z_sum.tobytes() == whole_z.tobytes()
    assert (p_sum, changed) == (whole_p, whole_changed)


@given(hnp.arrays(np.float64, (5, 3), elements=st.floats(allow_nan=False, allow_infinity=False)))
def test_any_finite_record_leaves_finite_sums(x: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> None:
    pane = PaneAccumulator(PROFILE)
    pane.add(x, np.full(5, 0.5))
    z_sum, _, changed = pane.sums()
    verdict = judge_window(PROFILE, 5, z_sum, np.array(changed), 0.01)
    assert np.abs(z_sum).max() <= 5 * LARGEST_Z
    assert math.isfinite(verdict.score)
    assert all(map(math.isfinite, msgspec.json.decode(msgspec.json.encode(z_sum.tolist()))))


def test_a_constant_feature_is_watched_by_equality_and_stays_out_of_the_score() -> None:
    x = np.zeros((10, 3))
    x[:, 2] = 4.0
    x[3, 2], x[7, 2] = 4.0000001, -1e300
    pane = PaneAccumulator(PROFILE)
    pane.add(x, np.zeros(10))
    z_sum, _, changed = pane.sums()
    assert changed == [0, 0, 2]
    verdict = judge_window(PROFILE, 10, z_sum, np.array(changed), 0.01)
    assert verdict.z[2] == 0.0
    assert verdict.score == pytest.approx(np.abs(z_sum[:2] / 10).mean())
    assert verdict.constant_alarm
    assert verdict.drifted


def test_headline_alarms_strictly_above_its_threshold() -> None:
    threshold = PROFILE.threshold(100, 0.01)
    z = np.array([threshold, -threshold, 0.0])
    none = np.zeros(3, dtype=np.int64)
    assert judge_window(PROFILE, 100, z * 100 * 1.001, none, 0.01).drifted
    assert not judge_window(PROFILE, 100, z * 100 * 0.999, none, 0.01).drifted


@pytest.mark.parametrize(
    ("n", "rows", "rate"), [(1, 720, 0.01), (50, 720, 0.01), (500, 720, 0.01), (500, 2, 0.1), (5_000, 100, 1e-4)]
)
def test_allowed_changes_are_the_quantile_of_a_poisson_count(n: int, rows: int, rate: float) -> None:
    mean = n * min(1.0, 3.0 / rows)
    terms = [math.exp(-mean)]
    while sum(terms) < 1 - rate:
        terms.append(terms[-1] * mean / len(terms))
    assert allowed_changes(n, rows, rate) == min(n, len(terms) - 1)


def test_allowed_changes_of_a_huge_window_do_not_underflow() -> None:
    mean = 1_000_000 * 3 / 720
    allowed = allowed_changes(1_000_000, 720, 0.01)
    assert mean + 2 * math.sqrt(mean) < allowed < mean + 3 * math.sqrt(mean)


def test_a_record_now_and_then_off_a_constant_is_no_alarm() -> None:
    """As often as the training rows, none of which left it, leave open."""
    allowed = allowed_changes(500, PROFILE.rows, 0.01)
    for changed, alarm in ((allowed, False), (allowed + 1, True)):
        verdict = judge_window(PROFILE, 500, np.zeros(3), np.array([0, 0, changed]), 0.01)
        assert verdict.constant_alarm is alarm

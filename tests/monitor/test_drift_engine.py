"""All detectors together."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.drift.budget import CONSTANT_SHARE
from monitor.detectors.panel import DETECTORS
from monitor.drift_engine import Limits
from tests.monitor.trained import (
    LIMITS,
    SEVEN,
    TWELVE_ORDERED,
    Trained,
    as_bytes,
    five_hundred,
    play,
    shifted,
    trained,
)

CUTS = st.sets(st.integers(1, 1_100), max_size=12) | st.builds(
    lambda first, length: set(range(first, first + length)), st.integers(1, 900), st.integers(1, 40)
)


@pytest.mark.parametrize("some", [SEVEN, TWELVE_ORDERED], ids=["seven", "twelve_ordered"])
@given(cuts=CUTS, stop=st.booleans())
def test_pieces_of_any_size_give_equal_bits(some: Trained, cuts: set[int], stop: bool) -> None:
    x = shifted(some, 420, 700, np.where(some.profile.varies, 0.35, 0.0))
    whole, split = some.engine(), some.engine()
    expected = play(some, x, engine=whole, stop=stop)
    assert any(judgement.crossing for _, judgement in expected)
    assert as_bytes(play(some, x, cuts, split, stop=stop)) == as_bytes(expected)
    assert split.state() == whole.state()


def test_with_stop_an_alarm_is_the_last_record_taken() -> None:
    x = shifted(SEVEN, 100, 150, np.where(SEVEN.profile.varies, 1.5, 0.0))
    engine = SEVEN.engine()
    taken = engine.take(x, SEVEN.probability(x), stop=True)
    assert 100 < taken < 115
    assert engine.pane_records == taken
    in_the_pane = engine.alarmed
    judgement = engine.close_pane(0, 0)
    assert judgement.crossing is not None
    assert judgement.n == taken
    assert (in_the_pane, engine.alarmed) == (True, False)


def test_without_stop_all_is_taken_and_the_same_alarm_noted() -> None:
    x = shifted(SEVEN, 100, 150, np.where(SEVEN.profile.varies, 1.5, 0.0))
    probability = SEVEN.probability(x)
    stopping, noting = SEVEN.engine(), SEVEN.engine()
    stopping.take(x, probability, stop=True)
    assert noting.take(x, probability, stop=False) == 250
    found, noted = stopping.close_pane(0, 0), noting.close_pane(0, 0)
    assert found.crossing is not None
    assert noted.crossing is not None
    assert noted.crossing.words == found.crossing.words
    assert noted.crossing.shift.tobytes() == found.crossing.shift.tobytes()
    assert noted.n == 250


def test_detectors_rest_until_the_pane_ends_and_then_begin_afresh() -> None:
    x = shifted(SEVEN, 100, 650, np.where(SEVEN.profile.varies, 1.5, 0.0))
    probability = SEVEN.probability(x)
    engine = SEVEN.engine()
    engine.take(x[:250], probability[:250], stop=False)
    assert engine.alarmed
    many = SEVEN.rows(9_000, 1)  # more than are worked on at once
    many[8_000:, :6] += 4.0
    assert engine.take(many, SEVEN.probability(many), stop=True) == 9_000
    first = engine.close_pane(0, 0)
    again = engine.take(x[250:], probability[250:], stop=True)
    second = engine.close_pane(0, 0)
    assert first.crossing is not None
    assert second.crossing is not None
    assert second.crossing.back <= again < 20  # nothing of the shifted records before was left


def test_nothing_is_judged_before_enough_usable_records() -> None:
    for min_records in (1, 50, 400):
        engine = SEVEN.engine(replace(LIMITS, min_records=min_records))
        x = shifted(SEVEN, 0, 900, np.where(SEVEN.profile.varies, 4.0, 0.0))
        judgements = play(SEVEN, x, engine=engine)
        for place, judgement in judgements:
            assert judgement.judged == (place >= min_records)
            assert judgement.judged or (judgement.crossing is None and not judgement.calm)
        first = next(place for place, judgement in judgements if judgement.crossing)
        assert min_records <= first <= max(min_records, 8)


def test_before_enough_records_nothing_is_calm_either() -> None:
    engine = SEVEN.engine()
    x = SEVEN.rows(40, 2)
    engine.take(x, SEVEN.probability(x), stop=True)
    judgement = engine.close_pane(0, 0)
    assert all(reading.calm for reading in judgement.readings)
    assert not judgement.calm


def test_a_window_of_few_records_is_judged_record_by_record_alone() -> None:
    """As where a time limit closes a pane early."""
    engine = SEVEN.engine(replace(LIMITS, budget=1e5))
    play(SEVEN, SEVEN.rows(250, 2), engine=engine)
    x = np.tile(SEVEN.profile.mean + 3.0 * SEVEN.profile.standard_deviation, (2, 1))
    engine.take(x, SEVEN.probability(x), stop=True)
    judgement = engine.close_pane(0, 0)
    assert judgement.judged
    assert judgement.crossing is None
    assert judgement.score > judgement.threshold
    assert not any(reading.alarm for reading in judgement.readings)


def test_a_stream_of_nothing_usable_alarms() -> None:
    engine = SEVEN.engine()
    judgement = engine.close_pane(30, 30)
    assert not judgement.judged
    judgement = engine.close_pane(70, 70)
    assert judgement.crossing is not None
    assert judgement.judged
    assert (judgement.crossing.detector, judgement.crossing.back) == ("unusable", 1)
    assert judgement.crossing.words == "100 % of the last 100 records were rejected."


def test_every_detector_reads_in_the_same_order_and_calm_means_all() -> None:
    said = play(SEVEN, SEVEN.rows(5_000, 5))
    for _, judgement in said:
        assert tuple(reading.detector for reading in judgement.readings) == DETECTORS
        assert judgement.calm == all(reading.calm for reading in judgement.readings)
    calm = sum(judgement.calm for _, judgement in said)
    assert len(said) / 4 < calm < len(said)


def test_an_alarm_at_a_record_goes_before_one_at_the_end_of_its_pane() -> None:
    x = shifted(SEVEN, 240, 10, np.where(SEVEN.profile.varies, 8.0, 0.0))
    _, judgement = play(SEVEN, x, stop=False)[0]
    assert judgement.crossing is not None
    assert judgement.crossing.detector == "mean_shift"
    by_name = {reading.detector: reading for reading in judgement.readings}
    assert by_name["mean_abs_z"].alarm


def test_the_change_point_and_the_blame_of_a_shift_of_one_feature() -> None:
    errors, blamed, shifts = [], [], []
    for seed in range(20):
        x = shifted(SEVEN, 700, 400, np.array([0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0]), seed)
        place, judgement = next((place, said) for place, said in play(SEVEN, x) if said.crossing)
        assert judgement.crossing is not None
        errors.append(place - 700 - judgement.crossing.back)
        blamed.append(judgement.crossing.blame[0])
        assert sorted(judgement.crossing.blame) == list(range(7))
        assert judgement.crossing.shift[6] == 0.0
        shifts.append(judgement.crossing.shift[4])
        assert "f4" in judgement.crossing.words
    assert abs(np.median(errors)) <= 3
    assert np.median(shifts) == pytest.approx(1.0, abs=0.4)
    assert blamed.count(4) >= 19


def test_a_small_shift_is_dated_beyond_the_records_that_are_kept() -> None:
    """Only a CUSUM finds it, after more than 200 records."""
    x = shifted(SEVEN, 500, 3_000, np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.28, 0.0]), 3)
    crossings = [(place, said.crossing) for place, said in play(SEVEN, x) if said.crossing]
    place, crossing = crossings[0]
    assert place > 500
    assert crossing.detector == "cusum"
    assert 200 < crossing.back <= place
    assert "over the last 200 records, and began" in crossing.words


@pytest.mark.parametrize(
    ("panes", "slide"),
    [(1, 500), (4, 250)],
)
def test_a_window_is_its_last_panes(panes: int, slide: int) -> None:
    limits = Limits(budget=1e9, slide=slide, panes=panes)
    x = SEVEN.rows(2_000, 8)
    engine = SEVEN.engine(limits)
    for place, judgement in play(SEVEN, x, engine=engine, slide=slide):
        window = x[max(0, place - panes * slide) : place]
        assert judgement.n == len(window)
        assert judgement.skipped == 2 * math.ceil(len(window) / slide)
        assert judgement.missing == math.ceil(len(window) / slide)
        z = (window.mean(axis=0) - SEVEN.profile.mean) / np.where(
            SEVEN.profile.varies, SEVEN.profile.standard_deviation, 1.0
        )
        assert judgement.z == pytest.approx(z, abs=1e-6)
        assert judgement.score == pytest.approx(np.abs(z[:6]).mean(), abs=1e-6)
        assert judgement.p_mean == pytest.approx(SEVEN.probability(window).mean(), abs=1e-6)


def test_a_pane_without_a_usable_record_is_closed_like_any_other() -> None:
    engine = SEVEN.engine(replace(LIMITS, panes=2))
    assert engine.close_pane(0, 0).n == 0
    play(SEVEN, SEVEN.rows(250, 1), engine=engine)
    judgement = engine.close_pane(1, 0)
    assert (judgement.n, judgement.skipped) == (250, 3)
    assert judgement.crossing is None


def test_departures_from_a_constant_are_counted_and_named() -> None:
    x = SEVEN.rows(500, 2)
    x[300:, 6] += 1e-6
    said = play(SEVEN, x)
    assert [judgement.constant_changed[6] for _, judgement in said] == [0, 200]
    crossing = said[-1][1].crossing
    assert crossing is not None
    assert crossing.blame[0] == 6
    assert crossing.words == "f6 left the only value it had in training in 200 of the last 250 records."


def test_several_constants_share_their_part_of_the_budget() -> None:
    some = trained(4, constants=2)
    judgement = some.engine().close_pane(0, 0)
    [reading] = [reading for reading in judgement.readings if reading.detector == "constant"]
    assert reading.threshold == pytest.approx(math.log(2 * LIMITS.budget / CONSTANT_SHARE))


def test_any_finite_record_leaves_everything_finite() -> None:
    x = SEVEN.rows(750, 2)
    x[255:260] = 1.7e308
    x[300] = -1.7e308
    x[400:700] = 0.0
    for _, judgement in play(SEVEN, x):
        assert np.isfinite(judgement.z).all()
        for reading in judgement.readings:
            assert math.isfinite(reading.statistic)
            assert 0.0 < reading.threshold < math.inf
        if judgement.crossing is not None:
            assert np.isfinite(judgement.crossing.shift).all()


@pytest.mark.parametrize(
    "make",
    [lambda: trained(1, 300), lambda: trained(2, 30), five_hundred],
    ids=["one feature", "few rows", "five hundred features"],
)
def test_one_feature_few_rows_andfive_hundred_features(make: Callable[[], Trained]) -> None:
    some = make()
    quiet = play(some, some.rows(500, 4), engine=some.engine(replace(LIMITS, budget=1e9)))
    assert all(judgement.crossing is None for _, judgement in quiet)
    loud = play(some, some.rows(500, 4) + 2.0)
    assert any(judgement.crossing for _, judgement in loud)

"""Sums of panes and windows beside the records themselves."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.drift.statistics import TICK
from core.model import Floats
from monitor.pane import PaneAccumulator, PaneSums, Window, check_pane
from tests.monitor.detectors.alone import SLIDE, draw, model_file, probability

FILE = model_file()
ROWS = draw(np.random.default_rng(0), 700)


def accumulated(parts: list[Floats], slide: int = SLIDE) -> PaneAccumulator:
    pane = PaneAccumulator(FILE.profile, FILE.drift.bins, slide)
    for part in parts:
        pane.add(FILE.drift.transform.columns(part, probability(part)), part, probability(part))
    return pane


def window(panes: list[tuple[PaneSums, np.ndarray[tuple[int, int], np.dtype[np.int64]]]], apart: int) -> Window:
    return Window([pane for pane, _ in panes], panes[-1][1], apart, True, True)


@given(st.lists(st.integers(1, 300), max_size=20))
def test_sums_are_bit_identical_however_the_rows_came(cuts: list[int]) -> None:
    whole, whole_marks = accumulated([ROWS]).close(3, 1)
    bounds = np.minimum(np.cumsum([0, *cuts, 700]), 700)
    parts = [ROWS[begin:end] for begin, end in pairwise(bounds) if begin < end]
    split, marks = accumulated(parts).close(3, 1)
    assert split == whole
    assert marks.tobytes() == whole_marks.tobytes()


def calibrated_sums(parts: list[Floats]) -> PaneSums:
    """A pane of a model whose calibrated probability is the square of the other."""
    pane = PaneAccumulator(FILE.profile, FILE.drift.bins, SLIDE)
    for part in parts:
        p = probability(part)
        pane.add(FILE.drift.transform.columns(part, p), part, p, p**2)
    return pane.close(0, 0)[0]


@given(st.lists(st.integers(1, 300), max_size=20))
def test_the_calibrated_mean_is_that_of_all_panes_however_the_rows_came(cuts: list[int]) -> None:
    bounds = np.minimum(np.cumsum([0, *cuts, 700]), 700)
    parts = [ROWS[begin:end] for begin, end in pairwise(bounds) if begin < end]
    assert calibrated_sums(parts) == calibrated_sums([ROWS])
    marks = np.zeros((0, 3), dtype=np.int64)
    held = window([(calibrated_sums([ROWS[:500]]), marks), (calibrated_sums([ROWS[500:]]), marks)], 32)
    assert held.calibrated_mean == pytest.approx((probability(ROWS) ** 2).mean(), abs=TICK)
    assert held.means[-1] == pytest.approx(probability(ROWS).mean(), abs=TICK)


def test_without_a_calibration_there_is_no_calibrated_mean() -> None:
    assert window([accumulated([ROWS]).close(0, 0)], 32).calibrated_mean is None


@pytest.mark.parametrize("ticks", [-1, 701 * 2**20])
def test_a_calibrated_mean_that_is_no_probability_is_refused(ticks: int) -> None:
    pane = calibrated_sums([ROWS])
    check_pane(pane, 3, 1)
    with pytest.raises(ValueError, match="mean calibrated probability"):
        check_pane(msgspec.structs.replace(pane, calibrated=ticks), 3, 1)


def test_a_window_holds_each_record_once() -> None:
    closed = [accumulated([ROWS[begin : begin + 175]]).close(2, 1) for begin in range(0, 700, 175)]
    held = window(closed, 32)
    assert held.n == 700
    assert (held.pane.n, held.pane.skipped, held.pane.missing) == (175, 2, 1)
    z = (ROWS[:, :3] - FILE.drift.transform.mean) / FILE.drift.transform.standard_deviation
    assert held.means == pytest.approx([*z.mean(axis=0), probability(ROWS).mean()], abs=TICK)
    assert held.counts.shape == (5, 10)
    assert (held.counts.sum(axis=1) == 700).all()


def test_suffixes_are_sums_from_pane_beginnings_and_marks_to_the_end() -> None:
    closed = [accumulated([ROWS[:300]]).close(0, 0), accumulated([ROWS[300:]]).close(0, 0)]
    records, sums = window(closed, 32).suffixes()
    assert records.tolist() == [700, 400, *range(400 - 32, 0, -32)]
    z = (ROWS[:, :3] - FILE.drift.transform.mean) / FILE.drift.transform.standard_deviation
    for count, found in zip(records, sums.T, strict=True):
        assert found == pytest.approx(z[700 - count :].sum(axis=0), abs=700 * TICK)


def test_a_change_in_the_last_record_of_a_full_pane_is_no_place_with_nothing_behind_it() -> None:
    records, _ = window([accumulated([ROWS[:64]]).close(0, 0)], 32).suffixes()
    assert records.tolist() == [64, 32]


def test_departures_from_a_constant_are_counted_by_equality() -> None:
    x = ROWS[:10].copy()
    x[3, 3], x[7, 3] = 4.0000001, -1e300
    closed = accumulated([x]).close(0, 0)
    held = window([closed, closed], 32)
    assert held.changed.tolist() == [4]
    assert held.pane_changed.tolist() == [2]


def test_a_pane_without_a_record_adds_nothing() -> None:
    empty = PaneAccumulator(FILE.profile, FILE.drift.bins, SLIDE).close(5, 2)
    full = accumulated([ROWS]).close(0, 0)
    held = window([full, empty], 32)
    assert held.n == 700
    assert held.means.tobytes() == window([full], 32).means.tobytes()
    assert window([empty], 32).means.tolist() == [0.0, 0.0, 0.0, 0.0]
    assert window([empty], 32).suffixes()[0].tolist() == []


def test_a_pane_of_other_features_is_refused() -> None:
    pane, _ = accumulated([ROWS]).close(0, 0)
    check_pane(pane, 3, 1)
    for width, constants in ((2, 1), (3, 2), (4, 0)):
        with pytest.raises(ValueError, match="another shape"):
            check_pane(pane, width, constants)
    with pytest.raises(ValueError, match="cannot be counted"):
        check_pane(PaneSums(-1, 0, 0, pane.ticks, pane.changed, pane.counts), 3, 1)
    with pytest.raises(ValueError, match="do not hold its records"):
        check_pane(PaneSums(701, 0, 0, pane.ticks, pane.changed, pane.counts), 3, 1)

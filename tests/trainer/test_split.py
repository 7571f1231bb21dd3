from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import DataError
from trainer.split import newest_split, split_by, stratified_split
from trainer.table import Table


@given(st.integers(2, 60), st.integers(2, 60), st.integers(0, 2**31))
def test_a_stratified_split_uses_every_row_once_and_keeps_the_share(zeros: int, ones: int, seed: int) -> None:
    y = np.random.default_rng(seed).permutation(np.repeat(np.array([0, 1], dtype=np.uint8), [zeros, ones]))
    split = stratified_split(y, seed)
    assert sorted([*split.train, *split.holdout]) == list(range(len(y)))
    for label, rows in ((0, zeros), (1, ones)):
        held = int((y[split.holdout] == label).sum())
        assert abs(held - 0.2 * rows) <= 0.5 or held == 1
        assert 1 <= held < rows


def test_the_seed_alone_decides(raisin: Table) -> None:
    one, same, other = (stratified_split(raisin.y, seed) for seed in (1, 1, 2))
    assert np.array_equal(one.holdout, same.holdout)
    assert not np.array_equal(one.holdout, other.holdout)
    assert (len(one.train), len(one.holdout)) == (720, 180)
    assert int(raisin.y[one.holdout].sum()) == 90


def test_a_class_of_one_row_cannot_be_split() -> None:
    with pytest.raises(DataError, match="class 1 has 1 rows"):
        stratified_split(np.array([0, 0, 1], dtype=np.uint8), 0)


@given(st.lists(st.integers(0, 20), min_size=2, max_size=50))
def test_nothing_held_out_by_time_is_older_than_what_trains(times: list[int]) -> None:
    stamps = np.array(times, dtype=np.int64)
    split = newest_split(stamps)
    assert sorted([*split.train, *split.holdout]) == list(range(len(times)))
    assert stamps[split.train].max() <= stamps[split.holdout].min()
    assert len(split.holdout) == max(round(0.2 * len(times)), 1)


def test_of_equal_times_the_later_row_is_newer() -> None:
    assert newest_split(np.full(10, 5, dtype=np.int64)).holdout.tolist() == [8, 9]


def test_one_row_cannot_be_split_by_time() -> None:
    with pytest.raises(DataError, match="wait for more labels"):
        newest_split(np.array([1], dtype=np.int64))


def test_a_split_in_time_holds_the_last_rows_out_whatever_the_seed() -> None:
    y = np.resize(np.array([0, 1], dtype=np.uint8), 50)
    one, other = split_by("time", y, 0), split_by("time", y, 7)
    assert one.holdout.tolist() == other.holdout.tolist() == list(range(40, 50))
    assert one.by_time
    assert not split_by("stratified", y, 0).by_time


@pytest.mark.parametrize(
    ("order", "said"), [((0, 1), "all 10 newest rows are of class '1'"), ((1, 0), "of class '0'")]
)
def test_a_part_in_time_of_one_class_cannot_judge(order: tuple[int, int], said: str) -> None:
    with pytest.raises(DataError, match=said):
        split_by("time", np.repeat(np.array(order, dtype=np.uint8), 25), 0)

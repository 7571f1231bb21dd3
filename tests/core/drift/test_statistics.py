"""The kernels beside plain loops, and their sums in pieces."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.drift.statistics import (
    REFERENCE_VALUE,
    SCALES,
    TICK,
    cumulative,
    sliding_likelihood_ratio,
    sliding_likelihood_ratios,
    two_sided_cusum,
)
from core.model import Floats

WIDTHS = (1, 2, 7, 9, 17)


def columns(c: int, n: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(size=(c, n))


def pieces(n: int, cuts: list[int]) -> list[slice]:
    places = sorted({0, n, *(cut for cut in cuts if cut < n)})
    return [slice(*pair) for pair in pairwise(places)]


@given(c=st.sampled_from(WIDTHS), cuts=st.lists(st.integers(1, 320), max_size=12), single=st.integers(0, 300))
def test_statistics_of_pieces_are_those_of_the_whole_to_the_bit(c: int, cuts: list[int], single: int) -> None:
    x = columns(c, 320)
    whole = cumulative(np.zeros(c), x)
    ratios = sliding_likelihood_ratios(whole, 320)
    heights = two_sided_cusum(np.zeros((2, c)), x)
    sums, height = np.zeros((c, 1)), np.zeros((2, c))
    for piece in pieces(320, [*cuts, *range(single, single + 5)]):
        n = piece.stop - piece.start
        sums = np.concatenate([sums[:, :-1], cumulative(sums[:, -1], x[:, piece])], axis=1)
        assert sliding_likelihood_ratios(sums, n).tobytes() == np.ascontiguousarray(ratios[:, piece]).tobytes()
        sums = sums[:, -max(SCALES) - 1 :] - sums[:, -1:]
        part = two_sided_cusum(height, x[:, piece])
        assert part.tobytes() == np.ascontiguousarray(heights[:, :, piece]).tobytes()
        height = part[:, :, -1]


@pytest.mark.parametrize("c", WIDTHS)
def test_cusums_are_those_of_a_loop(c: int) -> None:
    x = columns(c, 60)
    heights = two_sided_cusum(np.full((2, c), 1.5), x)
    height = np.full((2, c), 1.5)
    for place in range(60):
        terms = np.array([x[:, place], -x[:, place]]) - REFERENCE_VALUE
        height = np.maximum(0.0, height + terms)
        assert heights[:, :, place] == pytest.approx(height, abs=60 * TICK)
    assert (heights == 0.0).any()
    assert (heights > 0.0).any()


@pytest.mark.parametrize("c", WIDTHS)
def test_likelihood_ratios_are_those_of_a_loop_and_0_where_nothing_lies_behind(c: int) -> None:
    x = columns(c, 60)
    sums = cumulative(np.zeros(c), x)
    ratios = sliding_likelihood_ratios(sums, 60)
    for row, scale in zip(ratios, SCALES, strict=True):
        for place in range(60):
            count = place + 1
            expected = (x[:, count - scale : count].sum(axis=1) ** 2).sum() / scale if count >= scale else 0.0
            assert row[place] == pytest.approx(expected, abs=1e-3)
        if scale <= 60:
            one_by_one = sliding_likelihood_ratio(sums, scale)
            assert one_by_one.tobytes() == row[scale - 1 :].tobytes()


@pytest.mark.parametrize("c", WIDTHS)
def test_one_place_has_the_bits_that_it_has_among_many(c: int) -> None:
    sums = cumulative(np.zeros(c), 1e4 * columns(c, 40))  # so large that squares are rounded
    for scale in (1, 3, 8):
        many = sliding_likelihood_ratio(sums, scale)
        for place, value in enumerate(many):
            assert sliding_likelihood_ratio(sums[:, place : place + scale + 1], scale).tolist() == [value]


def test_sums_are_exact_where_floats_are_not() -> None:
    x = np.full((1, 1000), 0.1)
    sums = cumulative(np.array([2.0**32]), x)
    assert sums[0, -1] - sums[0, 0] == round(0.1 / TICK) * TICK * 1000


def test_nothing_is_a_piece_too() -> None:
    assert two_sided_cusum(np.zeros((2, 3)), np.zeros((3, 0))).shape == (2, 3, 0)
    assert cumulative(np.array([0.5]), np.zeros((1, 0))).tolist() == [[0.5]]

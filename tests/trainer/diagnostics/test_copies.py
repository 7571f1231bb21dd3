"""How many pairs of rows agree by chance: against the count in rows that are drawn without a copy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.model import Floats
from trainer.diagnostics.copies import Copies, agreeing_by_chance


def agreeing(rows: Floats) -> float:
    """Pairs of rows that are equal."""
    _, sizes = np.unique(rows, axis=0, return_counts=True)
    return float((sizes * (sizes - 1.0)).sum() / 2.0)


def integers(scale: float, likeness: float, d: int, seed: int, n: int = 2000) -> Floats:
    """Rounded features that share a part."""
    generator = np.random.default_rng(seed)
    parts = np.sqrt(likeness) * generator.normal(size=(n, 1)) + np.sqrt(1.0 - likeness) * generator.normal(
        size=(n, d)
    )
    rounded: Floats = np.round(scale * parts)
    return rounded


@pytest.mark.parametrize("scale", [3.0, 10.0, 30.0])
@pytest.mark.parametrize("likeness", [0.0, 0.7, 0.97])
def test_what_occurs_again_without_a_copy_is_no_more_than_five_times_the_estimate(
    scale: float, likeness: float
) -> None:
    for seed in range(3):
        rows = integers(scale, likeness, 3, seed)
        again = len(rows) - len(np.unique(rows, axis=0))
        assert again <= 5.0 * agreeing_by_chance(rows) + 5.0


def test_a_feature_in_two_units_counts_once() -> None:
    generator = np.random.default_rng(0)
    celsius, other = np.round(generator.normal(20.0, 5.0, 2000)), generator.integers(0, 60, 2000)
    rows = np.column_stack([celsius, 1.8 * celsius + 32.0, other])
    assert agreeing_by_chance(rows) == pytest.approx(agreeing(rows), rel=0.2)


@pytest.mark.parametrize("copied", [50, 500, 1000])
def test_copies_do_not_explain_themselves(copied: int) -> None:
    rows = np.random.default_rng(1).normal(size=(2000, 3))
    rows[:copied] = rows[-copied:]
    assert agreeing_by_chance(rows) < 0.01 * copied


@given(
    arrays(
        np.float64,
        st.tuples(st.integers(2, 30), st.integers(1, 4)),
        elements=st.sampled_from([-0.0, 0.0, 1.0, 2.5]),
    )
)
def test_copies_are_counted_as_by_hand(rows: Floats) -> None:
    n = len(rows)
    training = (n + 1) // 2
    y = (np.arange(n) % 2).astype(np.uint8)
    known = [tuple(row + 0.0) for row in rows]
    found = Copies.among(rows, y, training)
    assert found.again == training - len(set(known[:training]))
    assert found.across == sum(row in known[:training] for row in known[training:])
    assert found.largest == max(known.count(row) for row in known)
    spoken_of = [index for index in range(n) if index < training or known[index] in known[:training]]
    labels = {row: [int(y[index]) for index in spoken_of if known[index] == row] for row in known}
    assert found.contrary == sum(min(seen.count(0), seen.count(1)) for seen in labels.values())
    assert np.isfinite(agreeing_by_chance(rows))
    assert found.distinct_values.tolist() == [len(set(column)) for column in (rows + 0.0).T.tolist()]

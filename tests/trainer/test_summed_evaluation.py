"""Figures summed over blocks against those of the rows themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model import Floats
from core.sigmoid import sigmoid
from trainer.evaluation import Evaluation, evaluate
from trainer.loss import PROBABILITY_CLIP
from trainer.summed_evaluation import SummedEvaluation
from trainer.table import Labels

#: Of the histogram, whose rows of one cell count as ties; all else is a sum.
OF_RANKS = ("auc", "average_precision")


def summed(y: Labels, p: Floats, threshold: float, size: int) -> Evaluation:
    figures = SummedEvaluation(threshold)
    for start in range(0, len(y), size):
        figures.add(y[start : start + size], p[start : start + size])
    return figures.evaluation


def assert_same(found: Evaluation, expected: Evaluation, room: float) -> None:
    for name in Evaluation.__struct_fields__:
        ours, theirs = getattr(found, name), getattr(expected, name)
        if theirs is None:
            assert ours is None, name
        else:
            assert ours == pytest.approx(theirs, abs=room if name in OF_RANKS else 1e-12, rel=1e-12), name


@pytest.mark.parametrize("threshold", [0.5, 0.2, 0.0, 1.0])
@pytest.mark.parametrize(("scale", "offset"), [(1.5, 0.0), (8.0, -6.0), (0.05, 0.0)])
def test_figures_are_those_of_the_rows(scale: float, offset: float, threshold: float) -> None:
    generator = np.random.default_rng(0)
    logit = scale * generator.normal(size=20_000) + offset
    y = (generator.random(20_000) < sigmoid(logit)).astype(np.uint8)
    p = sigmoid(logit)
    assert_same(summed(y, p, threshold, 333), evaluate(y, p, threshold), 2e-4)


def test_probabilities_that_are_steps_are_ranked_exactly() -> None:
    generator = np.random.default_rng(1)
    p = generator.integers(0, 11, 5_000) / 10.0  # 0 and 1 too, as isotonic calibration gives them
    y = (generator.random(5_000) < p).astype(np.uint8)
    assert_same(summed(y, p, 0.3, 999), evaluate(y, p, 0.3), 1e-12)


@given(
    st.lists(st.tuples(st.integers(0, 1), st.sampled_from([0.0, 1e-300, 1e-15, 0.1, 0.5, 0.9, 1.0])), min_size=1),
    st.sampled_from([0.0, 0.1, 0.5, 1.0]),
)
def test_any_rows_of_any_classes_have_the_figures_of_the_rows(
    rows: list[tuple[int, float]], threshold: float
) -> None:
    y, p = np.array([label for label, _ in rows], dtype=np.uint8), np.array([each for _, each in rows])
    found, exact = summed(y, p, threshold, 3), evaluate(y, p, threshold)
    assert_same(found, exact, 1.0)
    # what the loss cannot tell apart is one rank here
    ranked = evaluate(y, np.clip(p, PROBABILITY_CLIP, 1.0 - PROBABILITY_CLIP))
    for name in OF_RANKS:
        assert getattr(found, name) == pytest.approx(getattr(ranked, name), abs=1e-12), name

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from sklearn import metrics

from tests.trainer.metrics.judged_rows import JudgedRows, assert_alike, judged_rows, oracle
from trainer.loss import PROBABILITY_CLIP
from trainer.metrics.probability import brier_score, log_loss
from trainer.table import Labels


def labels(*values: int) -> Labels:
    return np.array(values, dtype=np.uint8)


@given(judged_rows())
def test_log_loss_is_scikit_learns_of_clipped_probabilities(rows: JudgedRows) -> None:
    clipped = np.clip(rows.probability, PROBABILITY_CLIP, 1 - PROBABILITY_CLIP)
    theirs = oracle(metrics.log_loss, rows.y, clipped, sample_weight=rows.weights, labels=[0, 1])
    assert_alike(log_loss(rows.y, rows.probability, rows.weights), theirs)


@given(judged_rows())
def test_the_brier_score_is_scikit_learns(rows: JudgedRows) -> None:
    theirs = oracle(metrics.brier_score_loss, rows.y, rows.probability, sample_weight=rows.weights, pos_label=1)
    assert_alike(brier_score(rows.y, rows.probability, rows.weights), theirs)


def test_a_certain_mistake_costs_much_and_not_infinitely_much() -> None:
    assert log_loss(labels(1), np.array([0.0])) == pytest.approx(-math.log(PROBABILITY_CLIP))
    assert log_loss(labels(0), np.array([1.0])) == pytest.approx(-math.log(PROBABILITY_CLIP), abs=0.2)
    assert log_loss(labels(1), np.array([1.0])) == pytest.approx(0.0, abs=1e-14)


def test_the_hand_value_of_one_ticket() -> None:
    assert log_loss(labels(1), np.array([0.82])) == pytest.approx(0.198, abs=5e-4)
    assert log_loss(labels(0, 1), np.array([0.5, 0.5])) == pytest.approx(0.693, abs=5e-4)


def test_a_weight_of_two_is_a_row_twice() -> None:
    y, p = labels(0, 1, 1), np.array([0.2, 0.6, 0.9])
    weights, repeated = np.array([1.0, 1.0, 2.0]), [0, 1, 2, 2]
    for metric in (log_loss, brier_score):
        assert metric(y, p, weights) == pytest.approx(metric(y[repeated], p[repeated]))

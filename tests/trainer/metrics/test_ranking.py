from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from sklearn import metrics

from tests.trainer.metrics.judged_rows import JudgedRows, assert_alike, assert_all_alike, judged_rows, oracle
from trainer.metrics.ranking import area_under_curve, average_precision, precision_recall_curve, roc_curve
from trainer.table import Labels


def labels(*values: int) -> Labels:
    return np.array(values, dtype=np.uint8)


@given(judged_rows())
def test_the_area_is_scikit_learns_and_undefined_for_one_class(rows: JudgedRows) -> None:
    ours = area_under_curve(rows.y, rows.probability, rows.weights)
    if rows.classes == 2:
        theirs = oracle(metrics.roc_auc_score, rows.y, rows.probability, sample_weight=rows.weights)
        assert_alike(ours, theirs)
    else:
        assert ours is None


@given(judged_rows(weighted=False))
def test_the_area_is_the_share_of_pairs_in_order_ties_counting_half(rows: JudgedRows) -> None:
    below, above = rows.probability[rows.y == 0], rows.probability[rows.y == 1]
    pairs = [0.5 * (a == b) + (a > b) for a in above for b in below]
    assert_alike(area_under_curve(rows.y, rows.probability), float(np.mean(pairs)) if pairs else np.nan)


@given(judged_rows())
def test_average_precision_is_scikit_learns_and_undefined_without_positives(rows: JudgedRows) -> None:
    ours = average_precision(rows.y, rows.probability, rows.weights)
    if rows.positives:
        theirs = oracle(metrics.average_precision_score, rows.y, rows.probability, sample_weight=rows.weights)
        assert_alike(ours, theirs)
    else:
        assert ours is None


@given(judged_rows())
def test_the_roc_points_are_scikit_learns(rows: JudgedRows) -> None:
    ours = roc_curve(rows.y, rows.probability, rows.weights)
    if rows.classes < 2:
        assert ours is None
        return
    assert ours is not None
    false_positive_rate, true_positive_rate, thresholds = metrics.roc_curve(
        rows.y, rows.probability, sample_weight=rows.weights, drop_intermediate=False
    )
    assert_all_alike(ours.false_positive_rate, false_positive_rate)
    assert_all_alike(ours.true_positive_rate, true_positive_rate)
    assert ours.thresholds.tolist() == thresholds.tolist()


@given(judged_rows(weighted=False))
def test_the_roc_corners_are_scikit_learns_and_span_the_same_area(rows: JudgedRows) -> None:
    ours = roc_curve(rows.y, rows.probability, drop_intermediate=True)
    if ours is None:
        assert rows.classes < 2
        return
    _, true_positive_rate, thresholds = metrics.roc_curve(rows.y, rows.probability)
    assert_all_alike(ours.true_positive_rate, true_positive_rate)
    assert ours.thresholds.tolist() == thresholds.tolist()
    area = float(np.trapezoid(ours.true_positive_rate, ours.false_positive_rate))
    assert_alike(area_under_curve(rows.y, rows.probability), area)


@given(judged_rows())
def test_the_precision_recall_points_are_scikit_learns(rows: JudgedRows) -> None:
    ours = precision_recall_curve(rows.y, rows.probability, rows.weights)
    if not rows.positives:
        assert ours is None
        return
    assert ours is not None
    precision, recall, thresholds = metrics.precision_recall_curve(
        rows.y, rows.probability, sample_weight=rows.weights
    )
    assert_all_alike(ours.precision, precision)
    assert_all_alike(ours.recall, recall)
    assert ours.thresholds.tolist() == thresholds.tolist()


def test_a_constant_probability_ranks_like_a_coin() -> None:
    y, p = labels(0, 1, 0, 1, 1), np.full(5, 0.7)
    assert area_under_curve(y, p) == 0.5
    assert average_precision(y, p) == pytest.approx(0.6)


def test_ranking_ignores_what_keeps_the_order() -> None:
    random = np.random.default_rng(2)
    y, p = random.integers(0, 2, 100).astype(np.uint8), random.random(100).round(2)
    assert area_under_curve(y, p) == area_under_curve(y, p**3)
    assert average_precision(y, p) == average_precision(y, p**3)

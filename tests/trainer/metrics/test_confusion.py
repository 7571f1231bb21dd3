from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from tests.trainer.metrics.judged_rows import JudgedRows, assert_alike, judged_rows, oracle
from trainer.metrics.confusion import ConfusionMatrix, ThresholdedRows, confusion_matrix

thresholds = st.one_of(st.sampled_from([0.0, 0.3, 0.5, 1.0]), st.floats(0.0, 1.0))


@given(judged_rows(), thresholds)
def test_every_figure_is_scikit_learns(rows: JudgedRows, threshold: float) -> None:
    ours = confusion_matrix(rows.y, rows.probability, threshold, rows.weights)
    predicted = (rows.probability >= threshold).astype(int)
    judged = {"y_true": rows.y, "y_pred": predicted, "sample_weight": rows.weights}
    counts = oracle(metrics.confusion_matrix, **judged, labels=[0, 1]).ravel()
    assert [
        ours.true_negatives,
        ours.false_positives,
        ours.false_negatives,
        ours.true_positives,
    ] == pytest.approx(counts, rel=1e-12)
    assert_alike(ours.accuracy, oracle(metrics.accuracy_score, **judged))
    assert_alike(ours.precision, oracle(metrics.precision_score, **judged, zero_division=np.nan))
    assert_alike(ours.recall, oracle(metrics.recall_score, **judged, zero_division=np.nan))
    assert_alike(ours.specificity, oracle(metrics.recall_score, **judged, pos_label=0, zero_division=np.nan))
    assert_alike(ours.f1, oracle(metrics.f1_score, **judged, zero_division=np.nan))
    assert_alike(ours.mcc, oracle(metrics.matthews_corrcoef, **judged))
    if rows.classes == 2:
        assert_alike(ours.balanced_accuracy, oracle(metrics.balanced_accuracy_score, **judged))
    else:
        assert ours.balanced_accuracy is None


def test_what_would_divide_by_zero_is_undefined_but_for_mcc() -> None:
    never_predicted = ConfusionMatrix(0.5, 3, 0, 2, 0)
    assert never_predicted.precision is None
    assert (never_predicted.recall, never_predicted.f1, never_predicted.mcc) == (0.0, 0.0, 0.0)
    only_class_0 = ConfusionMatrix(0.5, 3, 0, 0, 0)
    assert (only_class_0.recall, only_class_0.f1, only_class_0.balanced_accuracy) == (None, None, None)
    assert (only_class_0.accuracy, only_class_0.specificity, only_class_0.mcc) == (1.0, 1.0, 0.0)


def test_a_probability_at_the_threshold_is_predicted_positive() -> None:
    matrix = confusion_matrix(np.array([1, 1], dtype=np.uint8), np.array([0.35, 0.3499999]), 0.35)
    assert (matrix.true_positives, matrix.false_negatives) == (1, 1)


def test_mcc_does_not_overflow_at_large_weights() -> None:
    assert ConfusionMatrix(0.5, 1e100, 0, 0, 1e100).mcc == pytest.approx(1.0)


def test_many_thresholds_and_weightings_are_counted_at_once() -> None:
    random = np.random.default_rng(1)
    y, p = random.integers(0, 2, 50).astype(np.uint8), random.random(50)
    sweep, weights = np.array([0.2, 0.35, 0.5, 0.65, 0.8]), random.random((3, 50))
    counts = ThresholdedRows.of(y, p, sweep).counts(weights)
    assert counts.f1.shape == (3, 5)
    for b in range(3):
        for t, threshold in enumerate(sweep):
            one = confusion_matrix(y, p, float(threshold), weights[b])
            assert_alike(one.f1, float(counts.f1[b, t]))
            assert_alike(one.mcc, float(counts.mcc[b, t]))

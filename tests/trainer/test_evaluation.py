from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from trainer.evaluation import PairedComparison, area_under_curve, evaluate, paired_comparison

judged_rows = st.lists(
    st.tuples(st.sampled_from([0, 1]), st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.5000001, 0.8, 1.0])),
    min_size=2,
    max_size=40,
).filter(lambda rows: len({label for label, _ in rows}) == 2)


@given(judged_rows)
def test_every_figure_is_scikit_learns(rows: list[tuple[int, float]]) -> None:
    y = np.array([label for label, _ in rows], dtype=np.uint8)
    p = np.array([probability for _, probability in rows])
    ours = evaluate(y, p)
    predicted = p >= 0.5
    assert ours.rows == len(rows)
    assert ours.accuracy == pytest.approx(metrics.accuracy_score(y, predicted))
    assert ours.auc == pytest.approx(metrics.roc_auc_score(y, p))
    assert ours.brier == pytest.approx(metrics.brier_score_loss(y, p))
    assert ours.log_loss == pytest.approx(metrics.log_loss(y, np.clip(p, 1e-15, 1 - 1e-15)))
    counts = [ours.true_negatives, ours.false_positives, ours.false_negatives, ours.true_positives]
    assert counts == metrics.confusion_matrix(y, predicted).ravel().tolist()


def test_one_class_has_no_curve() -> None:
    assert area_under_curve(np.ones(3, dtype=np.uint8), np.array([0.1, 0.2, 0.3])) is None


def test_equal_models_differ_by_nothing_and_are_not_worse() -> None:
    y, p = np.array([0, 1, 1], dtype=np.uint8), np.array([0.2, 0.7, 0.9])
    comparison = paired_comparison(y, p, p)
    assert comparison == PairedComparison(3, 0.0, 0.0)
    assert not comparison.significantly_worse


def test_a_difference_has_its_paired_standard_error() -> None:
    y = np.array([1, 1, 1, 1], dtype=np.uint8)
    candidate, production = np.exp([-1.0, -2.0, -3.0, -4.0]), np.exp([-1.0, -1.0, -1.0, -1.0])
    comparison = paired_comparison(y, candidate, production)
    assert comparison.difference == pytest.approx(1.5)
    assert comparison.standard_error == pytest.approx(np.std([0, 1, 2, 3], ddof=1) / 2)


def test_worse_by_chance_is_not_worse_for_certain() -> None:
    assert not PairedComparison(100, 0.0164, 0.01).significantly_worse
    assert PairedComparison(100, 0.0165, 0.01).significantly_worse
    assert not PairedComparison(100, -0.5, 0.01).significantly_worse


def test_a_single_row_proves_nothing() -> None:
    comparison = paired_comparison(np.array([1], dtype=np.uint8), np.array([0.01]), np.array([0.99]))
    assert comparison.difference > 0
    assert not comparison.significantly_worse

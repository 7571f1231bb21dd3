from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from trainer.evaluation import (
    Evaluation,
    EvaluationIntervals,
    area_under_curve,
    evaluate,
    evaluation_intervals,
)
from trainer.metrics.bootstrap import Bootstrap, Interval

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
    assert ours.recall == pytest.approx(metrics.recall_score(y, predicted))
    assert ours.f1 == pytest.approx(metrics.f1_score(y, predicted))
    assert ours.mcc == pytest.approx(metrics.matthews_corrcoef(y, predicted))
    assert ours.balanced_accuracy == pytest.approx(metrics.balanced_accuracy_score(y, predicted))
    assert ours.average_precision == pytest.approx(metrics.average_precision_score(y, p))


def test_another_threshold_moves_only_what_depends_on_it() -> None:
    y, p = np.array([0, 1, 1, 0], dtype=np.uint8), np.array([0.1, 0.3, 0.9, 0.6])
    even, low = evaluate(y, p), evaluate(y, p, threshold=0.2)
    assert (even.threshold, even.recall) == (0.5, 0.5)
    assert (low.threshold, low.recall) == (0.2, 1.0)
    assert low.precision == pytest.approx(2 / 3)
    assert (low.auc, low.log_loss, low.brier) == (even.auc, even.log_loss, even.brier)


def test_weights_weigh_figures_and_leave_counts_in_rows() -> None:
    y, p = np.array([0, 1, 1], dtype=np.uint8), np.array([0.1, 0.3, 0.9])
    weighed = evaluate(y, p, weights=np.array([1.0, 1.0, 2.0]))
    assert (weighed.rows, weighed.true_positives, weighed.false_negatives) == (3, 1, 1)
    assert weighed.recall == pytest.approx(2 / 3)
    twice = evaluate(y[[0, 1, 2, 2]], p[[0, 1, 2, 2]])
    for name in ("log_loss", "accuracy", "brier", "f1", "mcc", "expected_calibration_error"):
        assert getattr(weighed, name) == pytest.approx(getattr(twice, name))


def test_a_model_without_a_probability_has_no_finite_loss_and_no_crash() -> None:
    broken = evaluate(np.array([0, 1, 1], dtype=np.uint8), np.array([0.2, np.nan, 0.9]))
    assert math.isnan(broken.log_loss)
    assert broken.expected_calibration_error is None
    assert broken.maximum_calibration_error is None


def test_a_card_of_an_earlier_version_is_still_read() -> None:
    names = ("rows", "true_negatives", "false_positives", "false_negatives", "true_positives")
    old = dict.fromkeys(names, 1) | {"log_loss": 0.3, "accuracy": 0.9, "auc": None, "brier": 0.1}
    card = msgspec.json.decode(msgspec.json.encode(old), type=Evaluation)
    assert (card.threshold, card.mcc, card.average_precision) == (0.5, None, None)


def test_every_figure_has_an_interval_around_it() -> None:
    random = np.random.default_rng(0)
    p = random.random(300)
    y = (random.random(300) < p).astype(np.uint8)
    figures, intervals = evaluate(y, p), evaluation_intervals(y, p, bootstrap=Bootstrap(300))
    assert intervals.confidence == 0.95
    named = msgspec.structs.asdict(intervals)
    del named["confidence"]
    of_figures = set(Evaluation.__struct_fields__) - {
        "rows", "threshold", "true_negatives", "false_positives", "false_negatives", "true_positives"
    }  # fmt: skip
    assert set(named) == of_figures
    for name, interval in named.items():
        assert isinstance(interval, Interval), name
        assert interval.estimate == pytest.approx(getattr(figures, name), abs=1e-12), name
        assert interval.low < interval.estimate < interval.high or name.endswith("calibration_error"), name


def test_intervals_survive_json_with_what_is_undefined() -> None:
    y, p = np.zeros(4, dtype=np.uint8), np.array([0.1, 0.2, 0.3, 0.4])
    intervals = evaluation_intervals(y, p, bootstrap=Bootstrap(100))
    assert (intervals.auc, intervals.recall, intervals.accuracy) == (None, None, None)
    assert intervals.brier is not None
    assert msgspec.json.decode(msgspec.json.encode(intervals), type=EvaluationIntervals) == intervals


def test_one_class_has_no_curve() -> None:
    assert area_under_curve(np.ones(3, dtype=np.uint8), np.array([0.1, 0.2, 0.3])) is None

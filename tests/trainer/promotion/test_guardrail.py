from __future__ import annotations

import numpy as np
import pytest

from core.model import sigmoid
from tests.trainer.promotion.said import QUICK, draw, noisy
from trainer.metrics.confusion import confusion_matrix
from trainer.promotion.guardrail import Guardrail, Side, guardrails, resampling


def both(*found: Guardrail) -> tuple[Guardrail, Guardrail]:
    calibration, recall = found
    assert (calibration.name, recall.name) == ("calibration", "recall")
    return calibration, recall


def test_the_figures_are_of_each_model_at_its_own_threshold() -> None:
    y, logit = draw(500)
    candidate, production = Side(sigmoid(logit), 0.3), Side(sigmoid(noisy(logit, 0.5)), 0.6)
    _, recall = both(*guardrails(y, candidate, production, bootstrap=QUICK))
    for side, figure in ((candidate, recall.candidate), (production, recall.production)):
        assert figure == confusion_matrix(y, side.probability, side.threshold).recall
    assert recall.difference is not None
    assert recall.candidate is not None
    assert recall.production is not None
    assert recall.difference.estimate == pytest.approx(recall.candidate - recall.production)
    assert recall.difference.low > 0


def test_the_same_model_breaks_no_guardrail() -> None:
    y, logit = draw(500)
    side = Side(sigmoid(logit), 0.5)
    for guardrail in guardrails(y, side, side, bootstrap=QUICK):
        assert not guardrail.refuses
        assert guardrail.difference is None  # the same in all resamples


def test_equally_good_models_are_seldom_refused() -> None:
    refused = 0
    for seed in range(100):
        y, logit = draw(300, seed)
        one, other = (Side(sigmoid(noisy(logit, 0.3, 1_000 + 2 * seed + k)), 0.5) for k in (0, 1))
        refused += any(each.refuses for each in guardrails(y, one, other, bootstrap=QUICK))
    assert refused <= 7  # two guardrails at 2.5 % each


def test_weights_count_in_both_figures_and_intervals() -> None:
    y, logit = draw(600)
    first = np.arange(600) < 300
    candidate = Side(sigmoid(np.where(first, logit, logit - 2.0)), 0.5)  # misses class 1 in the second half
    production = Side(sigmoid(logit), 0.5)
    _, whole = both(*guardrails(y, candidate, production, bootstrap=QUICK))
    _, without = both(*guardrails(y, candidate, production, np.where(first, 1.0, 0.0), QUICK))
    assert whole.refuses
    assert not without.refuses
    assert without.candidate == without.production


def test_recall_without_class_1_is_undefined_and_refuses_nothing() -> None:
    y, logit = draw(100)
    side = Side(sigmoid(logit), 0.5)
    _, recall = both(
        *guardrails(np.zeros(100, dtype=np.uint8), side, Side(1 - sigmoid(logit), 0.5), bootstrap=QUICK)
    )
    assert (recall.candidate, recall.difference, recall.refuses) == (None, None, False)
    assert len(y) == 100


def test_many_rows_are_resampled_less_often() -> None:
    assert [resampling(rows).replicates for rows in (0, 100, 50_000, 10_000_000)] == [1_000, 1_000, 400, 200]

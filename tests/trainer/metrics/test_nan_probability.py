"""A probability that is no number: no metric makes a number of it."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.evaluation import evaluate, evaluation_intervals
from trainer.metrics.confusion import confusion_matrix
from trainer.metrics.ranking import area_under_curve, average_precision, precision_recall_curve, roc_curve
from trainer.metrics.reliability import Binning, calibration_error_floor, reliability_bins

Y = np.array([0, 1, 1, 0, 1, 0], dtype=np.uint8)
P = np.array([0.2, 0.9, np.nan, 0.4, 0.7, 0.6])
COUNTS = {"rows", "true_negatives", "false_positives", "false_negatives", "true_positives", "threshold"}


def test_every_figure_of_an_evaluation_is_undefined() -> None:
    found = evaluate(Y, P)
    assert (found.true_negatives, found.false_positives, found.false_negatives, found.true_positives) == (
        2,
        1,
        0,
        2,
    )
    for name in found.__struct_fields__:
        figure = getattr(found, name)
        assert name in COUNTS or figure is None or np.isnan(figure), name


def test_every_interval_is_undefined() -> None:
    found = evaluation_intervals(Y, P)
    assert [name for name in found.__struct_fields__ if getattr(found, name) is not None] == ["confidence"]


def test_no_curve_and_no_area_is_drawn_of_it() -> None:
    assert (roc_curve(Y, P), precision_recall_curve(Y, P)) == (None, None)
    assert (area_under_curve(Y, P), average_precision(Y, P)) == (None, None)


def test_a_confusion_matrix_has_no_figures() -> None:
    found = confusion_matrix(Y, P)
    assert np.isnan([found.accuracy, found.mcc, found.true_negatives]).all()
    assert (found.precision, found.recall, found.specificity, found.f1, found.balanced_accuracy) == (None,) * 5


@pytest.mark.parametrize("binning", ["uniform", "quantile"])
def test_no_bin_is_known(binning: Binning) -> None:
    found = reliability_bins(Y, P, binning=binning)
    assert np.isnan(found.mean_probability).all()
    assert np.isnan(found.observed_rate).all()
    assert np.isnan(calibration_error_floor(P, binning=binning))

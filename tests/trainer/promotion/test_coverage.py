from __future__ import annotations

import numpy as np
import pytest

from core.model import LogisticModel
from core.schema import Schema
from trainer.dataset import SeenRows
from trainer.promotion.coverage import ClassCoverage, label_coverage

MODEL = LogisticModel(Schema(("a",), ("no", "yes")), np.ones(1), 0.0, np.zeros(1), np.ones(1))


def seen(positive: tuple[int, int], negative: tuple[int, int]) -> SeenRows:
    """Rows of each predicted class: how many, and how many of them with a label."""
    x = np.concatenate([np.ones(positive[0]), -np.ones(negative[0])])[:, np.newaxis]
    labelled = np.concatenate([np.arange(positive[0]) < positive[1], np.arange(negative[0]) < negative[1]])
    return SeenRows(x, labelled)


def test_coverage_is_counted_overall_and_by_prediction() -> None:
    found = label_coverage([seen((10, 4), (30, 12)), seen((10, 4), (0, 0))], MODEL)
    assert (found.rows, found.labelled_rows, found.share) == (50, 20, 0.4)
    assert found.by_prediction == (ClassCoverage(0, 30, 12), ClassCoverage(1, 20, 8))
    assert [each.share for each in found.by_prediction] == [0.4, 0.4]
    assert found.warning == ""


@pytest.mark.parametrize(
    ("positive", "negative", "says"),
    [
        ((100, 95), (400, 20), "95% of the rows that production predicts to be class 1 and for 5% of the others"),
        ((100, 2), (400, 200), "50% of the rows that production predicts to be class 0 and for 2% of the others"),
    ],
)
def test_labels_of_one_prediction_alone_are_warned_of(
    positive: tuple[int, int], negative: tuple[int, int], says: str
) -> None:
    assert says in label_coverage([seen(positive, negative)], MODEL).warning


@pytest.mark.parametrize(
    ("positive", "negative"),
    [((5, 4), (5, 1)), ((20_000, 10_400), (20_000, 10_000)), ((0, 0), (50, 10)), ((0, 0), (0, 0))],
)
def test_chance_and_small_differences_are_not(positive: tuple[int, int], negative: tuple[int, int]) -> None:
    assert label_coverage([seen(positive, negative)], MODEL).warning == ""

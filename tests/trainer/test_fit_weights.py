"""Weights of rows, as a fit takes them: one a row, for rows of both classes, and only of those that train."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import DataError
from tests.trainer.diagnostics.diagnosed_models import draw, first, fitted


@pytest.mark.parametrize("rows", [599, 601, 1800])
def test_weights_of_another_number_than_the_rows_are_refused(rows: int) -> None:
    with pytest.raises(DataError, match=rf"weights of shape \({rows},\) do not fit 600 rows"):
        fitted(*draw(), weights=np.ones(rows))


@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf])
def test_a_weight_that_is_none_is_refused(weight: float) -> None:
    weights = np.ones(600)
    weights[7] = weight
    with pytest.raises(DataError, match="the weight of row 7 is"):
        fitted(*draw(), weights=weights)


@pytest.mark.parametrize("label", [0, 1])
def test_a_class_without_any_weight_is_refused(label: int) -> None:
    x, y = draw()
    with pytest.raises(DataError, match=f"all training rows of class '{('no', 'yes')[label]}' weigh 0"):
        fitted(x, y, weights=np.where(y == label, 0.0, 1.0))


def test_weights_of_the_training_rows_alone_are_enough() -> None:
    split = first(500, of=600)
    weights = np.ones(600)
    plain = fitted(*draw(), split=split, weights=weights)
    weights[500:] = 0.0
    model = fitted(*draw(), split=split, weights=weights)
    assert model.file.encoded == plain.file.encoded
    assert model.validation == plain.validation
    assert model.solution.history == plain.solution.history

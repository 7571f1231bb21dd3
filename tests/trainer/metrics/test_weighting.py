from __future__ import annotations

import numpy as np
import pytest

from core.errors import DataError
from core.model import Floats
from trainer.metrics.weighting import defined, ratio, row_weights


def test_rows_without_weights_count_once() -> None:
    assert row_weights(3).tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("rows", "weights", "advice"),
    [
        (0, None, "give at least one"),
        (2, np.ones(3), "one weight a row"),
        (2, np.ones((2, 1)), "one weight a row"),
        (2, np.array([1.0, -0.5]), "weight of row 1 is -0.5"),
        (2, np.array([np.nan, 1.0]), "weight of row 0 is nan"),
        (2, np.array([1.0, np.inf]), "weight of row 1 is inf"),
        (2, np.zeros(2), "above zero"),
    ],
)
def test_unusable_weights_are_refused_with_advice(rows: int, weights: Floats | None, advice: str) -> None:
    with pytest.raises(DataError, match=advice):
        row_weights(rows, weights)


def test_a_quotient_by_zero_is_undefined_and_warns_of_nothing() -> None:
    quotient = ratio(np.array([1.0, 1.0, 0.0]), np.array([2.0, 0.0, 0.0]))
    assert quotient[0] == 0.5
    assert np.isnan(quotient[1:]).all()
    assert [defined(quotient[:1]), defined(quotient[1:2])] == [0.5, None]

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.evaluation import PairedComparison
from trainer.promotion import judge

WORSE = PairedComparison(180, 0.1, 0.02)
LEVEL = PairedComparison(180, 0.01, 0.02)


@pytest.mark.parametrize(
    ("candidate", "production", "fixed_holdout", "promoted", "says"),
    [
        (0.9, None, None, True, "Nothing is in production yet"),
        (float("nan"), None, None, False, "not valid"),
        (float("inf"), 0.4, None, False, "not valid"),
        (0.30, 0.35, None, True, "better than production (log-loss 0.3000 against 0.3500"),
        (0.35, 0.35, None, False, "not better"),
        (0.40, 0.35, None, False, "not better"),
        (0.30, float("nan"), None, True, "better than production"),
        (0.30, 0.35, LEVEL, True, "better than production"),
        (0.30, 0.35, WORSE, False, "significantly worse on the fixed holdout"),
        (0.40, 0.35, LEVEL, False, "not better"),
    ],
)
def test_the_rule(
    candidate: float, production: float | None, fixed_holdout: PairedComparison | None, promoted: bool, says: str
) -> None:
    verdict = judge(candidate, production, fixed_holdout)
    assert verdict.promote is promoted
    assert says in verdict.reason
    assert verdict.reason.endswith(".")


@given(st.floats(0, 50), st.floats(0, 50))
def test_nothing_that_is_not_better_is_ever_promoted(candidate: float, production: float) -> None:
    assert judge(candidate, production).promote == (candidate < production)

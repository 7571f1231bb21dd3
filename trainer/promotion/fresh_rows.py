"""Which held-out rows are news to a candidate: a stream may repeat rows, and what trained it flatters it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainer.diagnostics.copies import Copies, agreeing_by_chance
from trainer.diagnostics.rows import BEYOND_CHANCE, COARSE_VALUES
from trainer.holdout import Holdout
from trainer.promotion.duel import seen


def fresh_rows(holdout: Holdout, train: Holdout) -> NDArray[np.bool_]:
    """(n,) which rows of ``holdout`` have no equal in ``train``; all of them where chance explains the equals.

    Rows of coarse values, as of a questionnaire, are equal without being copies: the limits are those of the
    finding ``duplicate_rows``. A model of 20 weights was trained on 240 rows that came five times, equal in
    expectation to production: judged by copies it was promoted in 20 of 20 draws.
    """
    known = seen(holdout, [train.x])
    if known.any():
        rows = np.concatenate([train.x, holdout.x])
        found = Copies.among(rows, np.concatenate([train.y, holdout.y]), len(train.y))
        coarse = found.distinct_values.max() <= COARSE_VALUES
        if coarse or found.count <= BEYOND_CHANCE * agreeing_by_chance(rows):
            return np.ones(len(known), dtype=np.bool_)
    fresh: NDArray[np.bool_] = ~known
    return fresh

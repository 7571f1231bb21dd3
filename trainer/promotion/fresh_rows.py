"""Which held-out rows are news to a candidate: rows may come again, and what trained it flatters it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.model import Floats
from trainer.diagnostics.copies import Copies, agreeing_by_chance
from trainer.diagnostics.rows import BEYOND_CHANCE, COARSE_VALUES
from trainer.holdout import Holdout
from trainer.promotion.decision import PromotionDecision
from trainer.training_rows import RowPrints, TrainingRows, known_among, row_prints


@dataclass(frozen=True, eq=False)
class Judges:
    """What is left to judge a candidate by, without the rows that it knows."""

    fresh: NDArray[np.bool_]  #: (n,) of its own held-out rows
    fixed: Holdout | None = None  #: of production's holdout; None where there is none, or no row is left
    fixed_known: int = 0  #: rows of production's holdout that it was trained on, or on equal ones

    @property
    def copies(self) -> int:
        """Held-out rows that judge nothing."""
        return len(self.fresh) - int(self.fresh.sum())

    @property
    def none_left(self) -> str:
        """Said where every held-out row is a copy, so that there is nothing to judge by."""
        return f"All {len(self.fresh)} judged rows are copies of rows that trained, and cannot judge"

    def newest(self, holdout: Holdout) -> Holdout:
        """The fresh ones of the rows that :attr:`fresh` is of."""
        return Holdout(holdout.x[self.fresh], holdout.y[self.fresh])

    def named(
        self, decision: PromotionDecision, *, after_drift: bool = False, rival_saw: bool = False
    ) -> PromotionDecision:
        """The decision with the rows that judged nothing, in its sentence too where they would have judged.

        ``rival_saw``: production may have been trained on its own holdout, which is said where that judged.
        """
        said = []
        asked = decision.level is not None and not after_drift
        if self.copies and decision.judged is not None:
            said.append(f"{self.copies} more judge nothing: they are copies of rows that trained.")
        if self.fixed_known and decision.fixed_holdout is None and asked:
            said.append(
                "Production's own holdout does not judge: the candidate was trained on all of its "
                f"{self.fixed_known} rows, or on equal ones."
            )
        if rival_saw and decision.fixed_holdout_judges:
            said.append(
                "Production is an imported model that may have been trained on its own holdout, and there that is "
                "to its advantage."
            )
        return msgspec.structs.replace(
            decision,
            sentence=" ".join([decision.sentence, *said]),
            copies=self.copies,
            fixed_holdout_known=self.fixed_known,
            fixed_holdout_seen=rival_saw and decision.fixed_holdout is not None,
        )


def judges_of(holdout: Holdout, fixed: Holdout | None, trained: TrainingRows) -> Judges:
    """What judges of a candidate's own rows and of production's, in one pass over the rows that trained it."""
    old = np.empty((0, holdout.x.shape[1])) if fixed is None else fixed.x
    own = row_prints(np.concatenate([holdout.x, old]))
    known, count = known_among(own, (row_prints(block) for block in trained.blocks))
    n = len(holdout.y)
    fresh = fresh_rows(holdout, known[:n], count, trained.sample)
    if fixed is None:
        return Judges(fresh)
    rest = ~known[n:]
    left = Holdout(fixed.x[rest], fixed.y[rest]) if rest.any() else None
    return Judges(fresh, left, len(rest) - int(rest.sum()))


def judges_by_prints(holdout: Holdout, trained: Iterable[RowPrints]) -> Judges:
    """The same of a candidate whose training rows are gone, but for their fingerprints."""
    known, count = known_among(row_prints(holdout.x), trained)
    return Judges(fresh_rows(holdout, known, count, holdout.x[:0]))


def fresh_rows(holdout: Holdout, known: NDArray[np.bool_], count: int, sample: Floats) -> NDArray[np.bool_]:
    """(n,) which rows of ``holdout`` have no equal among those that trained; all where chance explains the equals.

    Rows of coarse values, as of a questionnaire, are equal without being copies: the limits are those of the
    finding ``duplicate_rows``. A model of 20 weights was trained on 240 rows that came five times, equal in
    expectation to production: judged by copies it was promoted in 20 of 20 draws.

    Parameters
    ----------
    known
        (n,) which of them have an equal.
    count
        How many rows trained.
    sample
        (m, d) those of them that are in memory: all, some or none. The chance of two rows to be equal is that of
        pairs of these and of ``holdout``.
    """
    if known.any():
        rows = np.concatenate([sample, holdout.x])
        found = Copies.among(rows, np.zeros(len(rows), dtype=np.uint8), len(sample))
        by_chance = agreeing_by_chance(rows)
        beyond = max(count - len(sample), 0) * len(holdout.y)  # pairs of which one row is not in memory
        by_chance += by_chance / max(len(rows) * (len(rows) - 1) / 2.0, 1.0) * beyond
        copies = found.again + max(found.across, int(known.sum()))
        if found.distinct_values.max() <= COARSE_VALUES or copies <= BEYOND_CHANCE * by_chance:
            return np.ones(len(known), dtype=np.bool_)
    fresh: NDArray[np.bool_] = ~known
    return fresh

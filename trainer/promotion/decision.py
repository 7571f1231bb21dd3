"""The record of one decision on a candidate: kept with its run, and told with the promotion that results."""

from __future__ import annotations

from typing import Literal

import msgspec

from trainer.promotion.coverage import ASSUMPTION, LabelCoverage
from trainer.promotion.duel import Duel

#: Where a run keeps the decision on its model.
DECISION_ARTIFACT = "decision.json"

#: ``no_candidate``: there is no model to judge; ``first_valid``: nothing is in production; ``no_comparison``: what
#: is there cannot be compared; ``unopposed``: it has no finite log-loss; ``judged_rows``: significantly better on
#: them; the last: and not significantly worse on production's own holdout.
RuleName = Literal[
    "no_candidate", "first_valid", "no_comparison", "unopposed", "judged_rows", "judged_rows_and_fixed_holdout"
]

#: The rules in words.
RULES: dict[RuleName, str] = {
    "no_candidate": "There is no candidate to judge: production stays.",
    "first_valid": "Nothing is in production: the first model with a finite log-loss is promoted.",
    "no_comparison": "Production cannot be compared with: a model with a finite log-loss is promoted.",
    "unopposed": "Production has no finite log-loss on the judged rows: a model that has one is promoted.",
    "judged_rows": (
        "On the judged rows the candidate's log-loss must be significantly lower (paired, one-sided), and neither "
        "its calibration nor its recall significantly worse."
    ),
    "judged_rows_and_fixed_holdout": (
        "On the judged rows the candidate's log-loss must be significantly lower (paired, one-sided), and neither "
        "its calibration nor its recall significantly worse; on production's own holdout its log-loss must not be "
        "significantly higher."
    ),
}


class PromotionDecision(msgspec.Struct, frozen=True, kw_only=True):
    """What was compared, by which rule, and what came of it."""

    promote: bool
    sentence: str  #: the verdict
    rule: RuleName
    rule_in_words: str
    reason: str = ""  #: why the candidate was trained
    candidate: str | None = None  #: run; None while it is not logged, and where there is none
    production: str | None = None  #: run that it was judged against
    production_epoch: int | None = None
    episode: int | None = None  #: of the drift that asked for it
    attempt: int = 1  #: at this episode; always 1 where a person or the schedule asked
    level: float | None = None  #: of the test on the judged rows; None where nothing was compared
    judged: Duel | None = None  #: on the candidate's own held-out rows
    copies: int = 0  #: held-out rows that judged nothing, because the candidate was trained on equal ones
    fixed_holdout: Duel | None = None  #: on production's, without rows that the candidate was trained on
    fixed_holdout_judges: bool = False  #: else it is only reported
    coverage: LabelCoverage | None = None  #: None where no rows without labels are known
    assumption: str = ASSUMPTION
    format: int = 1  #: of this record

    @property
    def tested(self) -> bool:
        """Whether a test was made that spends some of the error rate."""
        return self.level is not None

    @property
    def encoded(self) -> bytes:
        """As JSON; figures that are not finite become null."""
        return msgspec.json.encode(self)

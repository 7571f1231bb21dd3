"""The record of one decision on a candidate: kept with its run, and told with the promotion that results."""

from __future__ import annotations

import math
from typing import Any, Literal, get_args, get_origin

import msgspec

from core.own_figures import OwnFigures
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
    fixed_holdout_known: int = 0  #: rows of production's holdout that judged nothing, as the ``copies``
    #: Production is an imported model that may have been trained on its own holdout: there it has the advantage.
    fixed_holdout_seen: bool = False
    coverage: LabelCoverage | None = None  #: None where no rows without labels are known
    own: OwnFigures | None = None  #: the candidate's, on all rows that its run held out; None: it was not promoted
    assumption: str = ASSUMPTION
    format: int = 1  #: of this record

    @property
    def tested(self) -> bool:
        """Whether a test was made that spends some of the error rate."""
        return self.level is not None

    @property
    def asked_fixed_holdout(self) -> bool:
        """Whether production's own holdout was looked at, though perhaps no row of it was left."""
        return self.fixed_holdout is not None or self.fixed_holdout_known > 0

    @property
    def encoded(self) -> bytes:
        """As JSON; figures that are not finite become null."""
        return msgspec.json.encode(self)


def read_decision(data: bytes) -> PromotionDecision:
    """Decode :attr:`PromotionDecision.encoded`; a figure that was not finite is nan, whichever it was.

    Raises
    ------
    msgspec.MsgspecError
        Bytes that are no such record.
    """
    return msgspec.convert(_with_nan(msgspec.json.decode(data), PromotionDecision), PromotionDecision)


def _with_nan(value: Any, kind: Any) -> Any:
    """JSON with nan for each null where ``kind`` asks for a number: msgspec writes so what is not finite."""
    kinds = get_args(kind) or (kind,)
    if get_origin(kind) is tuple and isinstance(value, list):
        each = [kinds[0]] * len(value) if kinds[-1] is ... else kinds
        return [_with_nan(item, own) for item, own in zip(value, each, strict=False)]
    if isinstance(value, dict):
        for struct in (each for each in kinds if isinstance(each, type) and issubclass(each, msgspec.Struct)):
            types = {field.encode_name: field.type for field in msgspec.structs.fields(struct)}
            return {name: _with_nan(item, types.get(name)) for name, item in value.items()}
    return math.nan if value is None and kind is float else value

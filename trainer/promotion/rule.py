"""The rule that decides whether a candidate replaces production: a pure function of figures."""

from __future__ import annotations

import math
from typing import Literal

from trainer.promotion.coverage import LabelCoverage
from trainer.promotion.decision import RULES, PromotionDecision, RuleName
from trainer.promotion.duel import Duel
from trainer.promotion.error_spending import ERROR_RATE, level_of
from trainer.promotion.paired_test import CONFIDENCE, GUARD_LEVEL, MIN_CLASS_ROWS


def decide_alone(
    log_loss: float, why: Literal["first_valid", "no_comparison"], sentence: str = ""
) -> PromotionDecision:
    """Promote a candidate that has nothing to be compared with, if its log-loss is finite."""
    if not math.isfinite(log_loss):
        return _decision(why, promote=False, sentence=_INVALID)
    said = sentence or f"Nothing is in production yet and the candidate is valid (log-loss {log_loss:.4f})."
    return _decision(why, promote=True, sentence=said)


def decide_without_candidate(
    sentence: str, attempt: int | None = None, coverage: LabelCoverage | None = None
) -> PromotionDecision:
    """Leave production where an answer has no model, for the reason in ``sentence``; no error rate is spent."""
    return _decision("no_candidate", promote=False, sentence=sentence, attempt=attempt, coverage=coverage)


def decide_unjudged(
    sentence: str, attempt: int | None = None, coverage: LabelCoverage | None = None
) -> PromotionDecision:
    """Leave production where no row can judge, for the reason in ``sentence``; no error rate is spent."""
    return _decision("judged_rows", promote=False, sentence=sentence, attempt=attempt, coverage=coverage)


def decide(
    judged: Duel,
    fixed_holdout: Duel | None = None,
    *,
    after_drift: bool = False,
    attempt: int | None = None,
    coverage: LabelCoverage | None = None,
) -> PromotionDecision:
    """Promote only what is significantly better on the judged rows and breaks no guardrail.

    Parameters
    ----------
    judged
        On rows that the candidate never saw: after a drift the newest labelled ones, held out by time.
    fixed_holdout
        On production's own holdout. There the candidate must not be significantly worse: a proof that it is no
        worse would cost half the power. After a drift it shows a world that has passed, and is only reported.
    attempt
        Its number at the episode that asked for the candidate, from 1. None: there is no episode, so that nothing
        is tried again on its own, and the one test has the whole error rate.
    """
    guards = fixed_holdout is not None and not after_drift
    rule: RuleName = "judged_rows_and_fixed_holdout" if guards else "judged_rows"
    level = None if not judged.difference.enough else ERROR_RATE if attempt is None else level_of(attempt)
    if not math.isfinite(judged.candidate.log_loss):
        promote, sentence, level = False, _INVALID, None
    elif not math.isfinite(judged.production.log_loss):
        rule, promote, level = "unopposed", True, None
        sentence = (
            f"The candidate is better than production, which has no finite log-loss on the {_rows(judged)} "
            f"(log-loss {judged.candidate.log_loss:.4f})."
        )
    else:
        against = _too_few(judged) if level is None else _objection(judged, level, attempt)
        if not against and guards:
            against = _worse_on(fixed_holdout)
        against = against or _broken(judged)
        promote, sentence = not against, against or _better(judged, level, attempt)
    if coverage is not None and coverage.warning:
        sentence = f"{sentence} {coverage.warning}"
    return _decision(
        rule,
        promote=promote,
        sentence=sentence,
        attempt=attempt,
        level=level,
        judged=judged,
        fixed_holdout=fixed_holdout,
        fixed_holdout_judges=guards,
        coverage=coverage,
    )


_INVALID = "The candidate has no finite log-loss on the judged rows, so it is not valid."


def _decision(
    rule: RuleName,
    *,
    promote: bool,
    sentence: str,
    attempt: int | None = None,
    level: float | None = None,
    judged: Duel | None = None,
    fixed_holdout: Duel | None = None,
    fixed_holdout_judges: bool = False,
    coverage: LabelCoverage | None = None,
) -> PromotionDecision:
    return PromotionDecision(
        promote=promote,
        sentence=sentence,
        rule=rule,
        rule_in_words=RULES[rule],
        attempt=attempt or 1,
        level=level,
        judged=judged,
        fixed_holdout=fixed_holdout,
        fixed_holdout_judges=fixed_holdout_judges,
        coverage=coverage,
    )


def _too_few(judged: Duel) -> str:
    test = judged.difference
    return (
        f"The {_rows(judged)} count as {test.rarer_class_rows:.0f} of the rarer class, and {MIN_CLASS_ROWS} are "
        f"needed to tell the models apart ({_figures(judged)}); add labelled rows."
    )


def _objection(judged: Duel, level: float, attempt: int | None) -> str:
    """Why the candidate is not significantly better; empty where it is."""
    test = judged.difference
    if test.difference >= 0.0:
        return f"The candidate is not better than production ({_figures(judged)})."
    if test.p_better > level:
        return (
            f"The candidate is better than production, but not significantly ({_figures(judged)}, "
            f"{_test(judged, level, attempt)})."
        )
    return ""


def _worse_on(fixed_holdout: Duel | None) -> str:
    if fixed_holdout is None or not fixed_holdout.difference.significantly_worse:
        return ""
    test = fixed_holdout.difference
    return (
        "The candidate is better on the judged rows but significantly worse on the fixed holdout "
        f"(log-loss {test.difference:+.4f}, {CONFIDENCE:.0%} interval {test.low:+.4f} to {test.high:+.4f} on "
        f"{test.rows} rows, p {test.p_worse:.2g} at a level of {GUARD_LEVEL:g})."
    )


def _broken(judged: Duel) -> str:
    broken = [guardrail.sentence for guardrail in judged.guardrails if guardrail.refuses]
    if not broken:
        return ""
    return f"The candidate has the lower log-loss ({_figures(judged)}) but {'; and '.join(broken)}."


def _better(judged: Duel, level: float | None, attempt: int | None) -> str:
    if level is None:
        raise AssertionError("nothing is promoted over a rival without a test")
    excuses = [f"; recall is lower, but {each.excused}" for each in judged.guardrails if each.excused]
    figures = f"{_figures(judged)}, {_test(judged, level, attempt)}"
    return f"The candidate is better than production ({figures}{''.join(excuses)})."


def _figures(judged: Duel) -> str:
    return (
        f"log-loss {judged.candidate.log_loss:.4f} against {judged.production.log_loss:.4f} on the {_rows(judged)}"
    )


def _rows(judged: Duel) -> str:
    return f"{judged.difference.rows} judged rows" + (", weighted" if judged.weighted else "")


def _test(judged: Duel, level: float, attempt: int | None) -> str:
    which = "" if attempt is None else f" of attempt {attempt}"
    return f"p {judged.difference.p_better:.2g} at the level {level:.2g}{which}"

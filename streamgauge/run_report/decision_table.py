"""The decision on the run's model beside production, as part of the page."""

from __future__ import annotations

import math
from html import escape

from trainer.metrics.bootstrap import Interval
from trainer.promotion.decision import PromotionDecision
from trainer.promotion.duel import Duel
from trainer.promotion.guardrail import Guardrail

_FIGURES = (
    ("log-loss", "log_loss"),
    ("accuracy", "accuracy"),
    ("area under ROC", "auc"),
    ("recall", "recall"),
    ("precision", "precision"),
    ("Brier score", "brier"),
    ("calibration error", "expected_calibration_error"),
)
#: The head of the page has intervals of another method.
_INTERVALS = (
    "Intervals here are those that the rule looked at, plain percentiles of resamples; at the head of the page "
    "they are corrected for bias and skewness where the rows are few enough."
)


def decision_section(decision: PromotionDecision | None, said: str = "") -> str:
    """What was compared and by which rule; empty where nothing was. A sentence ``said`` before is not repeated."""
    if decision is None:
        return ""
    parts = ["<h2>Beside production</h2>"]
    if decision.sentence != said:
        parts.append(f"<p>{escape(decision.sentence)}</p>")
    if decision.judged is not None:
        parts.append(_table(decision.judged, "on the rows that judge"))
        parts.append(f"<p class='soft'>{_test(decision.judged, decision.level)} {_INTERVALS}</p>")
        parts.append(_guardrails(decision.judged.guardrails))
    if decision.fixed_holdout is not None:
        told = "" if decision.fixed_holdout_judges else ", told and not judged"
        parts.append(_table(decision.fixed_holdout, f"on production's own holdout{told}"))
    terms = [("Rule", decision.rule_in_words)]
    left_out = _left_out(decision)
    if left_out:
        terms.append(("Left out", left_out))
    if decision.fixed_holdout_seen:
        terms.append(("Advantage", "Production was imported, and may have been trained on its own holdout."))
    if decision.production is not None:
        terms.append(("Against", f"run {decision.production}"))
    if decision.episode is not None:
        terms.append(("Attempt", f"{decision.attempt} at drift episode {decision.episode}"))
    if decision.coverage is not None:
        covered = decision.coverage
        told = f"{covered.labelled_rows:,} of {covered.rows:,} rows ({covered.share:.1%}). {covered.warning}"
        terms.append(("Labels", told.strip()))
    terms.append(("Assumption", decision.assumption))
    listed = "".join(f"<dt>{escape(term)}</dt><dd>{escape(words)}</dd>" for term, words in terms)
    return "\n".join([*parts, f"<dl>{listed}</dl>"])


def _left_out(decision: PromotionDecision) -> str:
    """Rows that the candidate knew."""
    said = []
    if decision.copies:
        said.append(f"{decision.copies:,} held-out rows, copies of rows that trained this run.")
    if decision.fixed_holdout_known:
        said.append(
            f"{decision.fixed_holdout_known:,} rows of production's holdout: they or equal ones trained this run."
        )
    return " ".join(said)


def _guardrails(guardrails: tuple[Guardrail, ...]) -> str:
    """What this run must not be significantly worse in; empty where nothing was looked at."""
    if not guardrails:
        return ""
    head = (
        "<tr><th>guardrail</th><th class='n'>this run</th><th class='n'>production</th>"
        "<th class='n'>difference</th><th>significantly worse</th></tr>"
    )
    rows = "".join(
        f"<tr><td>{escape(each.figure)}</td><td class='n'>{_number(each.candidate)}</td>"
        f"<td class='n'>{_number(each.production)}</td><td class='n'>{_difference(each.difference)}</td>"
        f"<td>{'excused' if each.excused else 'yes' if each.significantly_worse else 'no'}</td></tr>"
        for each in guardrails
    )
    return f"<div class='scroll'><table>{head}{rows}</table></div>"


def _number(figure: float | None) -> str:
    return "–" if figure is None else f"{figure:.4f}"


def _difference(found: Interval | None) -> str:
    if found is None:
        return "no interval"
    between = f" <span class='soft'>{found.low:+.4f} to {found.high:+.4f}</span>"
    return f"{found.estimate:+.4f}{between}"


def _table(duel: Duel, where: str) -> str:
    head = (
        f"<tr><th>{escape(where)}: {duel.candidate.rows:,} rows</th><th class='n'>this run</th>"
        "<th class='n'>production</th></tr>"
    )
    rows = "".join(
        f"<tr><td>{escape(words)}</td><td class='n'>{_cell(duel, name, 'candidate')}</td>"
        f"<td class='n'>{_cell(duel, name, 'production')}</td></tr>"
        for words, name in _FIGURES
    )
    return f"<div class='scroll'><table>{head}{rows}</table></div>"


def _cell(duel: Duel, name: str, side: str) -> str:
    figure: float | None = getattr(getattr(duel, side), name)
    intervals = getattr(duel, f"{side}_intervals")
    interval: Interval | None = None if intervals is None else getattr(intervals, name)
    if figure is None:
        return "–"
    between = "no interval" if interval is None else f"{interval.low:.3f} to {interval.high:.3f}"
    return f"{figure:.3f} <span class='soft'>{between}</span>"


def _test(duel: Duel, level: float | None) -> str:
    """As HTML: a p value is not broken at its minus sign."""
    test = duel.difference
    asked = "" if level is None else f", asked for at most {level:.3g}"
    if not math.isfinite(test.difference):
        return "One of the two has no finite log-loss on these rows."
    between = f"95 % {test.low:+.4f} to {test.high:+.4f}" if math.isfinite(test.low) else "one row has no interval"
    return (
        f"Log-loss of this run less production's, row by row: {test.difference:+.4f} ({between}), "
        f"<span class='whole'>p = {test.p_better:.2g}</span>{asked}."
    )

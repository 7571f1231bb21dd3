"""The decision on the run's model beside production, as part of the page."""

from __future__ import annotations

import math
from html import escape

from trainer.metrics.bootstrap import Interval
from trainer.promotion.decision import PromotionDecision
from trainer.promotion.duel import Duel

_FIGURES = (
    ("log-loss", "log_loss"),
    ("accuracy", "accuracy"),
    ("area under ROC", "auc"),
    ("recall", "recall"),
    ("precision", "precision"),
    ("Brier score", "brier"),
    ("calibration error", "expected_calibration_error"),
)


def decision_section(decision: PromotionDecision | None) -> str:
    """What was compared and by which rule; empty where nothing was."""
    if decision is None:
        return ""
    parts = ["<h2>Beside production</h2>", f"<p>{escape(decision.sentence)}</p>"]
    if decision.judged is not None:
        parts.append(_table(decision.judged, "on the rows that judge"))
        parts.append(f"<p class='soft'>{escape(_test(decision.judged, decision.level))}</p>")
    if decision.fixed_holdout is not None:
        told = "" if decision.fixed_holdout_judges else ", told and not judged"
        parts.append(_table(decision.fixed_holdout, f"on production's own holdout{told}"))
    terms = [("Rule", decision.rule_in_words)]
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
    between = "" if interval is None else f" <span class='soft'>{interval.low:.3f} to {interval.high:.3f}</span>"
    return f"{figure:.3f}{between}"


def _test(duel: Duel, level: float | None) -> str:
    test = duel.difference
    asked = "" if level is None else f", asked for at most {level:.3g}"
    if not math.isfinite(test.difference):
        return "One of the two has no finite log-loss on these rows."
    between = f"95 % {test.low:+.4f} to {test.high:+.4f}" if math.isfinite(test.low) else "one row has no interval"
    return (
        f"Log-loss of this run less production's, row by row: {test.difference:+.4f} ({between}), "
        f"p = {test.p_better:.2g}{asked}."
    )

"""One HTML page about a run, with its pictures inside; it needs no network."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from streamgauge.run_report.chart import svg
from streamgauge.run_report.decision_table import decision_section
from streamgauge.run_report.facts import RunFacts
from streamgauge.run_report.judging_charts import (
    draw_cost,
    draw_distribution,
    draw_precision_recall,
    draw_reliability,
    draw_roc,
)
from streamgauge.run_report.model_charts import (
    MOST_FEATURES,
    draw_coefficients,
    draw_contributions,
    draw_learning_curve,
    features_by_weight,
)
from streamgauge.run_report.words import card_words, decimals, few_rows, shown
from streamgauge.terminal_text import counted
from trainer.metrics.reliability import calibration_error_floor

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TEMPLATE = Path(__file__).with_name("page.html")
_SIDE_IN = (4.6, 3.9)
_FEATURE_IN, _REST_IN = 0.27, 1.0
#: Figures at the head of the page: their name in words, in the evaluation and in its intervals.
_TILES = (
    ("log-loss", "log_loss"),
    ("area under ROC", "auc"),
    ("accuracy", "accuracy"),
    ("recall", "recall"),
    ("precision", "precision"),
    ("calibration error", "expected_calibration_error"),
)
#: Figures beside the confusion matrix.
_AT_THRESHOLD = ("accuracy", "balanced_accuracy", "precision", "recall", "specificity", "f1", "mcc")


def report_page(facts: RunFacts) -> str:
    """The page; equal facts give equal text."""
    meta, model = facts.meta, facts.model
    started = datetime.fromtimestamp(meta.started_ts_ms / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M UTC")
    class0, class1 = model.schema.classes
    return Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=escape(f"streamgauge run {meta.run_id}"),
        run_id=escape(meta.run_id),
        outcome=escape(meta.outcome or "unfinished"),
        outcome_class=escape(meta.outcome or ""),
        subtitle=escape(f"{meta.experiment} · {started} · {meta.reason} · {class1} against {class0}"),
        verdict=f'<p class="verdict">{escape(meta.detail)}</p>' if meta.detail else "",
        tiles="\n".join(_tile(facts, words, name) for words, name in _TILES),
        figures_note=escape(
            f"Of {counted(len(facts.holdout.y), 'held-out row')} at threshold {model.threshold:.3g}; small print: "
            f"{facts.intervals.confidence:.0%} bootstrap intervals. {few_rows(facts) or ''}"
        ),
        warnings=_warnings(facts),
        judging="\n".join(_judging(facts)),
        making="\n".join(_making(facts)),
        coefficients=_coefficients(facts),
        decision=decision_section(facts.decision, said=meta.detail),
        card="\n".join(f"<dt>{escape(term)}</dt><dd>{escape(words)}</dd>" for term, words in card_words(facts)),
        parameters=_rows((escape(name), escape(str(setting))) for name, setting in sorted(facts.params.items())),
        figures=_figures(facts),
    )


def _tile(facts: RunFacts, words: str, name: str) -> str:
    figure, interval = getattr(facts.evaluation, name), getattr(facts.intervals, name)
    places = 0 if figure is None else decimals(figure, interval)
    value = "–" if figure is None else f"{figure:.{places}f}"
    between = "no interval" if interval is None else f"{interval.low:.{places}f} to {interval.high:.{places}f}"
    return f'<div class="tile"><span>{escape(words)}</span><b>{value}</b><span>{between}</span></div>'


def _warnings(facts: RunFacts) -> str:
    if not facts.card.warnings:
        return ""
    items = "".join(f"<li>{escape(warning)}</li>" for warning in facts.card.warnings)
    return f'<h2>Before you trust it</h2>\n<ul class="warnings">{items}</ul>'


def _judging(facts: RunFacts) -> Iterable[str]:
    yield _picture(facts, draw_roc, "ROC", "Each point is a threshold; the further up and left, the better.")
    yield _picture(
        facts, draw_precision_recall, "Precision and recall", "What share is right, by what share is found."
    )
    yield _picture(
        facts,
        draw_reliability,
        "Reliability",
        "On the diagonal, a probability is the share it promises. Bars: two standard errors of a bin's share. "
        f"The calibration error is {facts.evaluation.expected_calibration_error or 0.0:.2g}; a perfect model has "
        f"{calibration_error_floor(facts.probability):.2g} on as many rows by chance.",
    )
    rule = facts.file.threshold_rule
    costs = (
        f"A miss costs {rule.cost_fn:g}, a false alarm {rule.cost_fp:g}."
        if rule.by == "cost"
        else ("No costs were given, so both kinds of error count 1.")
    )
    yield _picture(facts, draw_cost, "Cost of each threshold", costs)
    yield _picture(
        facts,
        draw_distribution,
        "Probabilities by class",
        "The less the two overlap, the better it tells them apart.",
    )
    yield (
        f"<figure><h3>Confusion matrix</h3><div class='scroll'>{_confusion(facts)}</div>"
        f"<figcaption>At threshold {facts.model.threshold:.3g}, with intervals:</figcaption>"
        f"<div class='scroll'><table>{_named_figures(facts, _AT_THRESHOLD)}</table></div></figure>"
    )


def _making(facts: RunFacts) -> Iterable[str]:
    width = facts.model.schema.width
    height = _REST_IN + _FEATURE_IN * max(4, min(width, MOST_FEATURES))
    most = f"The {MOST_FEATURES} of {width} features with the most say. " if width > MOST_FEATURES else ""
    yield _picture(
        facts,
        draw_learning_curve,
        "Learning curve",
        "Mean log-loss after each step of the solver, before calibration.",
        (4.6, height),
    )
    yield _picture(
        facts,
        draw_coefficients,
        "Coefficients",
        f"{most}Sorted by mean absolute contribution to the held-out rows.",
        (4.6, height),
    )
    yield _picture(
        facts,
        draw_contributions,
        "Contributions to the held-out rows",
        f"{most}One point a row: what the feature adds to its log-odds. The predictions carry the same figures.",
        (9.6, height + 0.6),
        wide=True,
    )


def _picture(
    facts: RunFacts,
    draw: Callable[[Axes, RunFacts], None],
    title: str,
    caption: str,
    size_in: tuple[float, float] = _SIDE_IN,
    *,
    wide: bool = False,
) -> str:
    drawn = svg(lambda axes: draw(axes, facts), *size_in)
    kind = ' class="wide"' if wide else ""
    labelled = drawn.replace("<svg", f'<svg role="img" aria-label="{escape(title)}"', 1)
    return f"<figure{kind}><h3>{escape(title)}</h3>{labelled}<figcaption>{escape(caption)}</figcaption></figure>"


def _confusion(facts: RunFacts) -> str:
    class0, class1 = (escape(name) for name in facts.model.schema.classes)
    e = facts.evaluation
    rows = max(e.rows, 1)

    def cell(count: int, *, right: bool) -> str:
        colour = "0, 114, 178" if right else "213, 94, 0"
        share = count / rows
        return f'<td style="background: rgba({colour}, {0.05 + 0.4 * share:.2f})"><b>{count:,}</b>{share:.1%}</td>'

    return (
        f'<table class="confusion"><tr><th></th><th>predicted {class0}</th><th>predicted {class1}</th></tr>'
        f"<tr><th>is {class0}</th>{cell(e.true_negatives, right=True)}{cell(e.false_positives, right=False)}</tr>"
        f"<tr><th>is {class1}</th>{cell(e.false_negatives, right=False)}{cell(e.true_positives, right=True)}</tr>"
        "</table>"
    )


def _coefficients(facts: RunFacts) -> str:
    model, profile = facts.model, facts.file.profile
    head = (
        "<tr><th>feature</th><th class='n'>coefficient</th><th class='n'>odds ratio of one SD</th>"
        "<th class='n'>training mean</th><th class='n'>training SD</th></tr>"
    )
    names = model.schema.features
    rows = "".join(
        f"<tr><td>{escape(names[place])}</td>"
        + "".join(f"<td class='n'>{figure}</td>" for figure in _coefficient_figures(facts, int(place)))
        + "</tr>"
        for place in features_by_weight(facts)
    )
    return (
        f"<details><summary>{counted(len(names), 'coefficient')}, intercept {model.intercept:.4g}</summary>"
        f'<div class="scroll"><table>{head}{rows}</table></div>'
        f"<p class='soft'>One SD is that of the {profile.rows:,} training rows.</p></details>"
    )


def _coefficient_figures(facts: RunFacts, place: int) -> tuple[str, ...]:
    weight = float(facts.model.coefficients[place])
    # beyond this the ratio is no number of use, and further on none at all
    ratio = f"{2.718281828459045**weight:.4g}" if abs(weight) < 50 else "–"
    mean, deviation = facts.file.profile.mean[place], facts.file.profile.standard_deviation[place]
    return f"{weight:.4g}", ratio, f"{mean:.6g}", f"{deviation:.6g}"


def _figures(facts: RunFacts) -> str:
    return _named_figures(facts, [name for name in facts.intervals.__struct_fields__ if name != "confidence"])


def _named_figures(facts: RunFacts, names: Iterable[str]) -> str:
    return _rows(
        (escape(name.replace("_", " ")), shown(getattr(facts.evaluation, name), getattr(facts.intervals, name)))
        for name in names
    )


def _rows(pairs: Iterable[tuple[str, str]]) -> str:
    return "".join(f"<tr><td>{name}</td><td>{words}</td></tr>" for name, words in pairs)

"""How the model judges the held-out rows: ROC, precision against recall, reliability, cost of each threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.model import Floats
from streamgauge.run_report.chart import BESIDE, CHOICE, GUIDE, MODEL, say_instead, thinned
from streamgauge.run_report.facts import RunFacts
from streamgauge.run_report.probability_axis import ProbabilityAxis
from streamgauge.terminal_text import counted, shortened
from trainer.metrics.ranking import precision_recall_curve, roc_curve
from trainer.metrics.reliability import Binning, reliability_bins

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Bars of the probabilities' histogram.
_HISTOGRAM_BINS = 20
#: Thresholds whose cost is drawn: every .005 on an even axis.
_THRESHOLDS = 201
_ONE_CLASS = "the held-out rows are of one class"


def draw_roc(axes: Axes, facts: RunFacts) -> None:
    """The ROC curve with the operating point."""
    curve = roc_curve(facts.holdout.y, facts.probability)
    if curve is None:
        say_instead(axes, _ONE_CLASS)
        return
    places = thinned(curve.false_positive_rate, curve.true_positive_rate)
    auc = facts.evaluation.auc
    axes.plot([0, 1], [0, 1], color=GUIDE, linestyle=":", linewidth=1, label="chance")
    axes.plot(
        curve.false_positive_rate[places],
        curve.true_positive_rate[places],
        color=MODEL,
        linewidth=1.8,
        label="model" if auc is None else f"model, area {auc:.3f}",
    )
    figures = facts.evaluation
    if figures.specificity is not None and figures.recall is not None:
        axes.plot(1 - figures.specificity, figures.recall, "o", color=CHOICE, label=_at(facts))
    _unit_square(axes)
    axes.set_xlabel("false positive rate")
    axes.set_ylabel("true positive rate (recall)")
    axes.legend(loc="best")


def draw_precision_recall(axes: Axes, facts: RunFacts) -> None:
    """Precision against recall with the operating point; a guess has the share of class 1."""
    curve = precision_recall_curve(facts.holdout.y, facts.probability)
    if curve is None:
        say_instead(axes, _ONE_CLASS)
        return
    # to recall 0 with the precision of the highest probability: the convention's 1 there is no threshold's
    recall, precision = curve.recall, np.append(curve.precision[:-1], curve.precision[-2])
    places = thinned(recall, precision)
    share = float((facts.holdout.y == 1).mean())
    average = facts.evaluation.average_precision
    axes.axhline(share, color=GUIDE, linestyle=":", linewidth=1, label=f"chance, {share:.2g}")
    axes.step(
        recall[places],
        precision[places],
        where="pre",
        color=MODEL,
        linewidth=1.8,
        label="model" if average is None else f"model, average precision {average:.3f}",
    )
    figures = facts.evaluation
    if figures.precision is not None and figures.recall is not None:
        axes.plot(figures.recall, figures.precision, "o", color=CHOICE, label=_at(facts))
    _unit_square(axes)
    axes.set_xlabel("recall")
    axes.set_ylabel("precision")
    axes.legend(loc="best")


def draw_reliability(axes: Axes, facts: RunFacts) -> None:
    """Observed share against predicted probability in ten bins, before and after calibration.

    Where nearly all probabilities lie at one end, so would they in bins of equal width: then each bin has a tenth
    of the rows, and the picture shows that end.
    """
    axes.plot([0, 1], [0, 1], color=GUIDE, linestyle=":", linewidth=1, label="as promised")
    calibration = facts.model.calibration
    crowded = ProbabilityAxis.of(facts.probability, facts.model.threshold).by_log_odds
    binning: Binning = "quantile" if crowded else "uniform"
    drawn = []
    if calibration is not None:
        drawn.append(
            _reliability_line(axes, facts, facts.scores.uncalibrated, BESIDE, "before calibration", binning)
        )
    label = "model" if calibration is None else f"after {calibration.kind}"
    drawn.append(_reliability_line(axes, facts, facts.probability, MODEL, label, binning))
    _unit_square(axes)
    if crowded:
        _show_end(axes, np.concatenate(drawn))
    axes.set_xlabel(f"predicted probability (mean of {'a tenth of the rows' if crowded else 'the bin'})")
    axes.set_ylabel("observed share of class 1")
    axes.legend(loc="best")


def _reliability_line(
    axes: Axes, facts: RunFacts, probability: Floats, colour: str, label: str, binning: Binning
) -> Floats:
    """Two standard errors of each bin's share are drawn, as of a binomial with that share; all that is drawn."""
    bins = reliability_bins(facts.holdout.y, probability, binning=binning)
    held = bins.weight > 0
    predicted, observed, rows = bins.mean_probability[held], bins.observed_rate[held], bins.weight[held]
    # two of each outcome more, so that a bin of equal outcomes does not look certain (Agresti and Coull 1998)
    share = (observed * rows + 2) / (rows + 4)
    error = 2 * np.sqrt(share * (1 - share) / (rows + 4))
    low, high = np.clip(share - error, 0, observed), np.clip(share + error, observed, 1)
    axes.errorbar(
        predicted,
        observed,
        yerr=np.array([observed - low, high - observed]),
        fmt="o-",
        color=colour,
        markersize=4,
        linewidth=1.5,
        elinewidth=0.8,
        capsize=2,
        label=label,
    )
    return np.concatenate([predicted, low, high])


def _show_end(axes: Axes, values: Floats) -> None:
    """Limit a unit square to the end at which the values (n,) lie."""
    low, high = float(values.min()), float(values.max())
    ends = (-0.02 * high, 1.05 * high) if low < 1 - high else (1 - 1.05 * (1 - low), 1 + 0.02 * (1 - low))
    axes.set_xlim(*ends)
    axes.set_ylim(*ends)


def draw_distribution(axes: Axes, facts: RunFacts) -> None:
    """Which share of each class's rows was given which probability: counts would hide a rare class."""
    scale = ProbabilityAxis.of(facts.probability, facts.model.threshold)
    edges = scale.grid(_HISTOGRAM_BINS + 1)
    for label, colour in ((0, BESIDE), (1, MODEL)):
        name = shortened(facts.model.schema.classes[label], 24).replace("$", r"\$")
        own = facts.probability[facts.holdout.y == label]
        counts, _ = np.histogram(scale.within(own), edges)
        shares = counts / max(len(own), 1)
        axes.stairs(shares, edges, fill=True, color=colour, alpha=0.35)
        axes.stairs(shares, edges, color=colour, linewidth=1.4, label=f"is {name}: {counted(len(own), 'row')}")
    threshold = scale.within(np.array([facts.model.threshold]))[0]
    axes.axvline(threshold, color=CHOICE, linewidth=1, linestyle="--", label=_at(facts))
    scale.draw(axes, "predicted probability of class 1")
    axes.set_ylabel("share of the class's held-out rows")
    axes.legend(loc="best")


def draw_cost(axes: Axes, facts: RunFacts) -> None:
    """Cost a row at each threshold, with the chosen one; without costs, every error costs 1."""
    rule = facts.file.threshold_rule
    miss, alarm = (rule.cost_fn, rule.cost_fp) if rule.by == "cost" else (1.0, 1.0)
    scale = ProbabilityAxis.of(facts.probability, facts.model.threshold)
    own = np.array([facts.model.threshold])
    drawn, place = scale.grid(_THRESHOLDS), scale.within(own)
    costs = _costs(facts, np.concatenate([drawn, own]), miss or 0.0, alarm or 0.0)
    axes.plot(drawn, costs[:-1], color=MODEL, linewidth=1.8, label="held-out rows")
    axes.axvline(place[0], color=CHOICE, linewidth=1, linestyle="--")
    axes.plot(place, costs[-1:], "o", color=CHOICE, label=_at(facts), clip_on=False)
    axes.set_ylim(bottom=0)
    scale.draw(axes, "threshold")
    axes.set_ylabel("share of wrong rows" if rule.by != "cost" else "cost a row")
    axes.legend(loc="best")


def _costs(facts: RunFacts, thresholds: Floats, miss: float, alarm: float) -> Floats:
    """(t,) cost a row at each threshold, from one sort: a count of its own for each takes n x t."""
    zeros, ones = (np.sort(facts.probability[facts.holdout.y == label]) for label in (0, 1))
    missed = np.searchsorted(ones, thresholds)
    alarmed = len(zeros) - np.searchsorted(zeros, thresholds)
    costs: Floats = (miss * missed + alarm * alarmed) / len(facts.holdout.y)
    return costs


def _at(facts: RunFacts) -> str:
    return f"threshold {facts.model.threshold:.3g}"


def _unit_square(axes: Axes) -> None:
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_aspect("equal")

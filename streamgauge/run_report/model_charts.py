"""What the model is made of: how it was learnt, its coefficients, what each feature adds to the held-out rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.model import Floats
from streamgauge.run_report.chart import BESIDE, GUIDE, MODEL, thinned
from streamgauge.run_report.facts import RunFacts
from streamgauge.terminal_text import shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Features shown in a picture, those of the most weight first; the page's table has them all.
MOST_FEATURES = 20
#: Held-out rows shown as points.
_MOST_ROWS = 300
_NAME_COLUMNS = 24
#: Up to so many steps are marked one by one.
_FEW_STEPS = 30
#: z beyond which the colour of a point does not change any more.
_COLOUR_REACH = 2.0


def features_by_weight(facts: RunFacts) -> NDArray[np.intp]:
    """(d,) places of the features by falling mean absolute contribution on the held-out rows."""
    return np.argsort(-np.abs(facts.scores.contributions).mean(axis=0), kind="stable")


def draw_learning_curve(axes: Axes, facts: RunFacts) -> None:
    """Log-loss at each step of the solver, of training and of the rows it was watched by."""
    stopped_by = facts.card.solver_params.get("patience") is not None
    watched = "training rows kept to stop by" if stopped_by else "held-out rows"
    named = (("train_loss", MODEL, "training rows"), ("validation_loss", BESIDE, watched))
    most_steps = 0
    for name, colour, label in named:
        # the final figures are a later line of the same names, calibrated and without an objective
        curve = [(line.step, line.metrics.get(name)) for line in facts.history if "objective" in line.metrics]
        points = [(step, loss) for step, loss in curve if loss is not None]
        if points:
            steps, losses = np.array(points).T
            places = thinned(steps, losses)
            axes.plot(
                steps[places],
                losses[places],
                color=colour,
                linewidth=1.8,
                marker="o" if len(steps) <= _FEW_STEPS else "",
                label=label,
            )
            most_steps = max(most_steps, int(steps[-1]))
    axes.locator_params(axis="x", integer=True)
    axes.set_xlim(0.5, max(1, most_steps) + 0.5)
    axes.set_xlabel(f"step of {facts.card.solver}")
    axes.set_ylabel("log-loss")
    axes.legend(loc="best")


def draw_coefficients(axes: Axes, facts: RunFacts) -> None:
    """Change of the log-odds for one training SD of each feature."""
    order = features_by_weight(facts)[:MOST_FEATURES]
    weights = facts.model.coefficients[order]
    places = np.arange(len(order))
    axes.barh(places, weights, color=np.where(weights >= 0, MODEL, BESIDE), height=0.62)
    axes.axvline(0, color=GUIDE, linewidth=0.8)
    _name_rows(axes, facts, order)
    axes.set_xlabel(f"log-odds of {_class1(facts)} for one training SD more")


def draw_contributions(axes: Axes, facts: RunFacts) -> None:
    """One point a held-out row and feature: what it adds to the logit, coloured by the feature's value."""
    order = features_by_weight(facts)[:MOST_FEATURES]
    rows = np.unique(np.linspace(0, len(facts.holdout.y) - 1, _MOST_ROWS).round().astype(np.intp))
    contributions = facts.scores.contributions[np.ix_(rows, order)]
    z = facts.file.profile.standardise(facts.holdout.x[rows])[:, order]
    drawn = None
    for place in range(len(order)):
        drawn = axes.scatter(
            contributions[:, place],
            place + _apart(contributions[:, place]),
            c=z[:, place],
            cmap="coolwarm",
            vmin=-_COLOUR_REACH,
            vmax=_COLOUR_REACH,
            s=9,
            linewidths=0,
        )
    axes.axvline(0, color=GUIDE, linewidth=0.8)
    _name_rows(axes, facts, order)
    axes.set_xlabel(f"contribution to the log-odds of {_class1(facts)}")
    if drawn is not None and axes.figure is not None:
        bar = axes.figure.colorbar(drawn, ax=axes, pad=0.01, aspect=30, label="feature, training SD from its mean")
        bar.outline.set_visible(False)


def _apart(values: Floats) -> Floats:
    """(n,) heights in -.35 to .35, so that points of like value lie side by side: as wide as they are many."""
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return np.zeros(len(values))
    bins = np.minimum(((values - low) / (high - low) * 40).astype(np.intp), 39)
    counts = np.bincount(bins, minlength=40)
    heights = np.empty(len(values))
    for filled in np.flatnonzero(counts):
        inside = np.flatnonzero(bins == filled)
        reach = 0.35 * counts[filled] / counts.max()
        heights[inside] = np.linspace(-reach, reach, len(inside)) if len(inside) > 1 else 0.0
    return heights


def _name_rows(axes: Axes, facts: RunFacts, order: NDArray[np.intp]) -> None:
    names = [shortened(facts.model.schema.features[place], _NAME_COLUMNS) for place in order]
    axes.set_yticks(np.arange(len(order)), names, parse_math=False)
    axes.set_ylim(len(order) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")


def _class1(facts: RunFacts) -> str:
    # matplotlib reads dollars as mathematics
    return shortened(facts.model.schema.classes[1], _NAME_COLUMNS).replace("$", r"\$")

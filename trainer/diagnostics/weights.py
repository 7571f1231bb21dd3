"""Findings of the weights: nothing holds them, or two features play each other up."""

from __future__ import annotations

import numpy as np

from core.listing import listed
from core.model import Floats
from trainer.diagnostics.evidence import Evidence
from trainer.diagnostics.finding import Finding

#: A weight of this size turns odds by e^10 = 22,000 within one standard deviation: no data of a few thousand rows
#: says that. Raisin has 2.3 at C = 1 and 19.5 without a penalty, from features that tell the same.
LARGE_WEIGHT = 10.0
#: Features of a separating plane that are named: with many features nearly all take part in it.
NAMED_CARRIERS = 3
#: Features that are correlated beyond this tell the same.
COLLINEAR = 0.95


def separated(evidence: Evidence) -> Finding | None:
    """The classes are separated, and no penalty holds the weights."""
    separation = evidence.solution.separation
    if separation is None:
        return None
    carriers = [evidence.features[index] for index in separation.carriers()[:NAMED_CARRIERS]]
    return Finding(
        "weights_diverging",
        f"the classes can be separated ({separation.kind} separation, chiefly along {listed(carriers)}), so "
        "that without a penalty larger weights are always better and there is no best model",
        "set inverse_l2 to a finite value, such as 1",
    )


def large_weight(evidence: Evidence) -> Finding | None:
    """A weight that no data of this kind supports."""
    weights = evidence.solution.coefficients
    largest = int(np.abs(weights).argmax())
    if abs(weights[largest]) < LARGE_WEIGHT:
        return None
    name = evidence.features[largest]
    what = f"the weight of {name!r} is {weights[largest]:+.1f} a standard deviation"
    alike = _most_alike(evidence.problem.x, largest)
    if alike is not None:
        what += f", held in balance by {evidence.features[alike]!r}, which tells nearly the same"
    lower = "lower inverse_l2" if evidence.penalised else "set inverse_l2 to a finite value, such as 1"
    return Finding(
        "weights_diverging", what, f"{lower}, or remove features that tell the same or give the label away"
    )


def _most_alike(x: Floats, index: int) -> int | None:
    """The feature that is correlated most with feature ``index`` of standardised ``x`` (n, d), if it is much."""
    with np.errstate(invalid="ignore", divide="ignore"):
        sizes = np.sqrt((x**2).mean(axis=0))
        correlation = np.nan_to_num(np.abs(x.T @ x[:, index]) / len(x) / (sizes * sizes[index]))
    correlation[index] = 0.0
    alike = int(correlation.argmax())
    return alike if correlation[alike] >= COLLINEAR else None

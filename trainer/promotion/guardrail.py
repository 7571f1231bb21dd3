"""Guardrails: what a candidate must not be significantly worse in, whatever its log-loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np

from core.model import Floats
from trainer.metrics.bootstrap import Bootstrap, Interval
from trainer.metrics.confusion import ThresholdedRows
from trainer.metrics.weighting import row_weights
from trainer.promotion.recalibration import Recalibration
from trainer.table import Labels

GuardrailName = Literal["calibration", "recall"]

#: Weights worked on in one decision at most: 20 million take two seconds.
_MOST_VALUES = 20_000_000
#: An end of an interval is the 25th of so many resamples; fewer than the least say little of it.
_MOST_REPLICATES, _LEAST_REPLICATES = 1_000, 200


class Guardrail(msgspec.Struct, frozen=True):
    """One figure of both models on the same rows, and the interval of their difference."""

    name: GuardrailName
    figure: str  #: what it is, in words
    candidate: float | None  #: None where the rows leave it undefined
    production: float | None
    difference: Interval | None  #: candidate less production, 95 %; None where the rows cannot tell
    significantly_worse: bool
    excused: str = ""  #: why it does not refuse the candidate all the same
    sentence: str = ""  #: what is wrong, where it refuses

    @property
    def refuses(self) -> bool:
        """Whether the candidate is refused for it."""
        return self.significantly_worse and not self.excused


@dataclass(frozen=True, eq=False)
class Side:
    """What one model says of the rows."""

    probability: Floats  #: (n,)
    threshold: float  #: its own operating point


def resampling(rows: int) -> Bootstrap:
    """How often ``rows`` rows are resampled: as often as an interval needs, or as the time allows."""
    replicates = int(np.clip(_MOST_VALUES // max(1, rows), _LEAST_REPLICATES, _MOST_REPLICATES))
    return Bootstrap(replicates=replicates, method="percentile")


def guardrails(
    y: Labels,
    candidate: Side,
    production: Side,
    weights: Floats | None = None,
    bootstrap: Bootstrap | None = None,
    *,
    after_drift: bool = False,
) -> tuple[Guardrail, ...]:
    """Compare two models on the same rows (n,), each at its own threshold, by a paired bootstrap.

    Recall alone is had by calling everything class 1. ``after_drift`` production's operating point is not what was
    chosen, and its recall is no benchmark: a loss of recall is excused unless the mean of recall and specificity
    is significantly lower too. Without a drift it is where production calls most of class 0 class 1 and that mean
    is significantly higher.
    """
    w = row_weights(len(y), weights)
    sides = (candidate, production)
    lines = [Recalibration.of(y, side.probability, w) for side in sides]
    cells = [ThresholdedRows.of(y, side.probability, np.array([side.threshold])) for side in sides]

    def figures(weightings: Floats) -> Floats:
        counts = [each.counts(weightings) for each in cells]
        return np.column_stack(
            [
                *(each.gain(weightings) for each in lines),
                *(each.recall[:, 0] for each in counts),
                *(each.balanced_accuracy[:, 0] for each in counts),
            ]
        )

    def differences(weightings: Floats) -> Floats:
        found = figures(weightings)
        return found[:, 0::2] - found[:, 1::2]

    found = [None if np.isnan(figure) else float(figure) for figure in figures(w[np.newaxis])[0]]
    calibration, recall, balanced = (bootstrap or resampling(len(y))).intervals(differences, y, weights)
    excuse = balanced is not None and (
        balanced.high >= 0.0 if after_drift else balanced.low > 0.0 and _calls_most(found[3], found[5])
    )
    return (
        _calibration(found[0], found[1], calibration),
        _recall(found[2], found[3], found[4], found[5], recall, balanced if excuse else None),
    )


def _calibration(candidate: float | None, production: float | None, difference: Interval | None) -> Guardrail:
    worse = difference is not None and difference.low > 0.0
    sentence = ""
    if worse:
        sentence = (
            f"its probabilities are significantly worse calibrated: recalibration would save {candidate:.4f} of "
            f"its log-loss, and {production:.4f} of production's ({_interval(difference)})"
        )
    figure = "mean log-loss that a recalibration of the logits would save"
    return Guardrail("calibration", figure, candidate, production, difference, worse, "", sentence)


def _calls_most(recall: float | None, balanced: float | None) -> bool:
    """Whether more of class 0 is called class 1 than not: specificity below one half."""
    return recall is not None and balanced is not None and 2 * balanced - recall < 0.5


def _recall(
    candidate: float | None,
    production: float | None,
    candidate_balanced: float | None,
    production_balanced: float | None,
    difference: Interval | None,
    excuse: Interval | None,
) -> Guardrail:
    worse = difference is not None and difference.high < 0.0
    sentence = excused = ""
    if worse and excuse is not None:
        excused = (
            "the mean of recall and specificity is not: "
            f"{candidate_balanced:.3f} against {production_balanced:.3f} ({_interval(excuse)})"
        )
    elif worse:
        sentence = (
            f"its recall at its own threshold is significantly lower: {candidate:.3f} against {production:.3f} "
            f"({_interval(difference)}); another operating point may mend it, see docs/calibration.md"
        )
    figure = "recall, each model at its own threshold"
    return Guardrail("recall", figure, candidate, production, difference, worse, excused, sentence)


def _interval(difference: Interval | None) -> str:
    if difference is None:
        raise AssertionError("nothing is significant without an interval")
    return f"difference {difference.estimate:+.4f}, 95 % interval {difference.low:+.4f} to {difference.high:+.4f}"

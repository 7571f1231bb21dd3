"""What makes probabilities wrong, and what mends them: the causes behind the finding ``poor_calibration``."""

from __future__ import annotations

import msgspec
import numpy as np

from trainer.calibration.choice import LEAST_ISOTONIC_ROWS
from trainer.diagnostics.evidence import Evidence
from trainer.diagnostics.miscalibration import BinnedError, Recalibration
from trainer.loss import PROBABILITY_CLIP

#: Gain in log-loss, doubled and summed, that a recalibration of two parameters has by chance once in a thousand:
#: the chi-squared distribution with two degrees of freedom.
CHANCE_GAIN = 13.82
#: Standard deviations above its floor that the binned error has by chance about once in a thousand: simulated with
#: perfect models on 40 to 1,000 rows, 0 to 3 in a thousand.
CHANCE_SPREADS = 4.0
#: Probabilities that are this far off on average mislead whoever acts on them.
LARGE_GAP = 0.05
#: Where level and slope both have this part in the gain, both are at fault.
LEAST_PART = 1.0 / 3.0
#: Where rows of other shares of the classes explain this part of a wrong level, they are its cause.
EXPLAINED = 0.5
#: A slope beyond this is a number that tells nothing more.
LARGEST_SLOPE = 100.0
#: Class weights and calibration undo each other, so the remedy of either is a threshold.
IN_PLACE_OF_WEIGHTS = (
    "choose a threshold by cost (cost_fn, cost_fp) or by min_recall in place of class_weight, or beside it with "
    "calibrate set to auto"
)


class Fault(msgspec.Struct, frozen=True):
    """One way in which probabilities are off."""

    gap: float  #: mean absolute error of a probability
    why: str
    remedy: str


def calibration_fault(evidence: Evidence) -> Fault | None:
    """The fault of the deployed probabilities on the held-out rows, if chance does not explain it."""
    y, p = evidence.holdout_y, evidence.holdout_probability
    found = Recalibration.of(y, p)
    if found.gain > CHANCE_GAIN and found.gap >= LARGE_GAP:
        return _linear_fault(evidence, found)
    bins = BinnedError.of(y, p)
    if bins.error - bins.floor > CHANCE_SPREADS * bins.spread and bins.error >= LARGE_GAP:
        return _bent(evidence, bins)
    return None


def _linear_fault(evidence: Evidence, found: Recalibration) -> Fault:
    """The level is off, or the slope, or both: the lesser one is named where it has its part in the gain."""
    level, slope = (gain >= LEAST_PART * found.gain for gain in (found.level_gain, found.slope_gain))
    if level and slope:
        (why, remedy), (beside, also) = _level(evidence, found), _slope(evidence, found)
        return Fault(found.gap, f"{why}, and {beside}", also if remedy in also else f"{remedy}, and {also}")
    return Fault(found.gap, *(_level if level else _slope)(evidence, found))


def _level(evidence: Evidence, found: Recalibration) -> tuple[str, str]:
    """All probabilities are too high, or all too low: class weights, or other shares of the classes."""
    side = np.sign(found.level)
    trained = float(np.average(evidence.problem.y, weights=evidence.problem.weights))
    held_out = float(evidence.holdout_y.mean())
    by_shares = side * (_log_odds(held_out) - _log_odds(trained))
    by_class_weights = 0.0
    if evidence.model.calibration is None:  # a calibration is fitted without class weights, and undoes them
        solved = float(np.average(evidence.problem.y, weights=evidence.solved.fit_weights))
        by_class_weights = side * (_log_odds(trained) - _log_odds(solved))
    if by_shares + by_class_weights < EXPLAINED * abs(found.level):
        return f"they are too {'low' if side > 0 else 'high'} throughout", _by_calibration(evidence)
    if by_class_weights >= by_shares:
        return "balanced class weights train it for equally frequent classes", IN_PLACE_OF_WEIGHTS
    weighed = "" if evidence.problem.weights is None else ", as they were weighted,"
    return (
        f"{trained:.1%} of the training rows{weighed} and {held_out:.1%} of those held out are of class "
        + repr(evidence.classes[1]),
        "train on rows in which the classes are as frequent as where the model is used",
    )


def _slope(evidence: Evidence, found: Recalibration) -> tuple[str, str]:
    """Probabilities are too near to 0 and 1, or too far from them."""
    sure = found.slope < 1.0
    why = "they are " + ("too sure" if sure else "too timid")
    why += f" (slope {found.slope:.2f})" if found.slope <= LARGEST_SLOPE else f" (slope above {LARGEST_SLOPE:.0f})"
    tune = None
    if evidence.model.calibration is None:
        tune = _less_sure(evidence) if sure else _surer(evidence)
    remedy = _by_calibration(evidence)
    return why, remedy if tune is None else f"{remedy}, or {tune}"


def _less_sure(evidence: Evidence) -> str:
    return "lower inverse_l2" if evidence.penalised else "set inverse_l2 to a finite value, such as 1"


def _surer(evidence: Evidence) -> str | None:
    if evidence.solution.end == "validation":
        return "raise early_stopping_steps"
    if not evidence.solution.converged and evidence.solver.first_order:
        return "set solver to newton"
    return "raise inverse_l2" if evidence.penalised else None


def _bent(evidence: Evidence, bins: BinnedError) -> Fault:
    """They are too high in one place and too low in another."""
    why = f"the log-odds do not follow the features in a straight line (chance explains {bins.floor:.2f})"
    return Fault(bins.error, why, f"{_by_steps(evidence)}, or add squares, steps or products of features")


def _by_steps(evidence: Evidence) -> str:
    """How to come to an isotonic calibration, the only one that is not a straight line."""
    if evidence.choices.calibrate == "isotonic":
        return _by_calibration(evidence)
    if len(evidence.y) < LEAST_ISOTONIC_ROWS:
        return f"train on {LEAST_ISOTONIC_ROWS:,} rows or more, so that an isotonic calibration can be fitted"
    return f"set calibrate to {'auto' if evidence.choices.calibrate == 'none' else 'isotonic'}"


def _by_calibration(evidence: Evidence) -> str:
    """What can be done about probabilities beyond the weights."""
    if evidence.model.calibration is not None:
        return "add labelled rows, and see that those held out are of the same time and source as those that train"
    if evidence.choices.calibrate == "none":
        return "set calibrate to auto"
    return "add labelled rows, so that a calibration can be told from chance"


def _log_odds(share: float) -> float:
    held = min(max(share, PROBABILITY_CLIP), 1.0 - PROBABILITY_CLIP)
    return float(np.log(held) - np.log1p(-held))

"""Findings of the probabilities and of what is predicted from them, as scorers will give them."""

from __future__ import annotations

import numpy as np

from core.threshold_rule import EVEN
from trainer.diagnostics.calibration_fault import calibration_fault
from trainer.diagnostics.evidence import Evidence
from trainer.diagnostics.finding import Finding
from trainer.metrics.ranking import area_under_curve
from trainer.solvers.newton import Newton

#: AUC from which a model is said to tell the classes apart well (Hosmer and Lemeshow, *Applied Logistic
#: Regression*, 2nd ed., p. 162).
GOOD_AUC = 0.8
#: Probabilities are stuck where nine of ten are within this of one half.
STUCK_WITHIN = 0.1
#: A class of this share or less is rare: the odds are four to one against it before anything is known.
RARE_SHARE = 0.2
#: A share of the rare class that is found below this is few.
FEW_FOUND = 0.5
#: Standard errors that are not chance: one-sided, once in 40.
BEYOND_CHANCE = 1.96


def poor_calibration(evidence: Evidence) -> Finding | None:
    """Ranks held-out rows well, but its probabilities are off by more than chance explains."""
    auc = area_under_curve(evidence.holdout_y, evidence.holdout_probability)
    if auc is None or auc < GOOD_AUC:
        return None
    fault = calibration_fault(evidence)
    if fault is None:
        return None
    kind = evidence.model.calibration
    calibrated = "" if kind is None else f" in spite of {kind.kind} calibration"
    return Finding(
        "poor_calibration",
        f"the model ranks well (AUC {auc:.2f}) but its probabilities are off by {fault.gap:.2f} on "
        f"average{calibrated}, because {fault.why}",
        fault.remedy,
    )


def stuck_at_half(evidence: Evidence) -> Finding | None:
    """Hardly a probability of a training row leaves the middle."""
    spread = float(np.quantile(np.abs(evidence.probability - 0.5), 0.9))
    if spread >= STUCK_WITHIN:
        return None
    if not evidence.solution.converged and evidence.solver.first_order:
        remedy = "raise learning_rate or max_steps, or set solver to newton"
    elif evidence.penalised and _penalty_costs(evidence):
        remedy = "raise inverse_l2, because the penalty holds the weights down"
    else:
        remedy = "add features that tell the classes apart, or look for mistakes in the labels"
    return Finding(
        "stuck_at_half",
        f"nine of ten probabilities are within {spread:.2f} of .5, so the model says little",
        remedy,
    )


def even_threshold(evidence: Evidence) -> Finding | None:
    """One class is rare, and the threshold of one half, which nobody chose, misses most of it."""
    if evidence.choices.threshold_rule != EVEN:
        return None
    share = float(evidence.y.mean())
    rare = 1 if share <= 0.5 else 0
    rare_share = min(share, 1.0 - share)
    actual = evidence.holdout_y == rare
    if rare_share > RARE_SHARE or not actual.any():
        return None
    predicted = (evidence.holdout_probability >= evidence.model.threshold) == (rare == 1)
    recall = float(predicted[actual].mean())
    if recall + BEYOND_CHANCE * np.sqrt(FEW_FOUND * (1.0 - FEW_FOUND) / actual.sum()) >= FEW_FOUND:
        return None
    what = (
        f"only {rare_share:.1%} of the training rows are of class {evidence.classes[rare]!r}, and the threshold "
        f".5 finds {recall:.0%} of those held out"
    )
    if evidence.balanced and evidence.model.calibration is not None:
        what += ", because calibration gives back the true odds that class_weight had evened"
    auc = _better_than_chance(evidence)
    if auc is None:
        remedy = (
            "add features that tell the classes apart, because the model ranks them no better than chance does"
        )
    else:
        remedy = "choose a threshold by cost (cost_fn, cost_fp) or by min_recall"
    return Finding("even_threshold", what, remedy)


def _better_than_chance(evidence: Evidence) -> float | None:
    """AUC on the held-out rows; None where chance explains it (Mann and Whitney 1947, Annals 18:50)."""
    auc = area_under_curve(evidence.holdout_y, evidence.holdout_probability)
    ones = int(evidence.holdout_y.sum())
    zeros = len(evidence.holdout_y) - ones
    if auc is None or auc - 0.5 < BEYOND_CHANCE * np.sqrt((ones + zeros + 1) / (12.0 * ones * zeros)):
        return None
    return auc


def _penalty_costs(evidence: Evidence) -> bool:
    """Whether the fit without a penalty does better on rows that it was not fitted to."""
    free = Newton(c=np.inf).solve(evidence.solved, 0).epoch.validation_loss
    penalised = evidence.solution.epoch.validation_loss
    return free is not None and penalised is not None and free < penalised

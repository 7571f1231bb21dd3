"""The steps that every Newton method here takes, in memory or over blocks, and a walk of nothing else."""

from __future__ import annotations

import numpy as np

from core.model import Floats
from trainer.solvers.arrival import Arrival, ArrivalWatch
from trainer.solvers.objective import Objective, Place
from trainer.solvers.overlap import overlaps
from trainer.solvers.spectrum import Spectrum
from trainer.solvers.start import better_start

#: Share of the promised decrease that a step must achieve (Armijo 1966).
SUFFICIENT_DECREASE = 1e-4
#: Halvings of a step before the solver says that it stands still: 2^-40 of a Newton step is rounding.
HALVINGS = 40
#: Near the optimum a step's gain drowns in the rounding of the objective; a rise of this share is not one.
ROUNDING = 4.0 * float(np.finfo(np.float64).eps)
#: Where one looks behind a solver that follows the gradient alone: Newton's own limits.
LOOK_STEPS, LOOK_TOLERANCE = 100, 1e-10


def newton_step(objective: Objective, here: Place) -> Place | None:
    """Where one damped Newton step leads; None where no step lowers the objective any more.

    The whole step is nearly always taken, so its derivatives are worked out at once: a step is one pass over the
    rows. Source: Nocedal and Wright, *Numerical Optimization*, 2nd ed., algorithm 3.2.
    """
    if not np.isfinite(here.hessian).all():
        return None
    direction = Spectrum.of(here.hessian).newton_direction(here.gradient)
    promised = float(here.gradient @ direction)
    if not np.isfinite(promised):
        return None
    whole = here.theta + direction
    if (whole == here.theta).all():
        return None
    there = objective.at(whole)
    if _falls(here.value, there.value, promised):
        return there
    for halving in range(1, HALVINGS):
        length = 0.5**halving
        candidate = here.theta + length * direction
        if _falls(here.value, objective.value(candidate), length * promised):
            return objective.at(candidate)
    return None


def look_behind(objective: Objective, theta: Floats) -> Arrival | None:
    """Where Newton's method leads from ``theta`` (d + 1,) without a penalty; None where that stays unknown."""
    here = objective.at(better_start(theta, np.zeros_like(theta), objective.value))
    if not here.least_margin > 0 and overlaps(objective.blocks, here):
        return Arrival("gradient")
    watch = ArrivalWatch(objective, LOOK_TOLERANCE)
    for _ in range(LOOK_STEPS):
        reached = watch.at(here)
        if reached is not None:
            return reached
        step = newton_step(objective, here)
        if step is None:
            break
        here = step
    return watch.cut_short(here, "separated")


def _falls(start: float, reached: float, promised: float) -> bool:
    """Whether a step reaches enough of what it promised; False for nan."""
    return reached <= start + SUFFICIENT_DECREASE * promised + ROUNDING * start

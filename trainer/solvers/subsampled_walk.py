"""The steps over many rows: the curvature of some of them, or of all, and the gradient of all."""

from __future__ import annotations

import numpy as np

from core.model import Floats
from trainer.solvers.curvature import Curvature
from trainer.solvers.row_pass import Reading, RowPass
from trainer.solvers.row_sample import CURVED_BLOCKS

#: The objective at zero, whatever the rows and weights.
LOSS_AT_ZERO = float(np.log(2.0))
#: A rise of the objective up to this is the rounding of a mean over many rows.
ROUNDING = 1e-13
#: Lengths that a step by all rows' curvature is tried at, before Newton's method takes over.
SHORTER_STEPS = 4
#: Curvatures of all rows that a walk takes before Newton's method, which takes one a step, goes on: two features
#: that differ by a hundred millionth are below the ridge, and every step along their difference is too short.
MOST_WHOLE = 4
#: What the curvature of all rows costs, in readings without it: so many, and one more for so many features.
WHOLE_COST, WIDTH_A_READING = 3.0, 12


class SubsampledWalk:
    """Where the steps have led, and the curvature that the next one goes by."""

    def __init__(self, rows: RowPass, tolerance: float) -> None:
        self._rows = rows
        self._tolerance = tolerance
        self._is_whole = self._was_slow = False
        self._wholes = 0

    def begins(self, theta: Floats, *, whole: bool = False, uncorrelated: bool = False) -> bool:
        """Begin at ``theta`` (d + 1,), or at zero where that is lower; whether it is not.

        ``whole``: with the curvature of all rows; ``uncorrelated``: with what it is where features are.
        """
        every = 1 if whole else CURVED_BLOCKS
        self.here = self._rows.at(theta, every, uncorrelated=uncorrelated)
        lower = self.here.objective <= LOSS_AT_ZERO
        if not lower:
            self.here = self._rows.at(np.zeros(len(theta)), every, uncorrelated=uncorrelated)
        if self.here.hessian is None:  # no row of those blocks has any weight
            self._take_whole(self.here.theta)
        else:
            self._curvature, self._is_whole = Curvature(self.here.hessian), whole
        return bool(lower)

    def advance(self) -> bool:
        """Take a step; False where Newton's method had better go on from here.

        That is where the curvature of all rows shows no step down, or was taken :data:`MOST_WHOLE` times.
        """
        there = None if self._was_slow else self._step()
        if there is None and not self._is_whole:
            if self._wholes == MOST_WHOLE:
                return False
            self._take_whole(self.here.theta)
            there = self._step()
        if there is None:
            return False
        self._was_slow = self._is_slow(there)
        self.here, self._is_whole = there, False
        return True

    def _step(self) -> Reading | None:
        """Where the step leads, with all rows' curvature a shorter one if need be; None: not down."""
        step = self._curvature.direction(self.here.gradient)
        for _ in range(SHORTER_STEPS if self._is_whole else 1):
            there = self._rows.at(self.here.theta + step)
            self._curvature.learn(step, there.gradient - self.here.gradient)
            if _leads_down(self.here, there, step):
                return there
            step = step * _shorter(self.here, there, step)
        return None

    def _take_whole(self, theta: Floats) -> None:
        self.here = self._rows.at(theta, every=1)
        if self.here.hessian is None:
            raise AssertionError("some row has weight")
        self._curvature, self._is_whole = Curvature(self.here.hessian), True
        self._wholes += 1

    def _is_slow(self, there: Reading) -> bool:
        """Whether as many steps more, each as good as the last, cost more than the curvature of all rows."""
        if there.norm <= self._tolerance:
            return False
        if there.norm >= self.here.norm:
            return True
        steps = np.log(there.norm / self._tolerance) / np.log(self.here.norm / there.norm)
        return bool(steps > WHOLE_COST + len(there.theta) / WIDTH_A_READING)


def _leads_down(here: Reading, there: Reading, direction: Floats) -> bool:
    """Whether the objective has fallen; False for nan.

    Near the optimum its fall drowns in rounding. The slope along the step does not: the objective is convex, and
    where the slope has not turned into one as steep upwards, the step has not gone beyond twice its best length.
    Source: Hager and Zhang 2005, SIAM Journal on Optimization 16:170, the approximate Wolfe condition.
    """
    down = -float(here.gradient @ direction)
    return bool(
        down > 0
        and float(there.gradient @ direction) <= down
        and there.objective <= here.objective + ROUNDING * (1.0 + here.objective)
    )


def _shorter(here: Reading, there: Reading, step: Floats) -> float:
    """The share of a step at whose end the slope along it would vanish, were it linear; a tenth to a half."""
    down, up = -float(here.gradient @ step), float(there.gradient @ step)
    return float(np.clip(down / (down + up), 0.1, 0.5)) if np.isfinite(up) else 0.1

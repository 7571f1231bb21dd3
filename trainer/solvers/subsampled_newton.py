"""Newton's method for many rows: the curvature of some of them, the gradient of all."""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec
import numpy as np

from core.miniflow import Parameter
from core.model import Floats
from trainer.solvers.arrival import Arrival
from trainer.solvers.base import End, Epoch, Problem, Solution, inverse_strength_param
from trainer.solvers.newton import Newton
from trainer.solvers.newton_walk import look_behind
from trainer.solvers.objective import in_memory
from trainer.solvers.row_pass import Reading, RowPass
from trainer.solvers.row_sample import nearer_start, sample_start
from trainer.solvers.start import better_start
from trainer.solvers.subsampled_walk import SubsampledWalk

#: The sample that gives the start has so many rows, or so many a parameter.
SAMPLE_ROWS, SAMPLE_ROWS_A_PARAMETER = 4000, 40
#: Rows in samples from which a sample is drawn; with fewer, Newton's method takes some milliseconds.
LEAST_SAMPLES = 8
#: Rows in samples from which a second, larger sample is worth its step where features are correlated.
NEARER_SAMPLES = 60
#: An accuracy, a share of summed weights, from which no row is on the wrong side.
ALL_RIGHT = 1.0 - 1e-12


@dataclass(frozen=True)
class SubsampledNewton:
    """Starts from the optimum of a sample, and reads all rows four or five times.

    The first reading takes the curvature from an eighth of the rows; the steps then correct it. Features that the
    sample shows to be uncorrelated need only its diagonal and what means and the logit add. Where the sample does
    not show some feature (that hardly any row has), where steps gain slowly, or one leads up, the curvature of all
    rows is taken. Where that does not help either, Newton's method goes on from there, so that it arrives wherever
    Newton's method does.
    Few rows, rows of one class and early stopping are left to Newton's method from the beginning.
    Source: Roosta-Khorasani and Mahoney 2019, Mathematical Programming 174:293.
    """

    c: float = 1.0  #: inverse strength of L2, scikit-learn's convention; inf = none
    max_steps: int = 100
    tolerance: float = 1e-10  #: on the largest absolute component of the gradient
    patience: int | None = None  #: steps without a lower validation loss before it stops; None: no early stopping
    sample_rows: int | None = None  #: None: :data:`SAMPLE_ROWS`, more of them for many features

    @property
    def name(self) -> str:
        """Newton's: the optimum is the same, and from few rows every step is."""
        return "newton"

    @property
    def params(self) -> dict[str, Parameter]:
        """What defines the solver's behaviour."""
        return {
            "c": inverse_strength_param(self.c),
            "max_steps": self.max_steps,
            "tolerance": self.tolerance,
            "patience": self.patience,
            "sample_rows": self.sample_rows,
        }

    @property
    def first_order(self) -> bool:
        """Whether it follows the gradient alone."""
        return False

    @property
    def stops_early(self) -> bool:
        """Whether the validation rows decide where it stops."""
        return self.patience is not None

    def solve(self, problem: Problem, seed: int, start: Floats | None = None) -> Solution:
        """Solve from ``start`` or from a sample that ``seed`` draws; see :class:`trainer.solvers.base.Solver`."""
        sample_rows = self.sample_rows or max(SAMPLE_ROWS, SAMPLE_ROWS_A_PARAMETER * (problem.x.shape[1] + 1))
        few = len(problem.y) < LEAST_SAMPLES * sample_rows
        if few or self.patience is not None or not _has_both_classes(problem):
            return self._newton(self.max_steps).solve(problem, seed, start)
        walk = SubsampledWalk(RowPass(problem, self.c), self.tolerance)
        cold = np.zeros(problem.x.shape[1] + 1)
        # its shape and its values are looked at there; what the objective says of it, the first reading tells
        given = better_start(start, cold, lambda _: 0.0)
        if given is cold or not walk.begins(given):
            sampled = sample_start(problem, self.c, sample_rows, seed)
            uncorrelated = sampled.uncorrelated is not None
            theta = sampled.theta
            if uncorrelated or (sampled.shows_all and len(problem.y) >= NEARER_SAMPLES * sample_rows):
                theta = nearer_start(problem, self.c, sampled)
            walk.begins(theta, whole=not sampled.shows_all, uncorrelated=uncorrelated)
        history: list[Epoch] = []
        end: End = "max_steps"
        # what nothing but Newton's method can tell: without a penalty, whether there is an optimum at all
        free = np.isinf(self.c)
        for step in range(1, self.max_steps + 1):
            here = walk.here
            if free and (here.norm <= self.tolerance or here.train_accuracy >= ALL_RIGHT):
                return self._handed_over(problem, seed, here, history)
            history.append(_epoch(problem, step, here))
            if here.norm <= self.tolerance:
                end = "gradient"
                break
            if step < self.max_steps and not walk.advance():
                return self._handed_over(problem, seed, here, history)
        # without a penalty only steps that ran out end here, and whether there is an optimum is still to be said
        behind = self._look_behind(problem, here.theta) if free else None
        return Solution(
            coefficients=here.theta[:-1],
            intercept=float(here.theta[-1]),
            converged=here.norm <= self.tolerance,
            gradient_norm=here.norm,
            history=tuple(history),
            end=end,
            best_step=len(history),
            separation=None if behind is None else behind.separation,
        )

    def _handed_over(self, problem: Problem, seed: int, here: Reading, history: list[Epoch]) -> Solution:
        """Where Newton's method arrives from ``here``, with the steps so far before its own."""
        done = len(history)
        rest = self._newton(max(1, self.max_steps - done)).solve(problem, seed, here.theta)
        if not rest.converged and rest.separation is None:
            # far out on the way to no optimum nothing can be proved any more; on the way from zero it can
            return self._newton(self.max_steps).solve(problem, seed)
        later = (msgspec.structs.replace(epoch, step=done + epoch.step) for epoch in rest.history)
        return replace(rest, history=(*history, *later), best_step=done + rest.best_step)

    def _look_behind(self, problem: Problem, theta: Floats) -> Arrival | None:
        objective = in_memory(problem, self.c)
        # from far out it may stay unknown
        return look_behind(objective, theta) or look_behind(objective, np.zeros_like(theta))

    def _newton(self, max_steps: int) -> Newton:
        return Newton(c=self.c, max_steps=max_steps, tolerance=self.tolerance, patience=self.patience)


def _epoch(problem: Problem, step: int, here: Reading) -> Epoch:
    """The figures of a reading; those of the validation rows are worked out as if they were trained on."""
    train = Epoch(step, here.train_loss, here.train_accuracy, here.objective)
    if problem.validation_x is None or problem.validation_y is None:
        return train
    beside = Problem(problem.validation_x, problem.validation_y, weights=problem.validation_weights)
    figures = beside.epoch(step, here.theta, here.objective)
    return msgspec.structs.replace(
        train, validation_loss=figures.train_loss, validation_accuracy=figures.train_accuracy
    )


def _has_both_classes(problem: Problem) -> bool:
    weights = problem.fit_weights
    y = problem.y if weights is None else problem.y[weights > 0]
    return bool(y.min() != y.max())

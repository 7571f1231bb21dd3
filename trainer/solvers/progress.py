"""A walk's book-keeping, the same for every solver: figures, when to stop, and which parameters to give back."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from core.errors import DataError
from core.model import Floats
from trainer.solvers.arrival import Arrival
from trainer.solvers.base import End, Epoch, Problem, Solution
from trainer.solvers.newton_walk import look_behind
from trainer.solvers.objective import in_memory


class _Candidate(NamedTuple):
    """Parameters that may be given back."""

    theta: Floats
    norm: float
    step: int


class Progress:
    """Notes each step of a solver and says when to stop.

    Parameters
    ----------
    c, tolerance
        Of the solver; the gradient has vanished where its largest absolute component is at most ``tolerance``.
    patience
        Steps without a lower validation loss after which to stop; the parameters with the lowest are then given
        back, however the walk ended. None: the validation rows have no say.

    Raises
    ------
    DataError
        Patience without validation rows.
    """

    def __init__(self, problem: Problem, c: float, tolerance: float, patience: int | None) -> None:
        if patience is not None and problem.validation_x is None:
            raise DataError("early stopping needs validation rows; pass some, or unset patience")
        self._problem = problem
        self._c = c
        self._tolerance = tolerance
        self._patience = patience
        self._history: list[Epoch] = []
        self._best: _Candidate | None = None
        self._best_loss = np.inf
        self._step = 0

    def note_start(self, theta: Floats, objective: float, gradient: Floats, logit: Floats | None = None) -> None:
        """Note a start (d + 1,) that was given: where a solver stops early, none of its steps may be better."""
        if self._patience is not None:
            self._note(theta, objective, gradient, logit)

    def note(self, theta: Floats, objective: float, gradient: Floats, logit: Floats | None = None) -> End | None:
        """Note the parameters (d + 1,) of a step with value and gradient of the objective; why to stop, if so.

        ``logit`` (n,) is that of the training rows, which saves a pass over them.
        """
        self._step += 1
        norm = self._note(theta, objective, gradient, logit)
        if norm <= self._tolerance:
            return "gradient"
        if self._patience is not None and self._step - self._chosen.step >= self._patience:
            return "validation"
        return None

    def solution(self, end: End, arrival: Arrival | None = None) -> Solution:
        """What the walk came to; ``arrival`` is what a Newton walk knows of its last step.

        Without a penalty, and where that is not known, Newton's method looks behind the parameters whether there
        is an optimum at all: at the cost of one of its steps, and of a whole walk where none is proved at once.
        """
        theta, norm, best_step = self._chosen
        y = self._problem.counted[1]
        exists = bool(y.min() != y.max())  # with one class the free intercept runs away whatever the penalty
        known = arrival if best_step == self._step else None
        if exists and np.isinf(self._c):
            known = known or look_behind(in_memory(self._problem, self._c), theta)
            exists = known is not None and known.separation is None
        return Solution(
            coefficients=theta[:-1],
            intercept=float(theta[-1]),
            converged=norm <= self._tolerance and exists,
            gradient_norm=norm,
            history=tuple(self._history),
            end="validation" if best_step < self._step else end,
            best_step=best_step,
            separation=None if known is None else known.separation,
        )

    @property
    def _chosen(self) -> _Candidate:
        if self._best is None:
            raise AssertionError("a solver takes at least one step")
        return self._best

    def _note(self, theta: Floats, objective: float, gradient: Floats, logit: Floats | None) -> float:
        """The gradient's norm."""
        problem = self._problem
        held_out = problem.validation_logit(theta)
        self._history.append(problem.epoch(self._step, theta, objective, logit, held_out))
        norm = float(np.abs(gradient).max())
        watched = None if self._patience is None or held_out is None else problem.stopping_loss(held_out)
        if watched is None or watched < self._best_loss:
            self._best = _Candidate(theta, norm, self._step)
            self._best_loss = np.inf if watched is None else watched
        return norm

"""What a solver is, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import msgspec
import numpy as np

from core.miniflow import Parameter
from core.model import Floats
from trainer.loss import log_loss, logits, reported_probability
from trainer.table import Labels


class Epoch(msgspec.Struct, frozen=True):
    """One step's figures: log-loss without the penalty, accuracy at p >= .5."""

    step: int
    train_loss: float
    train_accuracy: float
    validation_loss: float | None = None
    validation_accuracy: float | None = None

    @property
    def metrics(self) -> dict[str, float | None]:
        """The figures by name, those that are known."""
        named = msgspec.structs.asdict(self)
        return {name: figure for name, figure in named.items() if name != "step" and figure is not None}


@dataclass(frozen=True, eq=False)
class Problem:
    """Standardised training rows and, where given, validation rows on the same scale."""

    x: Floats  #: (n, d)
    y: Labels  #: (n,)
    validation_x: Floats | None = None
    validation_y: Labels | None = None

    def epoch(self, step: int, theta: Floats) -> Epoch:
        """The figures of parameters ``theta`` (d + 1,)."""
        loss, accuracy = _figures(theta, self.x, self.y)
        if self.validation_x is None or self.validation_y is None:
            return Epoch(step, loss, accuracy)
        return Epoch(step, loss, accuracy, *_figures(theta, self.validation_x, self.validation_y))


@dataclass(frozen=True, eq=False)
class Solution:
    """Where a solver arrived; always finite."""

    coefficients: Floats  #: (d,)
    intercept: float
    converged: bool  #: the gradient vanished at an optimum that exists
    gradient_norm: float  #: largest absolute component of the objective's gradient
    history: tuple[Epoch, ...]  #: one entry a step, at least one


class Solver(Protocol):
    """Minimises :func:`trainer.loss.value`; deterministic for equal problem and seed."""

    @property
    def name(self) -> str:
        """Stands in parameters and model cards."""

    @property
    def params(self) -> dict[str, Parameter]:
        """What defines the solver's behaviour, as the run records it."""

    def solve(self, problem: Problem, seed: int) -> Solution:
        """Solve from a start that only ``seed`` decides."""


def inverse_strength_param(c: float) -> float | str:
    """C as JSON can hold it: ``inf`` becomes a text."""
    return c if np.isfinite(c) else "inf"


def optimum_exists(problem: Problem, theta: Floats, c: float, tolerance: float) -> bool:
    """Whether the objective has a minimum at all, judged near ``theta``.

    It has none with one class only (the free intercept runs away), and without a penalty none where a plane
    separates the classes, wholly or but for rows on the plane (Albert and Anderson 1984, Biometrika 71:1).
    On the way to such an infinite optimum the gradient vanishes too, so it alone cannot tell: but then the rows
    that still pull no longer span what all rows span. With the gradient at ``tolerance``, a row that has run away
    has p (1 - p) of about n * tolerance at most.
    """
    if problem.y.min() == problem.y.max():
        return False
    if np.isfinite(c):
        return True
    logit = logits(theta, problem.x)
    if separates(logit, problem.y):
        return False
    p = reported_probability(logit)
    pulling = p * (1.0 - p) > max(1e-6, 10.0 * len(p) * tolerance)
    with_one = np.column_stack([problem.x, np.ones(len(p))])
    return bool(np.linalg.matrix_rank(with_one[pulling]) == np.linalg.matrix_rank(with_one))


def separates(logit: Floats, y: Labels) -> bool:
    """Whether every row lies strictly on its class's side."""
    return bool(((logit > 0) == (y == 1)).all() and (logit != 0).all())


def _figures(theta: Floats, x: Floats, y: Labels) -> tuple[float, float]:
    p = reported_probability(logits(theta, x))
    return log_loss(y, p), float(((p >= 0.5) == (y == 1)).mean())

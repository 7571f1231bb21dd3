"""What a solver is, what it is given, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, Protocol

import msgspec
import numpy as np

from core.errors import DataError
from core.miniflow import Parameter
from core.model import Floats
from trainer import loss
from trainer.metrics.probability import log_loss
from trainer.metrics.weighting import check_weights
from trainer.solvers.class_weights import ClassWeights, combined_weights
from trainer.solvers.separation import Separation
from trainer.table import Labels

#: Why a solver stopped: the gradient vanished; its steps ran out; no step lowered the objective any more; the
#: classes were separated, so that steps lead nowhere; the validation loss had stopped falling.
End = Literal["gradient", "max_steps", "standstill", "separated", "validation"]


class Epoch(msgspec.Struct, frozen=True):
    """One step's figures: log-loss without penalty, accuracy at p >= .5; rows count by their sample weights."""

    step: int
    train_loss: float
    train_accuracy: float
    objective: float  #: what the solver lowers: with class weights and penalty
    validation_loss: float | None = None
    validation_accuracy: float | None = None

    @property
    def metrics(self) -> dict[str, float | None]:
        """The figures by name, those that are known."""
        named = msgspec.structs.asdict(self)
        return {name: figure for name, figure in named.items() if name != "step" and figure is not None}


@dataclass(frozen=True, eq=False)
class Problem:
    """Standardised training rows and, where given, validation rows on the same scale.

    Raises
    ------
    DataError
        No rows; sample or class weights that are negative, not finite, of another number than the rows, or zero
        for all of them.
    """

    x: Floats  #: (n, d), finite; a look would cost as much as a reading, so solvers refuse others at the start
    y: Labels  #: (n,)
    validation_x: Floats | None = None
    validation_y: Labels | None = None
    weights: Floats | None = None  #: (n,) how often each row counts; None: once
    validation_weights: Floats | None = None
    class_weights: ClassWeights | None = None  #: of class 0 and 1, beside ``weights``; None: equal

    def __post_init__(self) -> None:
        if not len(self.y):
            raise DataError("there are no rows to train on; give labelled rows of both classes")
        parts = ((self.weights, self.y), (self.validation_weights, self.validation_y))
        for weights, y in parts:
            if weights is not None:
                check_weights(weights, 0 if y is None else len(y))
        if self.class_weights is not None:
            check_weights(np.array(self.class_weights), 2)
        if self.weights is not None and self.class_weights is not None and self.fit_weights is not None:
            # either may leave a class some weight that the other takes
            check_weights(self.fit_weights, len(self.y))

    @cached_property
    def fit_weights(self) -> Floats | None:
        """(n,) weights of the objective: sample weights times class weights; None where every row counts once."""
        return combined_weights(self.weights, self.class_weights, self.y)

    def training_only(self) -> Problem:
        """The same without validation rows, to look what another solver makes of the training rows."""
        return replace(self, validation_x=None, validation_y=None, validation_weights=None)

    @property
    def counted(self) -> tuple[Floats, Labels]:
        """The rows (k, d), (k,) that have any weight."""
        weights = self.fit_weights
        return (self.x, self.y) if weights is None else (self.x[weights > 0], self.y[weights > 0])

    def value(self, theta: Floats, c: float) -> float:
        """The objective of parameters ``theta`` (d + 1,)."""
        return loss.value(theta, self.x, self.y, c, self.fit_weights)

    def gradient(self, theta: Floats, c: float) -> Floats:
        """(d + 1,) gradient of the objective."""
        return loss.gradient(theta, self.x, self.y, c, self.fit_weights)

    def validation_logit(self, theta: Floats) -> Floats | None:
        """(m,) logits of the validation rows for parameters ``theta`` (d + 1,); None where there are none."""
        return None if self.validation_x is None else loss.logits(theta, self.validation_x)

    def stopping_loss(self, validation_logit: Floats) -> float:
        """Log-loss of the validation rows with class weights, the one that early stopping watches."""
        y = self._validation_labels
        weights = combined_weights(self.validation_weights, self.class_weights, y)
        return log_loss(y, loss.reported_probability(validation_logit), weights)

    def epoch(
        self,
        step: int,
        theta: Floats,
        objective: float,
        logit: Floats | None = None,
        validation_logit: Floats | None = None,
    ) -> Epoch:
        """The figures of parameters ``theta`` (d + 1,); logits of the rows that are known already save a pass."""
        train = _figures(loss.logits(theta, self.x) if logit is None else logit, self.y, self.weights)
        held_out = self.validation_logit(theta) if validation_logit is None else validation_logit
        if held_out is None:
            return Epoch(step, *train, objective)
        validation = _figures(held_out, self._validation_labels, self.validation_weights)
        return Epoch(step, *train, objective, *validation)

    @property
    def _validation_labels(self) -> Labels:
        if self.validation_y is None:
            raise AssertionError("validation rows have labels")
        return self.validation_y


@dataclass(frozen=True, eq=False)
class Solution:
    """Where a solver arrived; always finite."""

    coefficients: Floats  #: (d,)
    intercept: float
    converged: bool  #: the gradient vanished at an optimum that exists
    gradient_norm: float  #: largest absolute component of the objective's gradient
    history: tuple[Epoch, ...]  #: one entry a step, at least one; of step 0 where a given start may be the best
    end: End
    best_step: int  #: the step whose parameters these are: the last, unless the validation loss chose another
    separation: Separation | None = None  #: of the classes; None with a penalty, or where there is none

    @property
    def theta(self) -> Floats:
        """(d + 1,) coefficients, then the intercept: where another solver can start."""
        return np.append(self.coefficients, self.intercept)

    @property
    def epoch(self) -> Epoch:
        """The figures of these parameters."""
        return self.history[self.best_step - self.history[0].step]


class Solver(Protocol):
    """Minimises :func:`trainer.loss.value`; deterministic for equal problem, start and seed.

    To the bit, that takes an equal number of BLAS threads too: a matrix product adds in another order with each.
    Every command and service here runs one (:mod:`core.blas`); who calls the library asks for it himself.
    """

    @property
    def name(self) -> str:
        """Stands in parameters and model cards."""

    @property
    def params(self) -> dict[str, Parameter]:
        """What defines the solver's behaviour, as the run records it."""

    @property
    def c(self) -> float:
        """Inverse strength of L2, scikit-learn's convention; inf: no penalty."""

    @property
    def first_order(self) -> bool:
        """Whether it follows the gradient alone, so that correlated features slow it down."""

    @property
    def stops_early(self) -> bool:
        """Whether the validation rows decide where it stops, so that they cannot judge the model too."""

    def solve(self, problem: Problem, seed: int, start: Floats | None = None) -> Solution:
        """Solve from ``start`` (d + 1,), or from a start that only ``seed`` decides.

        Raises
        ------
        DataError
            Rows that are not finite, or a start of another width.
        """


def inverse_strength_param(c: float) -> float | str:
    """C as JSON can hold it: ``inf`` becomes a text."""
    return c if np.isfinite(c) else "inf"


def _figures(logit: Floats, y: Labels, weights: Floats | None) -> tuple[float, float]:
    p = loss.reported_probability(logit)
    return log_loss(y, p, weights), float(np.average((p >= 0.5) == (y == 1), weights=weights))

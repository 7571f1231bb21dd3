"""What held-out rows say of a model's probabilities: the reference of the test for a change of concept.

The true probability of class 1 at logit l is taken as

    p(l) = lambda / 2 + (1 - lambda) sigmoid(a + b l)

a logistic recalibration (Cox 1958, Biometrika 45:562) of which a share lambda of rows is a coin toss. That share
is the lapse rate of psychometric functions (Wichmann and Hill 2001, Perception & Psychophysics 63:1293): without
it a model that is once wrong where it was sure has p = .00001 contradicted by fact, and every test built on it
alarms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import DataError, SchemaError
from core.sigmoid import LOGIT_CLIP, Floats, sigmoid

#: 0 or 1 a row, of any number type: a table holds bytes, the stream float64.
Outcomes = NDArray[Any]

#: Log-loss of the probability 1e-15, beyond which ``trainer.loss`` clips: one certain mistake costs this.
_GREATEST_LOSS = -np.log(1e-15)

#: Prior of intercept and slope: Normal(0, 1) and Normal(1, 1/2), "the model means what it says", with their weight
#: felt in a few dozen rows and gone at some hundreds. They keep separable and one-class holdouts finite, and with
#: them the band of a confident model cannot reach the even odds, where no mistake would surprise.
_PRIOR_MEAN = np.array([0.0, 1.0])
_PRIOR_PRECISION = np.array([1.0, 4.0])
#: Prior of the share of coin tosses: as if 2 of 20 further rows had been tosses. Two, because of n rows without
#: one the true share may still be about 2/n; of twenty, because a weak model cannot tell a toss from its own
#: doubt.
_PRIOR_TOSSES = 2.0
_PRIOR_OTHERS = 18.0

#: Half the width of the null hypothesis in standard errors of a + b l; 1.28 leaves 10 % outside each edge. Chosen
#: by measurement on Raisin: of 100 references of 180 or 1,000 held-out rows 98 and more keep budgets of 1,000 to
#: 100,000 labels. At 1.0, 93 to 100 do, and delays are a quarter shorter.
STANDARD_ERRORS = 1.28
#: Departures in log-odds that nobody wants to hear of, however many rows the reference has: .05 is 1.2 points at
#: even odds.
TOLERANCE = 0.05

#: More rows than this pin down three parameters far below :data:`TOLERANCE`.
_MOST_ROWS = 100_000
_STEPS = 300
_HALVINGS = 30
#: No parameter moves further in one step: the information at one place says little of the next.
_LONGEST_STEP = 3.0
#: The solver stops where a step promises less than this of the (summed) objective.
_ENOUGH = 1e-12


@dataclass(frozen=True, eq=False)
class OutcomeRange:
    """What the null hypothesis allows for outcomes that were seen: the probability of each (n,)."""

    least: Floats
    expected: Floats
    most: Floats


@dataclass(frozen=True, eq=False)
class ConceptReference:
    """Recalibration and log-loss of a model on n rows that it was not trained on.

    Raises
    ------
    SchemaError
        Numbers that no fit gives.
    """

    rows: int  #: n
    coefficients: Floats  #: (2,) intercept a and slope b of the recalibration
    covariance: Floats  #: (2, 2) of a and b
    toss_share: float  #: lambda
    log_loss: float  #: mean over the n rows
    log_loss_error: float  #: its standard error

    def __post_init__(self) -> None:
        if self.coefficients.shape != (2,) or self.covariance.shape != (2, 2):
            raise SchemaError(
                f"a concept reference of {self.coefficients.shape} coefficients does not fit together"
            )
        (a, between), (_, b) = self.covariance
        usable = a > 0.0 and b > 0.0 and between**2 <= a * b and 0.0 < self.toss_share < 1.0
        if not np.isfinite(self.values).all() or self.rows < 1 or not usable or self.log_loss_error < 0.0:
            raise SchemaError("the concept reference holds impossible numbers")

    @property
    def values(self) -> Floats:
        """(9,) all of it as one array, for a model file; :func:`concept_reference_of` reads it back."""
        (a, between), (_, b) = self.covariance
        parts = (self.rows, *self.coefficients, a, between, b, self.toss_share, self.log_loss, self.log_loss_error)
        return np.array(parts, dtype=np.float64)

    def probability(self, logit: Floats) -> Floats:
        """(n,) recalibrated probability of class 1."""
        return self.outcome_range(logit, np.ones(len(logit), dtype=np.bool_)).expected

    def outcome_range(self, logit: Floats, class_1: NDArray[np.bool_]) -> OutcomeRange:
        """The null hypothesis for outcomes ``class_1`` (n,) at model logits (n,).

        The true log-odds are within tau of a + b l, with tau = z sqrt(var a + 2 l cov(a, b) + l^2 var b) plus the
        tolerance, and the share of coin tosses is between 0 and lambda. All of it is in the probability of the
        outcome that came, which keeps its digits where it is small.
        """
        clipped = np.clip(logit, -LOGIT_CLIP, LOGIT_CLIP)
        (a, between), (_, b) = self.covariance
        variance = np.maximum(a + clipped * (2.0 * between + clipped * b), 0.0)
        tau = STANDARD_ERRORS * np.sqrt(variance) + TOLERANCE
        middle = self.coefficients[0] + self.coefficients[1] * clipped
        middle = np.where(class_1, middle, -middle)
        least, expected, most = (
            sigmoid(np.clip(log_odds, -LOGIT_CLIP, LOGIT_CLIP))
            for log_odds in (middle - tau, middle, middle + tau)
        )
        return OutcomeRange(
            np.minimum(least, self._tossed(least)), self._tossed(expected), np.maximum(most, self._tossed(most))
        )

    def _tossed(self, probability: Floats) -> Floats:
        return self.toss_share / 2.0 + (1.0 - self.toss_share) * probability


def concept_reference_of(values: Floats) -> ConceptReference:
    """Read :attr:`ConceptReference.values`.

    Raises
    ------
    SchemaError
        An array of another shape, or numbers that no fit gives.
    """
    if values.shape != (9,) or not np.isfinite(values).all():
        raise SchemaError("this is no concept reference; fit the model again")
    rows, a, b, var_a, between, var_b, toss_share, log_loss, log_loss_error = values.tolist()
    covariance = np.array([[var_a, between], [between, var_b]])
    return ConceptReference(int(rows), np.array([a, b]), covariance, toss_share, log_loss, log_loss_error)


def fit_concept_reference(logit: Floats, y: Outcomes) -> ConceptReference:
    """Recalibrate on held-out logits (n,) and outcomes (n,), which the model was not trained on.

    The parameters are the most probable ones under the priors above; the covariance is the inverse of the expected
    information on a and b at them, priors included. Deterministic; of more than 100,000 rows an even choice is
    used.

    Raises
    ------
    DataError
        No rows, or logits that are not finite, or outcomes other than 0 and 1.
    """
    class_1 = check_outcomes(logit, y)
    if not len(logit):
        raise DataError("no rows are held out; add labelled rows so that a change of concept can be judged")
    every = -(-len(logit) // _MOST_ROWS)
    chosen = np.clip(logit[::every], -LOGIT_CLIP, LOGIT_CLIP)
    theta, information = _solve(chosen, np.where(class_1[::every], 1.0, -1.0))
    losses = row_log_losses(logit, class_1)
    # one row tells nothing of the spread; a loss of its own size is the modest guess
    deviation = losses.std(ddof=1) if len(losses) > 1 else losses[0]
    return ConceptReference(
        rows=len(logit),
        coefficients=theta[:2].copy(),
        covariance=_inverse(information[:2, :2]),
        toss_share=float(sigmoid(theta[2:])[0]),
        log_loss=float(losses.mean()),
        log_loss_error=float(deviation / np.sqrt(len(losses))),
    )


def check_outcomes(logit: Floats, y: Outcomes) -> NDArray[np.bool_]:
    """(n,) whether the outcome is class 1.

    Raises
    ------
    DataError
        Shapes that do not fit together, logits that are not finite, or outcomes other than 0 and 1.
    """
    if logit.ndim != 1 or y.shape != logit.shape:
        raise DataError(f"outcomes of shape {y.shape} do not fit logits of shape {logit.shape}; pass one a row")
    class_1: NDArray[np.bool_] = y == 1
    if not np.isfinite(logit).all() or not (class_1 | (y == 0)).all():
        raise DataError("a label cannot be judged; pass finite logits and outcomes of 0 or 1")
    return class_1


def row_log_losses(logit: Floats, class_1: NDArray[np.bool_]) -> Floats:
    """(n,) log-loss of each row, clipped as ``trainer.loss`` clips it."""
    margin = np.where(class_1, logit, -logit)
    loss = np.log1p(np.exp(-np.abs(margin))) + np.maximum(-margin, 0.0)
    clipped: Floats = np.minimum(loss, _GREATEST_LOSS)
    return clipped


def _solve(logit: Floats, sign: Floats) -> tuple[Floats, Floats]:
    """Most probable (a, b, log-odds of lambda) and the information (3, 3) there, by Fisher scoring."""
    theta = np.append(_PRIOR_MEAN, np.log(_PRIOR_TOSSES / _PRIOR_OTHERS))
    reached = _value(theta, logit, sign)
    for _ in range(_STEPS):
        gradient, information = _derivatives(theta, logit, sign)
        step = np.linalg.solve(information, gradient)
        if gradient @ step < _ENOUGH:
            break
        step *= min(1.0, _LONGEST_STEP / np.abs(step).max())
        for halving in range(_HALVINGS):
            candidate = theta - step * 0.5**halving
            value = _value(candidate, logit, sign)
            if value < reached:
                theta, reached = candidate, value
                break
        else:
            break  # nothing below it that float64 can tell apart
    return theta, _derivatives(theta, logit, sign)[1]


def _value(theta: Floats, logit: Floats, sign: Floats) -> float:
    """Minus the log of likelihood times prior, up to a constant; ``sign`` (n,) is 1 for class 1, else -1."""
    share, other = sigmoid(np.array([theta[2], -theta[2]]))
    seen = share / 2.0 + other * sigmoid(sign * (theta[0] + theta[1] * logit))
    off = theta[:2] - _PRIOR_MEAN
    prior = 0.5 * float(_PRIOR_PRECISION @ off**2) - _PRIOR_TOSSES * np.log(share) - _PRIOR_OTHERS * np.log(other)
    return float(prior - np.log(seen).sum())


def _derivatives(theta: Floats, logit: Floats, sign: Floats) -> tuple[Floats, Floats]:
    """(3,) derivative of :func:`_value` and the expected second derivative (3, 3), which is positive definite."""
    share, other = sigmoid(np.array([theta[2], -theta[2]]))
    linear = theta[0] + theta[1] * logit
    class_1 = sigmoid(linear)
    probability = share / 2.0 + other * class_1
    slope = other * class_1 * sigmoid(-linear)
    parts = np.column_stack([slope, slope * logit, (0.5 - class_1) * share * other])
    seen = np.where(sign > 0.0, probability, 1.0 - probability)
    gradient = -(sign / seen) @ parts
    gradient[:2] += _PRIOR_PRECISION * (theta[:2] - _PRIOR_MEAN)
    gradient[2] += _PRIOR_OTHERS * share - _PRIOR_TOSSES * other
    information = (parts.T / (probability * (1.0 - probability))) @ parts
    information[np.diag_indices(2)] += _PRIOR_PRECISION
    information[2, 2] += (_PRIOR_TOSSES + _PRIOR_OTHERS) * share * other
    return gradient, information


def _inverse(matrix: Floats) -> Floats:
    """Inverse of a symmetric (2, 2), exactly symmetric itself."""
    (a, between), (_, b) = matrix
    inverse: Floats = np.array([[b, -between], [-between, a]]) / (a * b - between**2)
    return inverse

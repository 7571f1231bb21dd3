"""One reading of all rows: objective, gradient and a history's figures, in blocks that stay in the cache."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from core.model import Floats
from trainer.loss import PROBABILITY_CLIP, penalty
from trainer.solvers.base import Problem

#: Rows of a block: with fewer, the calls cost more than the arithmetic.
BLOCK_ROWS = 4096
#: Values of a block: with more, its second use no longer finds it in a core's cache.
BLOCK_VALUES = 262_144
#: The least rows of a block, however wide.
LEAST_BLOCK_ROWS = 256
#: Blocks that must show the curvature; where a share of them is fewer, the share is larger.
LEAST_BLOCKS = 3
#: The largest loss of a row that is reported.
_REPORTED_LOSS = -float(np.log(PROBABILITY_CLIP))
_LOG_2 = float(np.log(2.0))


@dataclass(frozen=True, eq=False)
class Reading:
    """What the rows say of parameters ``theta`` (d + 1,); not finite, without a warning, where logits overflow."""

    theta: Floats
    objective: float  #: with class weights and penalty
    gradient: Floats  #: (d + 1,) of the objective
    hessian: Floats | None  #: (d + 1, d + 1) of the objective, as the blocks asked for show it; None: not asked
    train_loss: float  #: by sample weights, without penalty
    train_accuracy: float  #: at p >= .5, by sample weights

    @property
    def norm(self) -> float:
        """Largest absolute component of the gradient."""
        return float(np.abs(self.gradient).max())


class RowPass:
    """Reads the rows of a problem; a reading fetches each of them from memory once.

    What is worked out of a block goes into the same few arrays, made once. With s = 1 for class 1 and -1 for class
    0, and t = tanh(logit / 2), a row's probability of class 1 is (1 + t) / 2, its loss
    log 2 - log(1 + |t|) + (|logit| - s logit) / 2, and its gradient (t - s) / 2 times the row. What s is in is
    linear in the parameters: the sum of s times the row is the same for all readings, and worked out by the first.

    Parameters
    ----------
    share
        Only each ``share``-th block is read, and stands for all rows; where no row of them has any weight, nothing
        is finite and there is no Hessian.
    """

    def __init__(self, problem: Problem, c: float, share: int = 1) -> None:
        rows, width = problem.x.shape
        size = min(max(1, rows), BLOCK_ROWS, max(LEAST_BLOCK_ROWS, BLOCK_VALUES // max(1, width)))
        self._problem = problem
        self._c = c
        self._size = size
        self._starts = range(size * (share // 2), rows, size * share)
        self._is_one = problem.y.view(np.bool_)
        self._weights = problem.fit_weights
        self._whole = float(rows if self._weights is None else self._weights.sum())
        self._work = np.empty((3, size))
        self._flags = np.empty(size, dtype=np.bool_)
        self._rooted: Floats | None = None  # (size, d + 1), made where a Hessian is asked for
        # with class weights, what is reported is weighted otherwise than what is lowered
        self._apart = problem.class_weights is not None
        self._signs = _Signs(np.zeros(width + 1))
        self._reported_signs = _Signs(np.zeros(width + 1)) if self._apart else self._signs
        self._has_signs = False

    def at(self, theta: Floats, every: int = 0) -> Reading:
        """Read the rows at ``theta`` (d + 1,), with the Hessian of each ``every``-th block; 0: without."""
        sums = _Sums(np.zeros(len(theta)), np.zeros((len(theta), len(theta))))
        every = min(every, max(1, len(self._starts) // LEAST_BLOCKS))
        half = 0.5 * theta
        with np.errstate(all="ignore"):
            for number, start in enumerate(self._starts):
                piece = slice(start, start + self._size)
                self._read(piece, half, sums, curved=every > 0 and number % every == every // 2)
            self._has_signs = True
            return self._reading(theta, sums)

    def _read(self, piece: slice, half: Floats, sums: _Sums, *, curved: bool) -> None:
        """Add a block. ``far`` is half its logits, then their sizes; ``t`` is their tanh, then log(1 + |t|)."""
        x, is_one = self._problem.x[piece], self._is_one[piece]
        weights = None if self._weights is None else self._weights[piece]
        far, t, place = self._work[:, : len(x)]
        hit = self._flags[: len(x)]
        np.dot(x, half[:-1], out=far)
        far += half[-1]
        np.equal(np.greater_equal(far, 0.0, out=hit), is_one, out=hit)
        np.tanh(far, out=t)
        np.abs(far, out=far)
        pull = t if weights is None else np.multiply(t, weights, out=place)
        sums.gradient[:-1] += pull @ x
        sums.gradient[-1] += pull.sum()
        if not self._has_signs:
            self._signs.add(x, is_one, weights, place)
            if self._apart:
                reported = None if self._problem.weights is None else self._problem.weights[piece]
                self._reported_signs.add(x, is_one, reported, place)
        if curved:
            self._add_curvature(x, t, weights, place, sums)
        np.abs(t, out=t)
        t += 1.0
        likelier = np.log(t, out=t)
        sums.loss += _weighted(far, weights) - _weighted(likelier, weights)
        self._report(piece, far, likelier, hit, sums)

    def _report(self, piece: slice, far: Floats, likelier: Floats, hit: NDArray[np.bool_], sums: _Sums) -> None:
        """Count hits, and what of the losses is not reported, by sample weights."""
        weights = None if self._problem.weights is None else self._problem.weights[piece]
        sums.hits += float(np.count_nonzero(hit) if weights is None else weights[hit].sum())
        if self._apart:
            sums.reported_loss += _weighted(far, weights) - _weighted(likelier, weights)
        if far.max() > 0.5 * _REPORTED_LOSS:
            beyond = np.where(hit, 0.0, np.maximum(2.0 * far - _REPORTED_LOSS, 0.0))
            sums.beyond += _weighted(beyond, weights)

    def _add_curvature(self, x: Floats, t: Floats, weights: Floats | None, place: Floats, sums: _Sums) -> None:
        """Add A'A, A the rows times the root of their curvature: a symmetric product is half the work."""
        root = np.multiply(t, t, out=place)
        np.subtract(1.0, root, out=root)
        root *= 0.25
        if weights is not None:
            root *= weights
        np.sqrt(root, out=root)
        if self._rooted is None:
            self._rooted = np.empty((self._size, x.shape[1] + 1))
        rooted = self._rooted[: len(x)]
        np.multiply(x, root[:, None], out=rooted[:, :-1])
        rooted[:, -1] = root
        sums.hessian += rooted.T @ rooted
        sums.curved_weight += float(len(x) if weights is None else weights.sum())

    def _reading(self, theta: Floats, sums: _Sums) -> Reading:
        signs, reported_signs = self._signs, self._reported_signs
        strength = 1.0 / (self._c * self._whole)
        gradient = (sums.gradient - signs.summed) / (2.0 * signs.weight)
        gradient[:-1] += strength * theta[:-1]
        hessian = None
        if sums.curved_weight > 0:
            hessian = sums.hessian / sums.curved_weight
            hessian[np.diag_indices(len(theta) - 1)] += strength
        loss = sums.loss - 0.5 * float(theta @ signs.summed)
        reported = sums.reported_loss if self._apart else sums.loss
        reported -= 0.5 * float(theta @ reported_signs.summed) + sums.beyond
        return Reading(
            theta=theta,
            objective=float(loss / signs.weight + _LOG_2 + penalty(theta, self._c, self._whole)),
            gradient=gradient,
            hessian=hessian,
            train_loss=float(reported / reported_signs.weight + _LOG_2),
            train_accuracy=float(sums.hits / reported_signs.weight),
        )


@dataclass(eq=False)
class _Signs:
    """The sum of s times the row, and of the weights."""

    summed: Floats  #: (d + 1,)
    weight: np.float64 = field(default_factory=np.float64)  #: of which 0 divides without an error

    def add(self, x: Floats, is_one: NDArray[np.bool_], weights: Floats | None, place: Floats) -> None:
        """Add rows (k, d); ``place`` (k,) is overwritten."""
        sign = np.multiply(is_one, 2.0, out=place)
        sign -= 1.0
        if weights is not None:
            sign *= weights
        self.summed[:-1] += sign @ x
        self.summed[-1] += sign.sum()
        self.weight += len(x) if weights is None else weights.sum()


@dataclass(eq=False)
class _Sums:
    """Over the blocks of a reading, without what s is in, before they are divided by weights."""

    gradient: Floats
    hessian: Floats
    curved_weight: float = 0.0
    loss: float = 0.0
    reported_loss: float = 0.0
    beyond: float = 0.0  #: of losses above the largest that is reported
    hits: float = 0.0


def _weighted(values: Floats, weights: Floats | None) -> float:
    return float(values.sum() if weights is None else values @ weights)

"""One reading of all rows: objective, gradient and a history's figures, in blocks that stay in the cache."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from core.model import Floats
from trainer.loss import PROBABILITY_CLIP, penalty
from trainer.solvers.base import Problem
from trainer.solvers.block_curvature import BlockCurvature, UncorrelatedCurvature, WholeCurvature

#: Rows of a block: with fewer, the calls cost more than the arithmetic.
BLOCK_ROWS = 4096
#: Values of a block: with more, its second use no longer finds it in a core's cache.
BLOCK_VALUES = 262_144
#: The least rows of a block, however wide.
LEAST_BLOCK_ROWS = 256
#: Blocks that must show the curvature; where a share of them is fewer, the share is larger.
LEAST_BLOCKS = 3
#: Blocks that a share of them has at least, as long as they have :data:`LEAST_BLOCK_ROWS`.
BLOCKS_OF_A_SHARE = 16
#: The largest loss of a row that is reported.
_REPORTED_LOSS = -float(np.log(PROBABILITY_CLIP))
_LOG_2 = float(np.log(2.0))


@dataclass(frozen=True, eq=False)
class Reading:
    """What the rows say of parameters ``theta`` (d + 1,); not finite, without a warning, where logits overflow."""

    theta: Floats
    objective: float  #: with class weights and penalty
    gradient: Floats  #: (d + 1,) of the objective
    #: (d + 1, d + 1) of the objective, as the blocks asked for show it, or about so; None: not asked, or no weight
    hessian: Floats | None
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
    log 2 - log(1 + |t|) + (|logit| - s logit) / 2, and its gradient (t - s) / 2 times the row. The sum of
    s logit is that of t logit without the product of parameters and gradient.

    Parameters
    ----------
    share
        Only each ``share``-th block is read, and stands for all rows; where no row of them has any weight, nothing
        is finite and there is no Hessian.
    """

    def __init__(self, problem: Problem, c: float, share: int = 1) -> None:
        rows, width = problem.x.shape
        size = _block_rows(rows, width, share)
        self._problem = problem
        self._c = c
        self._size = size
        self._starts = range(size * (share // 2), rows, size * share)
        self._is_one = problem.y.view(np.bool_)
        self._weights = problem.fit_weights
        self._whole = float(rows if self._weights is None else self._weights.sum())
        self._work = np.empty((3, size))
        self._flags = np.empty(size, dtype=np.bool_)
        self._ones = np.ones(size)  # a product with them is a sum in half the time
        self._place: Floats | None = None  # (size, d + 1), made where a Hessian is asked for
        self._signs = np.subtract(2 * problem.y.view(np.int8), 1, dtype=np.int8)
        # with class weights, what is reported is weighted otherwise than what is lowered
        self._apart = problem.class_weights is not None

    def at(self, theta: Floats, every: int = 0, *, uncorrelated: bool = False) -> Reading:
        """Read the rows at ``theta`` (d + 1,), with the Hessian of each ``every``-th block; 0: without.

        ``uncorrelated``: of the Hessian only :class:`trainer.solvers.block_curvature.UncorrelatedCurvature`.
        """
        sums = _Sums(np.zeros(len(theta)))
        if every:
            every = _spacing(len(self._starts), every)
            if self._place is None:
                self._place = np.empty((self._size, len(theta)))
            sums.curvature = (UncorrelatedCurvature if uncorrelated else WholeCurvature)(theta, self._place)
        half = 0.5 * theta
        with np.errstate(all="ignore"):
            for number, start in enumerate(self._starts):
                piece = slice(start, start + self._size)
                curves = sums.curvature if every and number % every == every // 2 else None
                self._read(piece, half, sums, curves)
            return self._reading(theta, sums)

    def _read(self, piece: slice, half: Floats, sums: _Sums, curves: BlockCurvature | None) -> None:
        """Add a block. ``far`` is half its logits, then their sizes; ``t`` is their tanh, then 1 + |t|."""
        x, is_one = self._problem.x[piece], self._is_one[piece]
        weights = None if self._weights is None else self._weights[piece]
        far, t, place = self._work[:, : len(x)]
        hit = self._flags[: len(x)]
        np.dot(x, half[:-1], out=far)
        far += half[-1]
        np.equal(np.greater_equal(far, 0.0, out=hit), is_one, out=hit)
        np.tanh(far, out=t)
        pull = np.subtract(t, self._signs[piece], out=place)
        if weights is not None:
            pull *= weights
        sums.gradient[:-1] += np.dot(pull, x)
        sums.gradient[-1] += np.dot(pull, self._ones[: len(x)])
        sums.weight += len(x) if weights is None else weights.sum()
        sums.loss -= float(np.dot(t if weights is None else np.multiply(t, weights, out=place), far))
        if curves is not None:
            curving = curvatures(t, weights, place)
            curves.add(x, far, curving, float(len(x) if weights is None else weights.sum()))
        np.abs(far, out=far)
        np.abs(t, out=t)
        t += 1.0
        if weights is None:
            sums.loss += float(np.dot(far, self._ones[: len(x)])) - _summed_log(t)
        else:
            sums.loss += float(np.dot(far, weights)) - float(np.dot(np.log(t, out=t), weights))
        self._report(piece, far, t, hit, sums)

    def _report(self, piece: slice, far: Floats, likelier: Floats, hit: NDArray[np.bool_], sums: _Sums) -> None:
        """Count hits, and what of the losses is not reported, by sample weights.

        ``likelier`` is log(1 + |t|), where the block has weights.
        """
        weights = None if self._problem.weights is None else self._problem.weights[piece]
        sums.hits += float(np.count_nonzero(hit) if weights is None else weights[hit].sum())
        if self._apart:
            sums.reported_weight += len(far) if weights is None else weights.sum()
            sums.reported_loss += _weighted(np.where(hit, 0.0, 2.0 * far) - likelier, weights)
        if far.max() > 0.5 * _REPORTED_LOSS:
            beyond = np.where(hit, 0.0, np.maximum(2.0 * far - _REPORTED_LOSS, 0.0))
            sums.beyond += _weighted(beyond, weights)

    def _reading(self, theta: Floats, sums: _Sums) -> Reading:
        strength = 1.0 / (self._c * self._whole)
        loss = sums.loss + 0.5 * float(theta @ sums.gradient)
        gradient = sums.gradient / (2.0 * sums.weight)
        gradient[:-1] += strength * theta[:-1]
        hessian = None
        if sums.curvature is not None and sums.curvature.weight > 0:
            hessian = sums.curvature.hessian() / sums.curvature.weight
            hessian[np.diag_indices(len(theta) - 1)] += strength
        reported, weight = (sums.reported_loss, sums.reported_weight) if self._apart else (loss, sums.weight)
        return Reading(
            theta=theta,
            objective=float(loss / sums.weight + _LOG_2 + penalty(theta, self._c, self._whole)),
            gradient=gradient,
            hessian=hessian,
            train_loss=float((reported - sums.beyond) / weight + _LOG_2),
            train_accuracy=float(sums.hits / weight),
        )


@dataclass(eq=False)
class _Sums:
    """Over the blocks of a reading, before they are divided by the weight of the rows."""

    gradient: Floats  #: (d + 1,) twice that of the loss
    curvature: BlockCurvature | None = None
    weight: np.float64 = field(default_factory=np.float64)  #: of which 0 divides without an error
    loss: float = 0.0  #: without log 2 and the product of half the parameters and the gradient
    reported_weight: np.float64 = field(default_factory=np.float64)
    reported_loss: float = 0.0  #: without log 2
    beyond: float = 0.0  #: of losses above the largest that is reported
    hits: float = 0.0


def curved_rows(rows: int, width: int, every: int) -> int:
    """Of how many of ``rows`` rows a reading shows the Hessian, where each ``every``-th block is asked for."""
    size = _block_rows(rows, width)
    blocks = -(-rows // size)
    every = _spacing(blocks, every)
    return min(rows, size * len(range(every // 2, blocks, every)))


def _block_rows(rows: int, width: int, share: int = 1) -> int:
    """Of a share of the blocks there are at least so many: rows may lie in the order of their classes."""
    size = min(max(1, rows), BLOCK_ROWS, max(LEAST_BLOCK_ROWS, BLOCK_VALUES // max(1, width)))
    return size if share == 1 else min(size, max(LEAST_BLOCK_ROWS, rows // (share * BLOCKS_OF_A_SHARE)))


def _spacing(blocks: int, every: int) -> int:
    """Each which block shows its Hessian: of few blocks more than are asked for."""
    return min(every, max(1, blocks // LEAST_BLOCKS))


def curvatures(t: Floats, weights: Floats | None, place: Floats) -> Floats:
    """(k,) p (1 - p) of rows, times their weights, in ``place``; ``t`` is the tanh of half their logits."""
    curving = np.multiply(t, t, out=place)
    np.subtract(1.0, curving, out=curving)
    curving *= 0.25
    if weights is not None:
        curving *= weights
    return curving


def _summed_log(factors: Floats) -> float:
    """Sum of the logarithms of ``factors`` (k,) from 1 to 2, which are overwritten: of eight one is taken."""
    for _ in range(3):
        half = (len(factors) + 1) // 2
        factors[: len(factors) - half] *= factors[half:]
        factors = factors[:half]
    return float(np.log(factors, out=factors).sum())


def _weighted(values: Floats, weights: Floats | None) -> float:
    return float(values.sum() if weights is None else values @ weights)

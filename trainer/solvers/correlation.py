"""Whether a sample shows features to be uncorrelated: then few numbers say as much of a Hessian as all of it."""

from __future__ import annotations

import numpy as np

from core.model import Floats
from trainer.loss import logits
from trainer.solvers.base import Problem
from trainer.solvers.row_pass import curvatures

#: A larger correlation of any two features is no noise of a sample.
LARGEST_CORRELATION = 0.3
#: Standard deviations by which the noise of a sample is taken to be less than it is expected to be.
DEVIATIONS = 2.0
#: What is left out of a Hessian may be so much of the noise of the one that is spared, in squares.
LEFT_OUT = 0.5
#: The largest eigenvalue of what is left out may be so many times the largest that noise alone has.
WORST_DIRECTION = 1.5
#: Rows that are worked on together; more of them are a second sample in memory.
PIECE_ROWS = 256


def may_be_uncorrelated(hessian: Floats, rows: int, spared_rows: float) -> bool:
    """Whether a look at the noise of a ``hessian`` (d + 1, d + 1) of ``rows`` rows may find no correlation.

    Not where two features are plainly tied to each other, or where it could not tell that none are.
    """
    if not (np.isfinite(hessian).all() and (np.diagonal(hessian) > 0).all()):
        return False
    largest = np.abs(_correlation(hessian)).max()
    return bool(largest <= LARGEST_CORRELATION and _doubt(len(hessian) - 1) <= LEFT_OUT * rows / spared_rows)


def tells_as_much(few: Floats, hessian: Floats, sample: Problem, theta: Floats, spared_rows: float) -> bool:
    """Whether ``few`` entries of the Hessian, as of uncorrelated features, are nearer to it than a noisy whole is.

    Both (d + 1, d + 1) are those of the ``sample`` at ``theta`` (d + 1,), the whole that would be spared is one of
    ``spared_rows`` rows. What the few leave out of the sample's is its noise and what is of all rows;
    the expected squares of the noise are known, since they are a sum over rows. A faint factor of many features is
    little in squares and all in one direction, which is why the worst one is looked at, too.
    Sources: Ledoit and Wolf 2004, Journal of Multivariate Analysis 88:365, lemma 3.2; Marchenko and Pastur 1967,
    for the largest eigenvalue of noise.
    """
    width = len(theta) - 1
    left_out = _correlation(hessian - few, hessian)
    noise = _noise(sample, theta, np.sqrt(np.diagonal(hessian)[:-1]))
    beyond = float(np.square(left_out).sum()) - noise * (1.0 - _doubt(width))
    if not beyond <= LEFT_OUT * noise * len(sample.y) / spared_rows:
        return False
    share = noise / (width - 1)
    edge = 2.0 * np.sqrt(share) + share
    return bool(np.abs(np.linalg.eigvalsh(left_out)).max() <= WORST_DIRECTION * edge)


def _doubt(width: int) -> float:
    """Share of the expected noise that is not taken for noise, as a sum over so many pairs varies."""
    pairs = max(1.0, 0.5 * width * (width - 1))
    return DEVIATIONS * float(np.sqrt(2.0 / pairs))


def _correlation(entries: Floats, hessian: Floats | None = None) -> Floats:
    """(d, d) ``entries`` of features beside the diagonal, scaled by ``hessian``, their own if None."""
    scale = np.sqrt(np.diagonal(entries if hessian is None else hessian)[:-1])
    correlation: Floats = entries[:-1, :-1] / np.outer(scale, scale)
    np.fill_diagonal(correlation, 0.0)
    return correlation


def _noise(sample: Problem, theta: Floats, scale: Floats) -> float:
    """Expected squares of a correlation's entries beside the diagonal, summed, where rows have none.

    Of a ``sample`` at ``theta`` (d + 1,), features in units of ``scale`` (d,).
    """
    weights = np.ones(len(sample.y)) if sample.fit_weights is None else sample.fit_weights
    summed = 0.0
    for first in range(0, len(sample.y), PIECE_ROWS):
        piece = slice(first, first + PIECE_ROWS)
        x = sample.x[piece]
        curving = curvatures(np.tanh(0.5 * logits(theta, x)), weights[piece], np.empty(len(x)))
        squares = (x / scale) ** 2
        own = squares.sum(axis=1) ** 2 - np.einsum("ij,ij->i", squares, squares)
        summed += float(curving**2 @ own)
    return summed / float(weights.sum()) ** 2

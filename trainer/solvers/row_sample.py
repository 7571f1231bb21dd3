"""A few rows that stand for all: where a walk over many rows begins."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.model import Floats
from core.profile import CONSTANT_TOLERANCE
from trainer.solvers.base import Problem
from trainer.solvers.curvature import newton_direction
from trainer.solvers.row_pass import RowPass

#: Share of rows below which a class is drawn from apart: half of the sample is then of it, as far as there is.
RARE_SHARE = 0.2
#: Every so many blocks of rows are the second sample.
NEARER_SHARE = 16
#: Rows of a sample that must decide about a feature.
LEAST_DECIDING = 10
#: Features that are looked at together; more of them are a second sample in memory.
SHOWN_AT_ONCE = 16
#: Steps on the sample; from zero it takes three or four.
MAX_STEPS = 12
#: Share of the sample's own error in the loss, (d + 1) / 2n, that a step must promise to be followed by another.
WORTH_A_STEP = 0.1


def sample_problem(problem: Problem, count: int, seed: int) -> Problem:
    """About ``count`` training rows, evenly spread over all and over both classes, weighted to stand for them.

    The sum of their weights is their number.
    """
    generator = np.random.default_rng(seed)
    y = problem.y
    ones = int(np.count_nonzero(y))
    rare = np.uint8(2 * ones < len(y))
    rare_rows = min(ones, len(y) - ones)
    if rare_rows >= RARE_SHARE * len(y):
        chosen = _spread(len(y), count, generator)
        weights = np.ones(len(chosen))
    else:
        places = np.flatnonzero(y == rare)
        apart = places[_spread(len(places), min(count // 2, len(places)), generator)]
        others = _spread(len(y), count - len(apart), generator)
        others = others[y[others] != rare]
        chosen = np.concatenate([others, apart])
        weights = np.repeat(
            [(len(y) - rare_rows) / max(1, len(others)), rare_rows / len(apart)], [len(others), len(apart)]
        )
    if problem.fit_weights is not None:
        weights = weights * problem.fit_weights[chosen]
    total = float(weights.sum())
    weights = weights * (len(chosen) / total) if total > 0 else np.ones(len(chosen))
    return Problem(problem.x[chosen], y[chosen], weights=weights)


def shown(x: Floats) -> NDArray[np.bool_]:
    """(d,) whether rows ``x`` (n, d) show what a feature does: at least some of them decide about it.

    Of a feature that is 1 in five rows and 0 elsewhere, those five decide, however many rows there are: the
    participation ratio of the squares about the mean. A column of zeros has nothing to show.
    """
    pieces = [x[:, first : first + SHOWN_AT_ONCE] for first in range(0, x.shape[1], SHOWN_AT_ONCE)]
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite shows nothing; a reading will say so
        return np.concatenate([_shown(piece) for piece in pieces])


def _shown(x: Floats) -> NDArray[np.bool_]:
    mean = x.mean(axis=0)
    squares = x - mean
    np.square(squares, out=squares)
    summed = squares.sum(axis=0)
    varies = np.sqrt(summed / len(x)) > CONSTANT_TOLERANCE * np.abs(mean)
    enough = summed**2 >= LEAST_DECIDING * np.einsum("ij,ij->j", squares, squares)
    found: NDArray[np.bool_] = (varies & enough) | ((summed == 0) & (mean == 0))
    return found


class SampleStart(NamedTuple):
    """Where a walk over all rows begins."""

    theta: Floats  #: (d + 1,)
    shows_all: bool  #: the sample shows what each feature does; then so does an eighth of the rows


def sample_start(problem: Problem, c: float, count: int, seed: int) -> SampleStart:
    """The optimum of a sample of ``count`` rows, to within its error; zero where none was found.

    A penalty of one row's weight beside the problem's own keeps it finite where the sample is separable. Features
    that the sample does not show start at zero: their weight would be far out, and steps lead badly from there.
    """
    sample = sample_problem(problem, count, seed)
    seen = shown(sample.x)
    sample.x[:, ~seen] = 0.0  # the sample's own copy
    total = float(len(problem.y) if problem.fit_weights is None else problem.fit_weights.sum())
    rows = RowPass(sample, 1.0 / (1.0 + len(sample.y) / (c * total)))
    theta = best = np.zeros(problem.x.shape[1] + 1)
    least = np.inf
    for _ in range(MAX_STEPS):
        here = rows.at(theta, every=1)
        if here.hessian is None or not here.objective < least:
            break
        best, least = theta, here.objective
        direction = newton_direction(here.hessian, here.gradient)
        theta = theta + direction
        promised = -0.5 * float(here.gradient @ direction)
        if promised < WORTH_A_STEP * len(theta) / (2 * len(sample.y)):
            best = theta  # so near that the step needs no look
            break
    return SampleStart(best, bool(seen.all()))


def nearer_start(problem: Problem, c: float, theta: Floats) -> Floats:
    """(d + 1,) one Newton step from ``theta`` (d + 1,) by each :data:`NEARER_SHARE`-th block of the rows."""
    here = RowPass(problem, c, NEARER_SHARE).at(theta, every=1)
    if here.hessian is None or not np.isfinite(here.objective):
        return theta
    return theta + newton_direction(here.hessian, here.gradient)


def _spread(among: int, count: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """(count,) ascending places below ``among``, one at random in each of ``count`` equal parts."""
    parts = np.arange(count) + generator.random(count)
    return np.minimum((parts * (among / max(1, count))).astype(np.int64), among - 1)

"""A few rows that stand for all: where a walk over many rows begins."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.model import Floats
from core.profile import CONSTANT_TOLERANCE
from trainer.solvers.base import Problem
from trainer.solvers.correlation import may_be_uncorrelated, tells_as_much
from trainer.solvers.curvature import Curvature, newton_direction
from trainer.solvers.row_pass import Reading, RowPass, curved_rows
from trainer.table import Labels

#: Share of rows below which a class is drawn from apart: half of the sample is then of it, as far as there is.
RARE_SHARE = 0.2
#: Every so many blocks of rows show their curvature on the first reading of all rows, and are the second sample
#: where features are uncorrelated.
CURVED_BLOCKS = 8
#: Every so many blocks of rows are the second sample elsewhere.
NEARER_SHARE = 16
#: Rows of a sample that must decide about a feature.
LEAST_DECIDING = 10
#: Rows that are looked at together; more of them are a second sample in memory.
SHOWN_AT_ONCE = 256
#: Steps on the sample; from zero it takes three to nine.
MAX_STEPS = 12
#: A share of the mean loss that a step promises to gain, below which the next one goes by the same curvature.
SAME_CURVATURE = 0.07
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
    if not _has_rare_class(y):
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


def _has_rare_class(y: Labels) -> bool:
    ones = int(np.count_nonzero(y))
    return min(ones, len(y) - ones) < RARE_SHARE * len(y)


def shown(x: Floats) -> NDArray[np.bool_]:
    """(d,) whether rows ``x`` (n, d) show what a feature does: at least some of them decide about it.

    Of a feature that is 1 in five rows and 0 elsewhere, those five decide, however many rows there are: the
    participation ratio of the squares about the mean. A column of zeros has nothing to show.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite shows nothing; a reading will say so
        mean = x.mean(axis=0)
        summed, fourth = np.zeros(x.shape[1]), np.zeros(x.shape[1])
        for first in range(0, len(x), SHOWN_AT_ONCE):
            squares = x[first : first + SHOWN_AT_ONCE] - mean
            np.square(squares, out=squares)
            summed += squares.sum(axis=0)
            fourth += np.einsum("ij,ij->j", squares, squares)
        varies = np.sqrt(summed / len(x)) > CONSTANT_TOLERANCE * np.abs(mean)
        enough = (summed**2 >= LEAST_DECIDING * fourth) & np.isfinite(summed**2)
    found: NDArray[np.bool_] = (varies & enough) | ((summed == 0) & (mean == 0))
    return found


class SampleStart(NamedTuple):
    """Where a walk over all rows begins."""

    theta: Floats  #: (d + 1,)
    shows_all: bool  #: the sample shows what each feature does; then so does an eighth of the rows
    #: (d + 1, d + 1) the Hessian near theta, as of uncorrelated features; None: they are not, or it cannot be told
    uncorrelated: Floats | None


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
    theta, curved = _optimum(rows, np.zeros(problem.x.shape[1] + 1), WORTH_A_STEP / (2 * len(sample.y)))
    shows_all = bool(seen.all())
    uncorrelated = None
    # of a rare class other rows show less than the sample, and a column of zeros may have others there
    if shows_all and curved is not None and not _has_rare_class(problem.y) and sample.x.any(axis=0).all():
        spared_rows = curved_rows(len(problem.y), len(seen), CURVED_BLOCKS)
        uncorrelated = _if_uncorrelated(sample, rows, curved, spared_rows)
    return SampleStart(theta, shows_all, uncorrelated)


def _if_uncorrelated(sample: Problem, rows: RowPass, curved: Reading, spared_rows: int) -> Floats | None:
    """The Hessian of uncorrelated features, where it tells as much as the whole of ``spared_rows`` rows would."""
    whole = _without_own_penalty(curved.hessian, len(sample.y))
    if whole is None or not may_be_uncorrelated(whole, len(sample.y), spared_rows):
        return None
    asked = rows.at(curved.theta, every=1, uncorrelated=True)
    few = _without_own_penalty(asked.hessian, len(sample.y))
    if few is None or not tells_as_much(few, whole, sample, curved.theta, spared_rows):
        return None
    return few


def _without_own_penalty(hessian: Floats | None, count: int) -> Floats | None:
    """The Hessian of a sample of ``count`` rows, without the penalty of one row's weight."""
    if hessian is None:
        return None
    without = hessian.copy()
    without[np.diag_indices(len(without) - 1)] -= 1.0 / count
    return without


def _optimum(rows: RowPass, theta: Floats, worth: float) -> tuple[Floats, Reading | None]:
    """Where steps from ``theta`` (d + 1,) lead until one promises less than ``worth`` a parameter.

    And the last reading that had a Hessian: short steps go by the last one, as they correct it.
    """
    here, curved = rows.at(theta, every=1), None
    if not np.isfinite(here.objective):  # no row has any weight, or logits overflow
        return theta, None
    for _ in range(MAX_STEPS):
        if here.hessian is not None:
            curved, curvature = here, Curvature(here.hessian)
        step = curvature.direction(here.gradient)
        promised = -0.5 * float(here.gradient @ step)
        if promised < worth * len(theta):
            return here.theta + step, curved  # so near that the step needs no look
        there = rows.at(here.theta + step, every=0 if promised < SAME_CURVATURE * here.objective else 1)
        if not there.objective < here.objective:
            break
        curvature.learn(step, there.gradient - here.gradient)
        here = there
    return here.theta, curved


def nearer_start(problem: Problem, c: float, start: SampleStart) -> Floats:
    """(d + 1,) one Newton step from a ``start`` by some of the blocks of all rows.

    They show the gradient, and where features are correlated the Hessian, too.
    """
    known = start.uncorrelated
    rows = RowPass(problem, c, NEARER_SHARE if known is None else CURVED_BLOCKS)
    here = rows.at(start.theta, every=1 if known is None else 0)
    hessian = here.hessian if known is None else known
    if hessian is None or not np.isfinite(here.objective):
        return start.theta
    return start.theta + newton_direction(hessian, here.gradient)


def _spread(among: int, count: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """(count,) ascending places below ``among``, one at random in each of ``count`` equal parts."""
    parts = np.arange(count) + generator.random(count)
    return np.minimum((parts * (among / max(1, count))).astype(np.int64), among - 1)

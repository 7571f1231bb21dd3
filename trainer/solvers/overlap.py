"""Proofs of what becomes of a fit without a penalty: that the classes overlap, or that a plane separates them.

On the way to an infinite optimum the gradient vanishes too, so it alone proves nothing. Each proof takes one
pass over the rows, in memory or in blocks. Rows without weight have no say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from core.model import Floats, sigmoid
from trainer.loss import logits, margins
from trainer.solvers.objective import Block, Place
from trainer.solvers.separation import Separation
from trainer.solvers.spectrum import Spectrum

#: Margins of the separating direction, in shares of its largest one, below which a row lies on the plane: the
#: rounding of a null space, far below any plane that tells classes apart.
ON_PLANE = 1e-7
#: A direction of unit curvature that moves no row by more than this is nothing but rounding.
NO_MOVE = 1e-6
#: A direction that moves no row by more than this is none of a run, whose every step moves some row by 1.
SHORT_STEP = 1e-3
#: Largest (1 - q) m of a proof of overlap; in exact arithmetic anything below 1 is one.
OVERLAP_LIMIT = 0.5


def overlaps(blocks: Iterable[Block], here: Place) -> bool:
    """Whether the rows prove at ``here``, which may be far from it, that there is an optimum without a penalty.

    There is one if and only if positive weights l of the rows exist with sum l s x = 0, s being +1 or -1 by class
    and x with a one for the intercept (Stiemke's lemma). With q the probability of a row's other class, the
    gradient is -sum q s x, and the Newton direction d makes the sum vanish for l = q (1 - (1 - q) m), where
    m = s x d is what d adds to the row's margin. So (1 - q) m < 1 for all rows is a proof; a row that runs away
    has m = 1 at every step. What rounding may add to m counts too, and directions left out of d must move no row.
    """
    if not np.isfinite(here.hessian).all():
        return False
    spectrum = Spectrum.of(here.hessian)
    direction = spectrum.newton_direction(here.gradient)
    with np.errstate(over="ignore", invalid="ignore"):
        rounding = spectrum.rounding * float(np.linalg.norm(direction * spectrum.scale))
        for x, y, _ in _weighted(blocks):
            sizes = np.sqrt(((x / spectrum.scale[:-1]) ** 2).sum(axis=1) + spectrum.scale[-1] ** -2)
            moved = margins(logits(direction, x), y) + rounding * sizes
            grown = sigmoid(margins(logits(here.theta, x), y)) * moved
            flat = np.abs(x @ spectrum.flat[:-1] + spectrum.flat[-1])
            if not (grown.max(initial=0.0) <= OVERLAP_LIMIT and flat.max(initial=0.0) <= NO_MOVE):
                return False
    return True


def proved_separation(blocks: Iterable[Block], here: Place) -> Separation | None:
    """The separation whose direction shows at ``here``, a place far out on a Newton walk; None: none shows.

    There the run shows in the next step, along which the rows that run away move and the others stay, or in what
    the parameters have along directions that have become flat. Each is a proof where it puts no row on the wrong
    side.
    """
    if not np.isfinite(here.hessian).all():
        return None
    spectrum = Spectrum.of(here.hessian)
    directions = np.column_stack([spectrum.newton_direction(here.gradient), spectrum.flat_part(here.theta)])
    least, largest = _extreme_margins(blocks, directions)
    shown = np.isfinite(largest) & (largest > SHORT_STEP)
    proofs = np.flatnonzero(shown & (least >= -ON_PLANE * largest))
    if not len(proofs):
        return None
    complete = least[proofs] > ON_PLANE * largest[proofs]
    return Separation.along(directions[:, proofs[int(complete.argmax())]], complete=bool(complete.any()))


def _weighted(blocks: Iterable[Block]) -> Iterator[Block]:
    """The rows that have any weight."""
    for block in blocks:
        x, y, weights = block
        if weights is None or weights.all():
            yield block
        else:
            counted = weights > 0
            yield Block(x[counted], y[counted], weights[counted])


def _extreme_margins(blocks: Iterable[Block], directions: Floats) -> tuple[Floats, Floats]:
    """(k,) least and largest margin of a row along each of ``directions`` (d + 1, k)."""
    least, largest = np.full(directions.shape[1], np.inf), np.full(directions.shape[1], -np.inf)
    for x, y, _ in _weighted(blocks):
        with np.errstate(over="ignore", invalid="ignore"):
            side = np.where(y == 1, 1.0, -1.0)[:, None] * (x @ directions[:-1] + directions[-1])
        least = np.minimum(least, side.min(axis=0, initial=np.inf))
        largest = np.maximum(largest, side.max(axis=0, initial=-np.inf))
    return least, largest

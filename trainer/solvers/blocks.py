"""Newton's method for rows that do not fit in memory: the same optimum from passes over blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from core.model import Floats
from trainer.solvers.arrival import ArrivalWatch
from trainer.solvers.base import End
from trainer.solvers.class_weights import ClassWeights, balanced_by_sums, combined_weights
from trainer.solvers.moments import Moments, block_moments
from trainer.solvers.newton_walk import newton_step
from trainer.solvers.objective import Block, Objective
from trainer.solvers.separation import Separation
from trainer.solvers.start import better_start


@dataclass(frozen=True, eq=False)
class BlockSolution:
    """Where the passes arrived, on features standardised by ``moments``."""

    coefficients: Floats  #: (d,)
    intercept: float
    converged: bool  #: the gradient vanished at an optimum that exists
    gradient_norm: float
    objective: float
    steps: int
    end: End
    separation: Separation | None  #: of the classes; None with a penalty, or where there is none
    moments: Moments

    @property
    def theta(self) -> Floats:
        """(d + 1,) coefficients, then the intercept."""
        return np.append(self.coefficients, self.intercept)


def solve_blocks(
    blocks: Iterable[Block],
    *,
    c: float = 1.0,
    max_steps: int = 100,
    tolerance: float = 1e-10,
    start: Floats | None = None,
    balanced: bool = False,
) -> BlockSolution:
    """Standardise and solve; a pass for the moments, one for the start and one a step, as a rule seven in all.

    Memory is that of one block and of sums of (d + 1)^2 numbers. The optimum is that of
    :class:`trainer.solvers.newton.Newton` on all rows at once. Without a penalty, a pass more proves that there
    is one, and two passes that a plane separates the classes.

    Parameters
    ----------
    blocks
        Raw rows; an iterable that starts anew for each pass and gives the same rows each time.
    start
        (d + 1,) on the standardised features; None, or one that is worse than knowing nothing: zero.
    balanced
        Whether both classes are to count alike, as with :class:`trainer.solvers.balanced_classes.BalancedClasses`.

    Raises
    ------
    DataError
        No rows, rows of one class, values that are not finite or too large to standardise, or impossible weights.
    """
    moments = block_moments(blocks)
    class_weights = balanced_by_sums(moments.class_weights) if balanced else None
    objective = Objective(_Prepared(blocks, moments, class_weights), c)
    theta = better_start(start, np.zeros(len(moments.mean) + 1), objective.value)
    here = objective.at(theta)
    watch = ArrivalWatch(objective, tolerance)
    steps = 0
    end: End = "max_steps"
    while (reached := watch.at(here)) is None and steps < max_steps:
        step = newton_step(objective, here)
        if step is None:
            end = "standstill"
            break
        here = step
        steps += 1
    if end == "standstill" and theta.any():
        # a start so far out that the objective is flat to rounding; from zero there is a way
        return solve_blocks(blocks, c=c, max_steps=max_steps, tolerance=tolerance, balanced=balanced)
    reached = reached or watch.cut_short(here, end)
    end = end if reached is None else reached.end
    return BlockSolution(
        coefficients=here.theta[:-1],
        intercept=float(here.theta[-1]),
        converged=end == "gradient",
        gradient_norm=here.norm,
        objective=here.value,
        steps=steps,
        end=end,
        separation=None if reached is None else reached.separation,
        moments=moments,
    )


@dataclass(frozen=True, eq=False)
class _Prepared:
    """Blocks on the scale of their moments, with class weights; each iteration starts anew."""

    blocks: Iterable[Block]
    moments: Moments
    class_weights: ClassWeights | None

    def __iter__(self) -> Iterator[Block]:
        for x, y, weights in self.blocks:
            yield Block(self.moments.standardise(x), y, combined_weights(weights, self.class_weights, y))

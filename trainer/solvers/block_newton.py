"""Newton's method over blocks, as the solver that runs and cards name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from core.miniflow import Parameter
from core.model import Floats
from trainer.solvers.base import Problem, Solution, inverse_strength_param
from trainer.solvers.blocks import BlockSolution, solve_blocks
from trainer.solvers.newton import Newton
from trainer.solvers.objective import Block


@dataclass(frozen=True)
class BlockNewton:
    """Newton's method for rows that do not fit in memory; of rows that do, :class:`Newton` finds the same."""

    c: float = 1.0  #: inverse strength of L2, scikit-learn's convention; inf = none
    max_steps: int = 100
    tolerance: float = 1e-10  #: on the largest absolute component of the gradient

    @property
    def name(self) -> str:
        """Stands in parameters and model cards."""
        return "newton-in-blocks"

    @property
    def params(self) -> dict[str, Parameter]:
        """What defines the solver's behaviour."""
        return {"c": inverse_strength_param(self.c), "max_steps": self.max_steps, "tolerance": self.tolerance}

    @property
    def first_order(self) -> bool:
        """Whether it follows the gradient alone."""
        return False

    @property
    def stops_early(self) -> bool:
        """Whether the validation rows decide where it stops."""
        return False

    def solve(self, problem: Problem, seed: int, start: Floats | None = None) -> Solution:
        """Solve for rows in memory; see :class:`trainer.solvers.base.Solver`."""
        return Newton(c=self.c, max_steps=self.max_steps, tolerance=self.tolerance).solve(problem, seed, start)

    def solve_blocks(self, blocks: Iterable[Block], *, balanced: bool = False) -> BlockSolution:
        """Solve for rows in blocks; see :func:`trainer.solvers.blocks.solve_blocks`."""
        return solve_blocks(
            blocks, c=self.c, max_steps=self.max_steps, tolerance=self.tolerance, balanced=balanced
        )

"""Problems with a feature that few rows have: quasi-completely separated where all of them are of class 1."""

from __future__ import annotations

from typing import Literal

import numpy as np

from trainer.solvers.base import Problem
from trainer.solvers.objective import Block

#: What the few rows have: the same, an amount of any size, or the same at next to no weight.
Carrier = Literal["flag", "amount", "light"]
#: Weight of a light row.
LIGHT = 1e-5


def rare_rows(seed: int, carrier: Carrier, *, separated: bool) -> Problem:
    """30 to 199 rows whose classes overlap but for the last feature, of which up to five rows have any.

    Where they are not ``separated``, one row of class 0 has it too.
    """
    generator = np.random.default_rng(seed)
    n, d = int(generator.integers(30, 200)), int(generator.integers(1, 4))
    x = generator.normal(size=(n, d))
    y = (x[:, 0] + generator.logistic(size=n) > 0).astype(np.uint8)
    y[:2] = 0, 1
    few = np.flatnonzero(y == 1)[: int(generator.integers(1, 6))]
    if not separated:
        few = np.append(few, np.flatnonzero(y == 0)[0])
    rare = np.zeros(n)
    rare[few] = np.exp(generator.normal(0.0, 3.0, len(few))) if carrier == "amount" else 1.0
    z = np.column_stack([x, rare])
    weights = np.ones(n)
    weights[few] = LIGHT
    z = (z - z.mean(axis=0)) / z.std(axis=0)
    return Problem(z, y, weights=weights if carrier == "light" else None)


def in_blocks(problem: Problem, rows: int = 13) -> list[Block]:
    """The rows of a problem in blocks."""
    weights = problem.weights
    return [
        Block(problem.x[piece], problem.y[piece], None if weights is None else weights[piece])
        for piece in (slice(start, start + rows) for start in range(0, len(problem.y), rows))
    ]

"""The objective as Newton's method sees it: sums over blocks of rows, in memory or read anew for every pass."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from core.errors import DataError
from core.model import Floats
from trainer import loss
from trainer.loss import Derivatives
from trainer.solvers.base import Problem
from trainer.table import Labels

#: Values of a block in memory: it and what is computed of it stay in a core's cache.
BLOCK_VALUES = 65_536


class Block(NamedTuple):
    """Rows that are worked on at once."""

    x: Floats  #: (k, d)
    y: Labels  #: (k,)
    weights: Floats | None = None  #: (k,) how often each row counts; None: once


@dataclass(frozen=True, eq=False)
class Place:
    """The objective at parameters ``theta``, and what the same pass over the rows tells beside it."""

    theta: Floats  #: (d + 1,)
    value: float
    gradient: Floats  #: (d + 1,)
    hessian: Floats  #: (d + 1, d + 1)
    least_margin: float  #: of the rows of any weight; above 0 where the parameters separate the classes
    logit: Floats | None = None  #: (n,) of rows in memory

    @property
    def norm(self) -> float:
        """Largest absolute component of the gradient."""
        return float(np.abs(self.gradient).max())


@dataclass(frozen=True, eq=False)
class Objective:
    """The objective over blocks; each evaluation is one pass over them.

    ``blocks`` is iterated once an evaluation and gives the same rows each time: a list, or an object whose
    ``__iter__`` starts to read anew. A generator does not do.

    Raises
    ------
    DataError
        No rows at all, or no weight at all.
    """

    blocks: Iterable[Block]
    c: float  #: inverse strength of L2
    keeps_logits: bool = False  #: whether a place has the logits of all rows

    def at(self, theta: Floats) -> Place:
        """What one pass tells at ``theta`` (d + 1,); not finite, without a warning, where logits overflow."""
        width = len(theta)
        sums = Derivatives(0.0, np.zeros(width), np.zeros((width, width)))
        total, least = 0.0, np.inf
        kept: list[Floats] = []
        for x, y, weights in self.blocks:
            logit = loss.logits(theta, x)
            sums += loss.row_sums(logit, x, y, weights)
            total += loss.total_weight(y, weights)
            margin = loss.margins(logit, y)
            least = float((margin if weights is None else margin[weights > 0]).min(initial=least))
            if self.keeps_logits:
                kept.append(logit)
        found = loss.penalised(sums, theta, self.c, _checked(total))
        logits = np.concatenate(kept) if kept else None
        return Place(theta, found.value, found.gradient, found.hessian, least, logits)

    def value(self, theta: Floats) -> float:
        """Its value alone."""
        summed, total = 0.0, 0.0
        for x, y, weights in self.blocks:
            summed += loss.summed_loss(loss.logits(theta, x), y, weights)
            total += loss.total_weight(y, weights)
        return summed / _checked(total) + loss.penalty(theta, self.c, total)


def in_memory(problem: Problem, c: float) -> Objective:
    """The objective of a problem, over pieces of its rows."""
    n, d = problem.x.shape
    rows = max(256, BLOCK_VALUES // max(1, d))
    weights = problem.fit_weights
    pieces = [slice(start, start + rows) for start in range(0, n, rows)]
    return Objective(
        [
            Block(problem.x[piece], problem.y[piece], None if weights is None else weights[piece])
            for piece in pieces
        ],
        c,
        keeps_logits=True,
    )


def _checked(total: float) -> float:
    if not total > 0:
        raise DataError("the blocks hold no rows of any weight on this pass; give an iterable that starts anew")
    return total

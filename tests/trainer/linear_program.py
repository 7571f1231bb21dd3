"""Linear programming as the oracle of separation."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog

from core.model import Floats
from trainer.table import Labels


def separation_by_programming(x: Floats, y: Labels) -> str | None:
    """The kind of separation by a linear program (Konis 2007, thesis, Oxford).

    Of all directions whose margins are within 0 and 1 the one with the largest sum; and one with margins of 1.
    """
    signed = np.column_stack([x, np.ones(len(y))]) * np.where(y == 1, 1.0, -1.0)[:, None]
    free = [(None, None)] * signed.shape[1]
    if linprog(np.zeros(signed.shape[1]), A_ub=-signed, b_ub=-np.ones(len(y)), bounds=free).status == 0:
        return "complete"
    both = np.concatenate([-signed, signed])
    limits = np.concatenate([np.zeros(len(y)), np.ones(len(y))])
    best = linprog(-signed.sum(axis=0), A_ub=both, b_ub=limits, bounds=free)
    assert best.status == 0
    return "quasi-complete" if -best.fun > 1e-6 else None

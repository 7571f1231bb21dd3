"""Where a solver starts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from core.errors import DataError
from core.model import Floats


def better_start(start: Floats | None, cold: Floats, value: Callable[[Floats], float]) -> Floats:
    """``start`` (d + 1,), or ``cold`` where none is given or the objective ``value`` is above that of zero there.

    A start that is worse than knowing nothing has nothing to give, and may be so far out that every curvature
    there is zero: that of a model whose feature has changed its unit, for example.

    Raises
    ------
    DataError
        A start of another shape than ``cold``.
    """
    if start is None:
        return cold
    if start.shape != cold.shape:
        raise DataError(f"a start of shape {start.shape} does not fit; pass {len(cold)} parameters")
    if not np.isfinite(start).all():
        return cold
    reached = value(start)
    return start if np.isfinite(reached) and reached <= value(np.zeros_like(cold)) else cold


def check_start(value: float, gradient: Floats) -> None:
    """Raises DataError where the objective at a start has no finite value and slopes: some row is not finite."""
    if not (np.isfinite(value) and np.isfinite(gradient).all()):
        raise DataError("the loss is no number before the first step; pass rows whose values are all finite")

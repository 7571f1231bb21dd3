"""Percentiles of samples: the value that a share of them does not exceed."""

from __future__ import annotations

import math
from collections.abc import Sequence


def percentile(samples: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile, always one of the samples.

    Raises
    ------
    ValueError
        No samples, or a percent outside 0 to 100.

    >>> percentile([4.0, 1.0, 3.0, 2.0], 50)
    2.0
    """
    if not samples or not 0 <= percent <= 100:
        raise ValueError(f"percentile {percent} of {len(samples)} samples; give 0 to 100 of at least one")
    rank = max(1, math.ceil(len(samples) * percent / 100))
    return sorted(samples)[rank - 1]

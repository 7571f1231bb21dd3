"""How the learning rate falls over the passes of stochastic gradient descent."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

Schedule = Literal["constant", "inverse", "cosine"]

#: An inverse schedule has halved its rate after this share of the passes.
HALVED_AT = 0.05


def rate_share(schedule: Schedule, done: float) -> float:
    """Share of the first rate that is left when the share ``done`` (0 to 1) of the passes is over.

    ``constant`` never arrives: it ends in a cloud around the optimum as wide as the rate. ``inverse`` falls as 1/t
    (Robbins and Monro 1951, Annals of Mathematical Statistics 22:400) and arrives, slowly. ``cosine`` goes to 0 at
    the last pass (Loshchilov and Hutter 2017, SGDR).

    >>> [round(rate_share("cosine", done), 3) for done in (0.0, 0.5, 1.0)]
    [1.0, 0.5, 0.0]
    """
    return _SHARES[schedule](done)


_SHARES: dict[Schedule, Callable[[float], float]] = {
    "constant": lambda done: 1.0,  # noqa: ARG005  (it does not fall)
    "inverse": lambda done: 1.0 / (1.0 + done / HALVED_AT),
    "cosine": lambda done: 0.5 * (1.0 + math.cos(math.pi * done)),
}

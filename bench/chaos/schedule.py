"""Which faults come when: decided by the seed alone."""

from __future__ import annotations

import random
from typing import NamedTuple

#: Kinds of faults with their weights.
KINDS = {
    "kill scorer": 24,
    "kill monitor": 10,
    "kill trainer": 6,
    "kill producer": 8,
    "term scorer": 8,
    "term monitor": 4,
    "term trainer": 3,
    "term producer": 4,
    "pause scorer": 10,
    "pause scorer beyond takeover": 10,
    "pause monitor": 4,
    "pause trainer": 2,
    "pause producer": 3,
    "scale to 4": 12,
    "second monitor": 6,
    "kill server": 5,
    "flush scripts": 6,
    "cut connections": 5,
    "tear reply": 12,
    "tear reply to producer": 8,
    "destroy group scorers": 6,
    "destroy group monitors": 4,
    "garbage records": 16,
    "garbage entries": 12,
    "garbage in hash": 12,
    "wrong type": 10,
    "exhausted stream": 6,
}


class Fault(NamedTuple):
    """One fault of a schedule."""

    number: int
    kind: str
    choice: float  #: which of the possible targets, 0 to 1
    gap_s: float  #: pause before it
    length_s: float  #: how long what lasts lasts, as a share of its usual length


def plan(seed: int, count: int, gap_s: float) -> list[Fault]:
    """``count`` faults with pauses of ``gap_s`` on average; every kind once before any comes again."""
    dice = random.Random(seed)  # noqa: S311  (repeatable, no secret)
    names = list(KINDS)
    dice.shuffle(names)
    weights = list(KINDS.values())
    kinds = names[:count] + dice.choices(list(KINDS), weights, k=max(0, count - len(names)))
    dice.shuffle(kinds)
    return [
        Fault(number, kind, dice.random(), gap_s * dice.uniform(0.2, 1.8), dice.uniform(0.5, 1.5))
        for number, kind in enumerate(kinds, start=1)
    ]

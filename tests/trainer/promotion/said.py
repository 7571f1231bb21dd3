"""Duels of made-up rows, for the tests of what is decided on them."""

from __future__ import annotations

import numpy as np

from core.model import Floats, sigmoid
from trainer.metrics.bootstrap import Bootstrap
from trainer.promotion.duel import Duel, compare
from trainer.promotion.guardrail import Side
from trainer.table import Labels

QUICK = Bootstrap(replicates=300, method="percentile")


def draw(n: int, seed: int = 0) -> tuple[Labels, Floats]:
    """Outcomes, and the logits that drew them."""
    generator = np.random.default_rng(seed)
    logit = generator.normal(scale=2.0, size=n)
    return (generator.random(n) < sigmoid(logit)).astype(np.uint8), logit


def noisy(logit: Floats, by: float, seed: int = 1) -> Floats:
    """Logits of a worse model."""
    found: Floats = logit + by * np.random.default_rng(seed).normal(size=len(logit))
    return found


def duel_of(
    y: Labels,
    candidate: Floats,
    production: Floats,
    *,
    thresholds: tuple[float, float] = (0.5, 0.5),
    weights: Floats | None = None,
    after_drift: bool = False,
) -> Duel:
    """Of the logits of both."""
    return compare(
        y,
        Side(sigmoid(candidate), thresholds[0]),
        Side(sigmoid(production), thresholds[1]),
        weights=weights,
        bootstrap=QUICK,
        after_drift=after_drift,
        intervals=False,
    )

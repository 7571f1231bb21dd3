"""Seeds: what is drawn for which purpose, so that every watcher meets the same references and streams."""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What a generator is for; its number is the second entry of the seed."""

    REFERENCE = 1
    IN_CONTROL = 2
    DELAY = 3
    PEER = 4  #: what a peer draws itself
    LABEL = 5
    SPEED = 6


def seed_for(seed: int, purpose: Purpose, *numbers: int) -> tuple[int, ...]:
    """The seed of one stream: (the run's seed, the purpose, the reference's number, ...)."""
    return (seed, int(purpose), *numbers)


def generator_for(seed: int, purpose: Purpose, *numbers: int) -> np.random.Generator:
    """A generator with that seed."""
    return np.random.default_rng(seed_for(seed, purpose, *numbers))

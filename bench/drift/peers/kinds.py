"""The peers by name: how each is built from a reference, and the knob that sets how often it alarms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from bench.drift.peers.always_fire import AlwaysFire
from bench.drift.peers.river_detectors import adwin, page_hinkley
from bench.drift.peers.window_test import kolmogorov_smirnov, mean_abs_z
from bench.drift.run_length import Watcher
from core.model import Floats

#: (reference (N, d), the knob's value, generator of what the peer itself draws).
Build = Callable[[Floats, float, np.random.Generator], Watcher]


@dataclass(frozen=True)
class Peer:
    """One peer; ``quiet`` and ``loud`` are the ends of its knob's range with the fewest and the most alarms.

    Variants of a family differ in what is not tuned; each is a peer of its own.
    """

    family: str
    variant: str  #: empty where there is but one
    knob: str
    quiet: float
    loud: float
    build: Build
    packages: tuple[str, ...] = ()  #: what it needs of the peers' environment; none: it runs in ours

    @property
    def name(self) -> str:
        """Of family and variant."""
        return f"{self.family}, {self.variant}" if self.variant else self.family

    @property
    def fixed(self) -> bool:
        """Whether the knob has one value, as people use it."""
        return self.quiet == self.loud


def _adwin(reference: Floats, knob: float, _: np.random.Generator, *, clock: int, primed: bool) -> Watcher:
    return adwin(reference, knob, clock=clock, primed=primed)


def _page_hinkley(
    reference: Floats, knob: float, _: np.random.Generator, *, delta: float, primed: bool
) -> Watcher:
    return page_hinkley(reference, knob, delta=delta, primed=primed)


def _kolmogorov_smirnov(reference: Floats, knob: float, _: np.random.Generator, *, window: int) -> Watcher:
    return kolmogorov_smirnov(reference, window, knob)


def _mean_abs_z(reference: Floats, knob: float, _: np.random.Generator, *, window: int) -> Watcher:
    return mean_abs_z(reference, window, knob)


def _always_fire(_: Floats, knob: float, generator: np.random.Generator) -> Watcher:
    return AlwaysFire(knob, generator)


#: In the order of the table. A knob's range is wide enough that its ends alarm far too seldom and far too often.
PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (
        *(
            Peer(
                "ADWIN",
                f"clock {clock}",
                "delta",
                1e-9,
                1.0,
                partial(_adwin, clock=clock, primed=True),
                ("river",),
            )
            for clock in (32, 1)
        ),
        *(
            Peer(
                "Page-Hinkley",
                f"delta {delta:g}",
                "threshold",
                1e4,
                1.0,
                partial(_page_hinkley, delta=delta, primed=True),
                ("river",),
            )
            for delta in (0.005, 0.1, 0.25)
        ),
        *(
            Peer("KS", f"n = {window}", "alpha", 1e-9, 1.0, partial(_kolmogorov_smirnov, window=window))
            for window in (100, 500)
        ),
        *(
            Peer("mean |z|", f"n = {window}", "threshold", 10.0, 0.01, partial(_mean_abs_z, window=window))
            for window in (100, 500)
        ),
        Peer("mean |z|", "n = 100, > .5", "threshold", 0.5, 0.5, partial(_mean_abs_z, window=100)),
        Peer("always fire", "", "records", 1e6, 1e2, _always_fire),
    )
}

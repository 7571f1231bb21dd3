"""One case: everyone's time in turns, the gradient where each arrived, and memory."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from bench.train.cases import Case
from bench.train.fitters import FITTERS, OURS, TOLERANCE, Fit, largest_gradient
from bench.train.peak import peak_mib
from core.model import Floats
from trainer.table import Labels


@dataclass(frozen=True)
class Measured:
    """What one fitter needed for one case."""

    best_s: float
    median_s: float
    steps: int
    gradient: float
    peak_mib: float | None

    @property
    def arrived(self) -> bool:
        """Whether the gradient is within the tolerance."""
        return self.gradient <= TOLERANCE


@dataclass(frozen=True)
class CaseResult:
    """A case and what everyone needed for it."""

    case: Case
    fitters: dict[str, Measured]

    @property
    def ours(self) -> Measured:
        """Our own."""
        return self.fitters[OURS]

    @property
    def peers(self) -> dict[str, Measured]:
        """All others."""
        return {name: measured for name, measured in self.fitters.items() if name != OURS}

    @property
    def fastest(self) -> str | None:
        """The peer with the shortest time of those that arrived; None where none did."""
        arrived = {name: measured.best_s for name, measured in self.peers.items() if measured.arrived}
        return min(arrived, key=lambda name: arrived[name], default=None)


def measure_case(case: Case, seed: int, repeats: int, folder: Path, say: Callable[[str], None]) -> CaseResult:
    """Time everyone ``repeats`` times in turns; the best counts, the median tells how noisy it was."""
    say(f"{case.name}: drawing")
    x, y = case.draw(seed)
    taken: dict[str, list[float]] = {name: [] for name in FITTERS}
    found: dict[str, Fit] = {}
    for repeat in range(repeats):
        say(f"{case.name}: round {repeat + 1} of {repeats}")
        for name in FITTERS:
            seconds, found[name] = _timed(name, x, y)
            taken[name].append(seconds)
    gradients = {name: largest_gradient(fit.theta, x, y) for name, fit in found.items()}
    rows, labels = folder / "rows.npy", folder / "labels.npy"
    np.save(rows, x)
    np.save(labels, y)
    del x
    peaks = {}
    for name in FITTERS:
        say(f"{case.name}: memory of {name}")
        peaks[name] = peak_mib(name, rows, labels)
    return CaseResult(
        case,
        {
            name: Measured(min(times), median(times), found[name].steps, gradients[name], peaks[name])
            for name, times in taken.items()
        },
    )


def _timed(name: str, x: Floats, y: Labels) -> tuple[float, Fit]:
    gc.collect()
    begin_s = time.perf_counter()
    fit = FITTERS[name](x, y)
    return time.perf_counter() - begin_s, fit

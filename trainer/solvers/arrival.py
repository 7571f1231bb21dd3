"""When a Newton walk is over: at an optimum, or where it is proved that there is none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainer.solvers.base import End
from trainer.solvers.objective import Objective, Place
from trainer.solvers.overlap import overlaps, proved_separation
from trainer.solvers.separation import Separation
from trainer.solvers.spectrum import Spectrum

#: A step that gains less than this share of the objective is at an end, whatever the gradient says.
NO_GAIN = 1e-12
#: Curvatures that differ by more than this are those of a run, or of features that tell nearly the same. A run
#: shows best before the least of them is lost in rounding, at 1e-12.
STRETCHED = 1e7


@dataclass(frozen=True, eq=False)
class Arrival:
    """Why a walk is over."""

    end: End
    separation: Separation | None = None


class ArrivalWatch:
    """Asks of each place of one walk whether it is the last; with a penalty the gradient alone says so."""

    def __init__(self, objective: Objective, tolerance: float) -> None:
        self._objective = objective
        self._tolerance = tolerance
        self._is_free = bool(np.isinf(objective.c))
        self._seen: Separation | None = None

    def at(self, here: Place) -> Arrival | None:
        """What ends the walk; None: it goes on, also where the gradient vanishes on an endless way.

        A separation that shows before the end is kept until then: the walk may yet come to a plane that separates
        completely.
        """
        vanished = here.norm <= self._tolerance
        if not self._is_free:
            return Arrival("gradient") if vanished else None
        if here.least_margin > 0:
            return Arrival("separated", Separation.along(here.theta, complete=True))
        if vanished and overlaps(self._objective.blocks, here):
            return Arrival("gradient")
        stretched, flat = _shape(here)
        over = vanished or flat
        if over or stretched:
            self._seen = proved_separation(self._objective.blocks, here) or self._seen
        return Arrival("separated", self._seen) if over and self._seen is not None else None

    def cut_short(self, here: Place, end: End) -> Arrival | None:
        """What is known where a walk ends at ``here`` for another reason, without a penalty; None: nothing."""
        if not self._is_free:
            return None
        seen = proved_separation(self._objective.blocks, here) or self._seen
        return None if seen is None else Arrival(end, seen)


def _shape(here: Place) -> tuple[bool, bool]:
    """Whether curvatures differ by much, and whether a step gains nothing because some have become flat."""
    if not np.isfinite(here.hessian).all():
        return False, False
    spectrum = Spectrum.of(here.hessian)
    gain = -float(here.gradient @ spectrum.newton_direction(here.gradient))
    stretched = bool(len(spectrum.sizes)) and spectrum.sizes.max() > STRETCHED * spectrum.sizes.min()
    return bool(stretched), bool(spectrum.flat.size) and gain <= NO_GAIN * here.value

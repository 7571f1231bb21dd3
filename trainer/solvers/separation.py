"""A plane that separates the classes, so that without a penalty no weights are best.

Complete: every row lies strictly on its class's side. Quasi-complete: none lies on the wrong side, some on the
plane itself. In both the loss falls along a direction without end, and where neither is so there is an optimum
(Albert and Anderson 1984, Biometrika 71:1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.model import Floats


@dataclass(frozen=True, eq=False)
class Separation:
    """A plane that separates the classes."""

    complete: bool  #: no row lies on it
    direction: Floats  #: (d + 1,) along which the loss falls for ever; its largest weight is 1 or -1

    @classmethod
    def along(cls, direction: Floats, *, complete: bool) -> Separation:
        """That of a direction (d + 1,) of any length."""
        largest = float(np.abs(direction[:-1]).max(initial=0.0))
        return cls(complete, direction / largest if largest else direction)

    @property
    def kind(self) -> str:
        """``complete`` or ``quasi-complete``."""
        return "complete" if self.complete else "quasi-complete"

    def carriers(self, share: float = 0.05) -> list[int]:
        """Numbers of the features whose weights run away, the strongest first."""
        strength = np.abs(self.direction[:-1])
        order = np.argsort(-strength, kind="stable")
        return [int(index) for index in order if strength[index] >= share * strength.max() > 0]

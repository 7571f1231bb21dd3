"""Peers of river: one detector a feature, which alarm together as soon as one does.

river is installed in the peers' environment only. Its detectors learn from the stream what is usual. Two things
help them here: features are standardised by the reference, because Page-Hinkley's settings have the unit of the
data, and a start feeds them the reference first, so that they know as much as a detector with a reference does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from core.model import Floats


class PerFeature:
    """One detector a feature, fed record by record."""

    def __init__(self, name: str, reference: Floats, make: Callable[[], Any], *, primed: bool = True) -> None:
        self.name = name
        self._center, self._scale = reference.mean(axis=0), reference.std(axis=0)
        self._make = make
        self._first_rows = self._standardised(reference) if primed else []
        self._detectors: list[Any] = []
        self.restart()

    def restart(self) -> None:
        """New detectors that have seen the reference; what they say of it does not count."""
        self._detectors = [self._make() for _ in self._center]
        for row in self._first_rows:
            for detector, value in zip(self._detectors, row, strict=True):
                detector.update(value)

    def feed(self, x: Floats) -> int | None:
        """Watch (n, d) raw rows; the index of the first alarm."""
        detectors = self._detectors
        for index, row in enumerate(self._standardised(x)):
            drifted = False
            for detector, value in zip(detectors, row, strict=True):
                detector.update(value)
                drifted = drifted or detector.drift_detected
            if drifted:
                return index
        return None

    def _standardised(self, x: Floats) -> list[list[float]]:
        rows: list[list[float]] = ((x - self._center) / self._scale).tolist()
        return rows


def adwin(reference: Floats, delta: float, *, clock: int = 32, primed: bool = True) -> PerFeature:
    """ADWIN a feature; ``clock``: records between two checks, 32 by default."""
    from river.drift import ADWIN  # type: ignore[import-not-found]  # noqa: PLC0415  (in the peers' environment only)

    return PerFeature("ADWIN a feature", reference, lambda: ADWIN(delta=delta, clock=clock), primed=primed)


def page_hinkley(reference: Floats, threshold: float, *, delta: float = 0.005, primed: bool = True) -> PerFeature:
    """Page-Hinkley a feature, two-sided; ``delta``: the change that is let pass, .005 by default."""
    from river.drift import PageHinkley  # noqa: PLC0415  (as above)

    return PerFeature(
        "Page-Hinkley a feature", reference, lambda: PageHinkley(delta=delta, threshold=threshold), primed=primed
    )

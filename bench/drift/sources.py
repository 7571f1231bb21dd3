"""Endless streams of raw rows, each drawn by a generator of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from core.model import Floats

Classes = NDArray[np.bool_]

#: An autoregressive term below this no longer changes a float64 sum.
_NEGLIGIBLE = 1e-17


class Source(Protocol):
    """A stream that never ends."""

    def take(self, count: int) -> Floats:
        """The next (count, d) rows.

        The same calls in the same order give the same rows; other counts may give others.
        """
        ...


@dataclass(frozen=True, eq=False)
class RowSource:
    """Rows drawn with replacement from a table."""

    rows: Floats  #: (n, d)
    classes: Classes | None  #: (n,) whether a row is of the second class
    generator: np.random.Generator
    share: float | None = None  #: of rows of the second class; None: as in the table
    independent: bool = False  #: each feature from a row of its own: same marginals, no correlation

    def take(self, count: int) -> Floats:
        """The next (count, d) rows."""
        if self.independent:
            numbers = self.generator.integers(len(self.rows), size=(count, self.rows.shape[1]))
            return np.take_along_axis(self.rows, numbers, axis=0)
        return self.rows[self._numbers(count)]

    def take_labelled(self, count: int) -> tuple[Floats, Classes]:
        """The next (count, d) rows with their (count,) classes."""
        numbers = self._numbers(count)
        return self.rows[numbers], self._known_classes()[numbers]

    def _numbers(self, count: int) -> NDArray[np.int64]:
        if self.share is None:
            return self.generator.integers(len(self.rows), size=count)
        second = self._known_classes()
        chosen = self.generator.random(count) < self.share
        numbers = self.generator.choice(np.flatnonzero(~second), size=count)
        numbers[chosen] = self.generator.choice(np.flatnonzero(second), size=int(chosen.sum()))
        return numbers

    def _known_classes(self) -> Classes:
        if self.classes is None:
            raise ValueError("these rows have no classes; draw from a table with labels")
        return self.classes


@dataclass(frozen=True, eq=False)
class GaussianSource:
    """Standard normal features, each pair with the same correlation r: sqrt(r) g + sqrt(1 - r) e."""

    width: int
    correlation: float
    generator: np.random.Generator

    def take(self, count: int) -> Floats:
        """The next (count, width) rows."""
        own = self.generator.standard_normal((count, self.width))
        if not self.correlation:
            return own
        common = self.generator.standard_normal((count, 1))
        rows: Floats = np.sqrt(1.0 - self.correlation) * own + np.sqrt(self.correlation) * common
        return rows


class AutoregressiveSource:
    """Independent features, each x_t = r x_(t-1) + sqrt(1 - r^2) e_t: standard normal, with autocorrelation r."""

    def __init__(self, width: int, r: float, generator: np.random.Generator) -> None:
        self._r = r
        self._generator = generator
        self._last = generator.standard_normal(width)

    def take(self, count: int) -> Floats:
        """The next (count, width) rows.

        The filter 1 / (1 - rL) is the product of 1 + r^k L^k over k = 1, 2, 4, ...: a few passes over the block.
        """
        rows: Floats = np.sqrt(1.0 - self._r**2) * self._generator.standard_normal((count, len(self._last)))
        lag = 1
        while lag < count and self._r**lag > _NEGLIGIBLE:
            rows[lag:] += self._r**lag * rows[:-lag].copy()
            lag *= 2
        rows += self._r ** np.arange(1, count + 1)[:, None] * self._last
        self._last = rows[-1].copy()
        return rows

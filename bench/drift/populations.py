"""What references and streams are drawn from.

How one resamples decides the result, so there are two modes. *Estimated*: the reference is drawn from the
population, the stream too. *Known truth*: the population is the reference itself, whose rows the stream draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bench.drift.sources import AutoregressiveSource, Classes, GaussianSource, RowSource, Source
from core.model import Floats

#: Rows of a reference: the 80 % of Raisin's 900 that a model is trained on.
REFERENCE_ROWS = 720
#: Rows of an ordered reference: r estimated from 720 rows halves the run length at r = .9, from 20,000 not.
ORDERED_REFERENCE_ROWS = 20_000


class Population(Protocol):
    """A distribution of rows."""

    @property
    def name(self) -> str:
        """As tables show it."""
        ...

    @property
    def features(self) -> tuple[str, ...]:
        """Names of its d features."""
        ...

    @property
    def mean(self) -> Floats:
        """(d,) means."""
        ...

    @property
    def deviations(self) -> Floats:
        """(d,) standard deviations."""
        ...

    def source(self, generator: np.random.Generator) -> Source:
        """A stream from it."""
        ...


@dataclass(frozen=True, eq=False)
class RowPopulation:
    """A table whose rows are drawn with replacement."""

    name: str
    features: tuple[str, ...]
    rows: Floats  #: (n, d)
    classes: Classes | None = None  #: (n,) whether a row is of the second class, where that is known

    @property
    def mean(self) -> Floats:
        """(d,) means of the rows."""
        mean: Floats = self.rows.mean(axis=0)
        return mean

    @property
    def deviations(self) -> Floats:
        """(d,) standard deviations of the rows, divisor n."""
        deviations: Floats = self.rows.std(axis=0)
        return deviations

    def source(self, generator: np.random.Generator) -> RowSource:
        """A stream from it."""
        return RowSource(self.rows, self.classes, generator)


@dataclass(frozen=True)
class GaussianPopulation:
    """Standard normal features, each pair with the same correlation."""

    width: int
    correlation: float

    @property
    def name(self) -> str:
        """As tables show it."""
        kind = f"correlation {self.correlation:g}" if self.correlation else "independent"
        return f"Gaussian {kind}, {self.width} features"

    @property
    def features(self) -> tuple[str, ...]:
        """``feature_0`` and so on."""
        return _numbered(self.width)

    @property
    def mean(self) -> Floats:
        """(width,) zeros."""
        return np.zeros(self.width)

    @property
    def deviations(self) -> Floats:
        """(width,) ones."""
        return np.ones(self.width)

    def source(self, generator: np.random.Generator) -> GaussianSource:
        """A stream from it."""
        return GaussianSource(self.width, self.correlation, generator)


@dataclass(frozen=True)
class AutoregressivePopulation:
    """Standard normal features, independent of each other, each with autocorrelation r^k at lag k."""

    width: int
    r: float

    @property
    def name(self) -> str:
        """As tables show it."""
        return f"AR(1) r = {self.r:g}, {self.width} features"

    @property
    def features(self) -> tuple[str, ...]:
        """``feature_0`` and so on."""
        return _numbered(self.width)

    @property
    def mean(self) -> Floats:
        """(width,) zeros."""
        return np.zeros(self.width)

    @property
    def deviations(self) -> Floats:
        """(width,) ones."""
        return np.ones(self.width)

    def source(self, generator: np.random.Generator) -> AutoregressiveSource:
        """A stream from it."""
        return AutoregressiveSource(self.width, self.r, generator)


def draw_reference(
    population: Population, generator: np.random.Generator, rows: int = REFERENCE_ROWS
) -> RowPopulation:
    """A reference of so many rows (with their classes where the population has them), in stream order.

    As a population it is the known truth of a stream drawn from these very rows.
    """
    name = f"{population.name}, its reference"
    source = population.source(generator)
    if isinstance(source, RowSource) and source.classes is not None:
        x, classes = source.take_labelled(rows)
        return RowPopulation(name, population.features, x, classes)
    return RowPopulation(name, population.features, source.take(rows))


def _numbered(width: int) -> tuple[str, ...]:
    return tuple(f"feature_{number}" for number in range(width))

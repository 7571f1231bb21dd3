"""Changes of a population, as a detector meets them: applied to the rows from the change on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from bench.drift.populations import GaussianPopulation, Population, RowPopulation
from bench.drift.sources import GaussianSource, RowSource, Source
from core.model import Floats

#: What a camera that stands 5 % nearer does: to lengths the factor, to areas its square, to ratios nothing.
_CAMERA_FACTOR = 1.05
_LENGTHS = ("MajorAxisLength", "MinorAxisLength", "Perimeter")
_AREAS = ("Area", "ConvexArea")
#: Factor on the standard deviations in a change of the variance alone.
_SPREAD_FACTOR = 1.5
#: Correlation of each pair of features in a correlated Gaussian population.
CORRELATED = 0.9


class Transform(Protocol):
    """What happens to a stream."""

    def after(self, source: Source) -> Source:
        """The stream from now on; it goes on with the same generator."""
        ...


@dataclass(frozen=True, eq=False)
class Change:
    """A transform with its name; the changes of a kind differ in their direction alone."""

    name: str
    kind: str
    transform: Transform


@dataclass(frozen=True, eq=False)
class Shift:
    """Each feature moves by its offset, at once or in a straight line over so many records."""

    offsets: Floats  #: (d,)
    ramp_records: int = 0

    def after(self, source: Source) -> Source:
        """The stream, shifted."""
        return _Shifted(source, self)


@dataclass(frozen=True, eq=False)
class Scaling:
    """Each feature becomes center + factor (x - center)."""

    center: Floats  #: (d,)
    factors: Floats  #: (d,)

    def after(self, source: Source) -> Source:
        """The stream, scaled."""
        return _Scaled(source, self)


@dataclass(frozen=True)
class ClassShare:
    """The second class gets another share of the rows."""

    share: float

    def after(self, source: Source) -> Source:
        """The stream with that share."""
        return replace(_row_source(source), share=self.share)


@dataclass(frozen=True)
class Uncorrelated:
    """Features are drawn independently of each other: the marginals stay and the correlation goes."""

    def after(self, source: Source) -> Source:
        """The stream without correlation."""
        return replace(_row_source(source), independent=True)


@dataclass(frozen=True)
class Correlated:
    """A Gaussian stream gets another correlation."""

    correlation: float

    def after(self, source: Source) -> Source:
        """The stream with that correlation."""
        if not isinstance(source, GaussianSource):
            raise TypeError(f"a {type(source).__name__} cannot be given a correlation; use a Gaussian population")
        return replace(source, correlation=self.correlation)


class _Shifted:
    def __init__(self, source: Source, shift: Shift) -> None:
        self._source, self._shift = source, shift
        self._seen = 0

    def take(self, count: int) -> Floats:
        rows = self._source.take(count)
        first, self._seen = self._seen + 1, self._seen + count
        ramp = self._shift.ramp_records
        if not ramp or first > ramp:
            return rows + self._shift.offsets
        shares: Floats = np.minimum(1.0, np.arange(first, first + count) / ramp)[:, None]
        return rows + shares * self._shift.offsets


class _Scaled:
    def __init__(self, source: Source, scaling: Scaling) -> None:
        self._source, self._scaling = source, scaling

    def take(self, count: int) -> Floats:
        center = self._scaling.center
        return center + self._scaling.factors * (self._source.take(count) - center)


def mean_changes(population: Population) -> list[Change]:
    """Changes that move means: shifts and ramps in both directions; for Raisin camera drift and class shares."""
    found: list[Change] = []
    for size, ramp in ((0.5, 0), (0.25, 0), (0.5, 200), (0.5, 1000)):
        found += _both_signs(population, population.features, "all features", size, ramp)
    if "Extent" not in population.features:
        first = population.features[:1]
        for size in (1.0, 0.5, 0.25):
            found += _both_signs(population, first, "one feature", size)
        return found
    for names, size in (
        (("Extent",), 0.5),
        (("Area",), 0.25),
        (("MajorAxisLength", "Perimeter"), 0.5),
        (("Eccentricity",), 1.0),
    ):
        found += _both_signs(population, names, " and ".join(names), size)
    found += _camera_changes(population)
    if isinstance(population, RowPopulation) and population.classes is not None:
        found += [
            Change(f"class share 50 % -> {100 * share:.0f} %", f"class share by {abs(100 * share - 50):.0f} %", to)
            for share in (0.7, 0.3, 0.9, 0.1)
            for to in (ClassShare(share),)
        ]
    return found


def shape_changes(population: Population) -> list[Change]:
    """Changes that leave every mean alone: of the variance, and of the correlation where there is one."""
    features = population.features
    one = "Extent" if "Extent" in features else features[0]
    found = []
    for names, what in ((features, "all features"), ((one,), one)):
        factors = np.where(np.isin(features, names), _SPREAD_FACTOR, 1.0)
        name = f"{what}: sd x{_SPREAD_FACTOR}, mean equal"
        found.append(Change(name, name, Scaling(population.mean, factors)))
    if isinstance(population, GaussianPopulation):
        to = 0.0 if population.correlation else CORRELATED
        name = f"correlation {population.correlation:g} -> {to:g}, marginals equal"
        found.append(Change(name, name, Correlated(to)))
    elif isinstance(population, RowPopulation):
        name = "features permuted, marginals equal"
        found.append(Change(name, name, Uncorrelated()))
    return found


def _both_signs(
    population: Population, names: tuple[str, ...], what: str, size: float, ramp_records: int = 0
) -> list[Change]:
    """A shift of the named features by so many standard deviations, up and down."""
    offsets = np.where(np.isin(population.features, names), size * population.deviations, 0.0)
    over = f" over {ramp_records} records" if ramp_records else ""
    return [
        Change(f"{what} {sign}{size} sd{over}", f"{what} {size} sd{over}", Shift(signed, ramp_records))
        for sign, signed in (("+", offsets), ("-", -offsets))
    ]


def _camera_changes(population: Population) -> list[Change]:
    features, zero = population.features, np.zeros(len(population.features))
    powers = 1.0 * np.isin(features, _LENGTHS) + 2.0 * np.isin(features, _AREAS)
    found = []
    for word, sign in (("nearer", 1.0), ("farther", -1.0)):
        factors = _CAMERA_FACTOR ** (sign * powers)
        found.append(Change(f"camera {word}: lengths by {_CAMERA_FACTOR}", "camera", Scaling(zero, factors)))
    for factor in (_CAMERA_FACTOR, 1.25):
        for name, by in ((f"all features x{factor}", factor), (f"all features /{factor}", 1.0 / factor)):
            found.append(Change(name, f"all features by {factor}", Scaling(zero, np.full(len(features), by))))
    return found


def _row_source(source: Source) -> RowSource:
    if not isinstance(source, RowSource):
        raise TypeError(f"a {type(source).__name__} has no rows to choose from; use a population of rows")
    return source

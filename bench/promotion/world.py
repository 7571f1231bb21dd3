"""The worlds of the simulation: Gaussian features, a true logistic model, a base rate that wobbles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from core.model import Floats, sigmoid
from trainer.loss import PROBABILITY_CLIP
from trainer.promotion.guardrail import Side
from trainer.table import Labels

#: Features, as Raisin has.
WIDTH = 7
#: Rows in which the base rate stays as it is.
WINDOW_ROWS = 400
#: Rows that stand for all rows where an expectation is needed: accuracy to .001, the same rows for both models.
_POPULATION_ROWS = 200_000
#: Rows that stand for them where each draw needs an expectation.
_SOME_ROWS = 20_000
#: Halvings until an angle or a factor is known to all digits that matter.
_HALVINGS = 40


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of a world in the order of time."""

    x: Floats  #: (n, d)
    y: Labels  #: (n,)

    def part(self, first: int, last: int) -> Rows:
        """Those from number ``first`` to before ``last``."""
        return Rows(self.x[first:last], self.y[first:last])


@dataclass(frozen=True)
class Line:
    """A model: weights on standard normal features, and an intercept."""

    weights: tuple[float, ...]
    intercept: float

    def logit(self, x: Floats) -> Floats:
        """(n,) of rows (n, d)."""
        logit: Floats = x @ np.array(self.weights) + self.intercept
        return logit

    def side(self, x: Floats) -> Side:
        """What it says of rows, and its threshold."""
        return Side(sigmoid(self.logit(x)), 0.5)


@dataclass(frozen=True)
class World:
    """Outcomes are drawn from ``sigmoid(strength * x_0 + intercept + shift)``; the shift is its window's own."""

    strength: float = 2.5
    intercept: float = 0.0
    wobble: float = 0.0  #: standard deviation of the shift, in the logit

    @property
    def truth(self) -> Line:
        """The model that drew the outcomes, but for the shifts."""
        return Line((self.strength, *[0.0] * (WIDTH - 1)), self.intercept)

    def draw(self, rows: int, generator: np.random.Generator) -> Rows:
        """Rows that begin somewhere in a window."""
        x = generator.normal(size=(rows, WIDTH))
        windows = (np.arange(rows) + int(generator.integers(WINDOW_ROWS))) // WINDOW_ROWS
        shifts = self.wobble * generator.normal(size=windows[-1] + 1)
        p = sigmoid(self.truth.logit(x) + shifts[windows])
        return Rows(x, (generator.random(rows) < p).astype(np.uint8))

    @cached_property
    def _population(self) -> tuple[Floats, Floats]:
        """Rows, and the probability of class 1 of each."""
        generator = np.random.default_rng(0)
        x = generator.normal(size=(_POPULATION_ROWS // 2, WIDTH))
        p = sigmoid(self.truth.logit(x) + self.wobble * generator.normal(size=len(x)))
        mirror = np.ones(WIDTH)
        mirror[1] = -1.0  # so that models that are turned to either side are equal here too
        return np.concatenate([x, x * mirror]), np.concatenate([p, p])

    def log_loss(self, line: Line) -> float:
        """What a model loses on average over all rows and shifts."""
        x, p = self._population
        logit = line.logit(x)
        return float((np.logaddexp(0.0, logit) - p * logit).mean())

    def mean_loss(self, probability: Callable[[Floats], Floats]) -> float:
        """The same of anything that gives probabilities, by fewer rows: to .0005 for the difference of two."""
        x, p = (each[:: _POPULATION_ROWS // _SOME_ROWS] for each in self._population)
        said = np.clip(probability(x), PROBABILITY_CLIP, 1.0 - PROBABILITY_CLIP)
        return float(-(p * np.log(said) + (1.0 - p) * np.log1p(-said)).mean())

    def accuracy(self, line: Line) -> float:
        """How often it is right, likewise."""
        x, p = self._population
        return float(np.where(line.logit(x) >= 0, p, 1 - p).mean())


def turned(world: World, angle: float) -> Line:
    """The truth with its weights turned by an angle into a feature that means nothing: as sure, and less right."""
    weights = [world.strength * np.cos(angle), world.strength * np.sin(angle), *[0.0] * (WIDTH - 2)]
    return Line(tuple(float(weight) for weight in weights), world.intercept)


def worse_by(world: World, accuracy: float) -> Line:
    """The truth, turned until so much accuracy is lost."""
    best = world.accuracy(world.truth)
    low, high = 0.0, float(np.pi / 2)
    for _ in range(_HALVINGS):
        angle = (low + high) / 2
        low, high = (angle, high) if best - world.accuracy(turned(world, angle)) < accuracy else (low, angle)
    return turned(world, low)


def blunted(world: World) -> Line:
    """What sees the feature through noise and knows it: calibrated, and worse by four points of accuracy."""
    seen = worse_by(world, 2 * 0.02)
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):  # its loss is convex in the factor
        one, two = (low + (high - low) * part for part in (0.382, 0.618))
        if world.log_loss(_times(seen, one)) < world.log_loss(_times(seen, two)):
            high = two
        else:
            low = one
    return _times(seen, (low + high) / 2)


def _times(line: Line, factor: float) -> Line:
    return replace(line, weights=tuple(weight * factor for weight in line.weights))


def stretched(world: World, factor: float) -> Line:
    """The truth with its weights times a factor: too sure of itself, or not sure enough."""
    return _times(world.truth, factor)


def as_bad_but_timid(world: World, factor: float) -> Line:
    """The truth with its weights times a factor below one that loses as much as ``factor`` above one does."""
    loss = world.log_loss(stretched(world, factor))
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        tried = (low + high) / 2
        low, high = (tried, high) if world.log_loss(stretched(world, tried)) > loss else (low, tried)
    return stretched(world, low)

"""Pairs of candidate and production of which the truth is known: equal in expectation, or one better."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from bench.promotion.world import (
    WIDTH,
    Line,
    Rows,
    World,
    as_bad_but_timid,
    blunted,
    stretched,
    turned,
    worse_by,
)
from core.calibration import CalibrationRequest
from core.model import Floats, LogisticModel
from core.schema import Schema
from trainer.decision import Choices, decide
from trainer.fit import probability
from trainer.out_of_sample import cross_fit
from trainer.promotion.guardrail import Side
from trainer.solvers.base import Problem
from trainer.solvers.newton import Newton

Model = Callable[[Floats], Side]

#: The accuracy by which a better model is better, by the issue.
TWO_POINTS = 0.02
_SCHEMA = Schema(tuple(f"feature_{number}" for number in range(WIDTH)), ("no", "yes"))


@dataclass(frozen=True)
class Pair:
    """Candidate and production, and what they lose on average where that is known."""

    candidate: Model
    production: Model
    candidate_loss: float
    production_loss: float


#: Draws a pair; given are the world, the candidate's training rows and a generator for more.
PairMaker = Callable[[World, Rows, np.random.Generator], Pair]


def _lines(world: World, candidate: Line, production: Line) -> Pair:
    return Pair(candidate.side, production.side, world.log_loss(candidate), world.log_loss(production))


def mirrored(world: World) -> PairMaker:
    """The truth turned by the same angle to either side, each two points of accuracy worse than it: equal exactly.

    The features are symmetric, so mirroring the meaningless one maps each model onto the other and the outcomes
    onto themselves.
    """
    first, second = worse_by(world, TWO_POINTS).weights[:2]
    angle = float(np.arctan2(second, first))
    pair = _lines(world, turned(world, angle), turned(world, -angle))
    return lambda *_: pair


def shifted(world: World, by: float) -> PairMaker:
    """Intercepts too high and too low by as much: each better in half of the windows of a wobbling world."""
    truth = world.truth
    pair = _lines(world, Line(truth.weights, truth.intercept + by), Line(truth.weights, truth.intercept - by))
    return lambda *_: pair


def bold(world: World, factor: float) -> PairMaker:
    """A candidate that is too sure and a production that is too timid, as bad as each other: heavy tails."""
    pair = _lines(world, stretched(world, factor), as_bad_but_timid(world, factor))
    return lambda *_: pair


def better(world: World) -> PairMaker:
    """The truth, and what loses two points of accuracy against it."""
    pair = _lines(world, world.truth, worse_by(world, TWO_POINTS))
    return lambda *_: pair


def careless(world: World, shift: float) -> PairMaker:
    """A candidate that is sharper but whose base rate is off, against a blunt one that is calibrated."""
    truth, blunt = world.truth, blunted(world)
    pair = _lines(world, Line(truth.weights, truth.intercept + shift), blunt)
    return lambda *_: pair


def frightened(world: World, shift: float) -> PairMaker:
    """The truth, and a production whose intercept is too high: from more of class 1, or it sees it everywhere."""
    truth = world.truth
    pair = _lines(world, truth, Line(truth.weights, truth.intercept + shift))
    return lambda *_: pair


def missing(world: World, threshold: float) -> PairMaker:
    """A candidate that is sharper but predicts class 1 only from ``threshold`` on, against a blunt one at .5."""
    candidate, blunt = world.truth, blunted(world)
    pair = Pair(
        lambda x: replace(candidate.side(x), threshold=threshold),
        blunt.side,
        world.log_loss(candidate),
        world.log_loss(blunt),
    )
    return lambda *_: pair


def trained_alike(_: World, calibrate: CalibrationRequest) -> PairMaker:
    """Two models of one recipe, trained and calibrated on as many rows of one world: one is better by chance."""

    def make(world: World, rows: Rows, generator: np.random.Generator) -> Pair:
        candidate = fitted(rows, calibrate)
        production = fitted(world.draw(len(rows.y), generator), calibrate)
        return Pair(_said(candidate), _said(production), _loss(world, candidate), _loss(world, production))

    return make


def trained_better(world: World, calibrate: CalibrationRequest) -> PairMaker:
    """One trained on this world, and one on a world before it changed, which costs two points of accuracy."""
    before = worse_by(world, TWO_POINTS)

    def make(world: World, rows: Rows, generator: np.random.Generator) -> Pair:
        candidate = fitted(rows, calibrate)
        x = world.draw(len(rows.y), generator).x
        y = (generator.random(len(x)) < before.side(x).probability).astype(np.uint8)
        production = fitted(Rows(x, y), calibrate)
        return Pair(_said(candidate), _said(production), _loss(world, candidate), _loss(world, production))

    return make


def fitted(rows: Rows, calibrate: CalibrationRequest) -> LogisticModel:
    """As the trainer fits, calibrates and deploys rows in the order of time."""
    problem = Problem(rows.x, rows.y)
    solver = Newton()
    solution = solver.solve(problem, 0)
    model = LogisticModel(_SCHEMA, solution.coefficients, solution.intercept, np.zeros(WIDTH), np.ones(WIDTH))
    if calibrate == "none":
        return model
    return decide(model, cross_fit(problem, solver, 0, solution, by_time=True), Choices(calibrate)).model


def _said(model: LogisticModel) -> Model:
    return lambda x: Side(probability(model, x), model.threshold)


def _loss(world: World, model: LogisticModel) -> float:
    return world.mean_loss(lambda x: probability(model, x))

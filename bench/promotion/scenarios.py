"""What is simulated, and what is asked of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from bench.promotion.pairs import (
    PairMaker,
    better,
    bold,
    careless,
    frightened,
    mirrored,
    missing,
    shifted,
    trained_alike,
    trained_better,
)
from bench.promotion.simulation import Setting
from bench.promotion.world import WINDOW_ROWS, World

#: Targets of the issue: how often an equal candidate may be promoted, and a better one must be.
EQUAL_AT_MOST, BETTER_AT_LEAST = 0.04, 0.80

#: ``equal``: must not be promoted; ``alike``: one is better by chance, and the worse must not be promoted;
#: ``better``: must be promoted; ``guarded``: a guardrail must refuse it; ``limit``: shown without a target.
Kind = Literal["equal", "alike", "better", "guarded", "limit"]

DRIFT, FILE = Setting(holdout_rows=0), Setting(random_split=True)


@dataclass(frozen=True)
class Scenario:
    """One line of the table."""

    name: str
    kind: Kind
    world: World
    pair: Callable[[World], PairMaker]
    setting: Setting


#: Accuracy of the truth .81, .68, and .92 with one row in eleven of class 1.
STRONG, WEAK, RARE = World(2.5), World(1.0), World(2.0, -3.5)
#: The strong one after its base rate has fallen, from one half to .31.
FALLEN = World(2.5, -1.5)
WOBBLY, WILD = World(2.5, wobble=0.3), World(2.5, wobble=0.6)
#: An intercept that is off as those of two models of 2,000 rows each in a wobbling world are.
_OFF = 0.15


def scenarios() -> tuple[Scenario, ...]:
    """All of them, in the order of the table."""
    return (*_equal(), *_wobbling(), *_better(), *_guarded())


def _equal() -> tuple[Scenario, ...]:
    few = Setting(judged_rows=40, holdout_rows=0)
    six = Setting(judged_rows=40, holdout_rows=0, attempts=6)
    small = Setting(judged_rows=WINDOW_ROWS, holdout_rows=0)
    sure = partial(bold, factor=1.8)
    alike = partial(trained_alike, calibrate="auto")
    return (
        Scenario("equal: mirrored, holdout judges too", "equal", STRONG, mirrored, Setting()),
        Scenario("equal: mirrored, rows of a file", "equal", STRONG, mirrored, FILE),
        Scenario("equal: mirrored, after a drift", "equal", STRONG, mirrored, DRIFT),
        Scenario("equal: mirrored, 40 judged rows", "equal", STRONG, mirrored, few),
        Scenario("equal: mirrored, class 1 is rare", "equal", RARE, mirrored, Setting(judged_rows=400)),
        Scenario("equal: too sure against too timid, 40 rows", "equal", STRONG, sure, few),
        Scenario("equal: too sure against too timid, 2,000 rows", "equal", STRONG, sure, Setting()),
        Scenario("equal: 6 attempts from 200 labels on", "equal", STRONG, mirrored, six),
        Scenario("alike: trained on other rows, calibrated", "alike", STRONG, alike, small),
    )


def _wobbling() -> tuple[Scenario, ...]:
    found = []
    off, alike = partial(shifted, by=_OFF), partial(trained_alike, calibrate="auto")
    window = Setting(judged_rows=WINDOW_ROWS, holdout_rows=0)
    five = Setting(judged_rows=WINDOW_ROWS, holdout_rows=0, attempts=5)
    early = Setting(judged_rows=WINDOW_ROWS // 4, holdout_rows=0, attempts=5)
    for world in (WOBBLY, WILD):
        within = f"base rate wobbles by {world.wobble:g}"
        found += [
            Scenario(f"equal: {within}, 5 windows judge", "equal", world, off, DRIFT),
            Scenario(f"equal: {within}, 1 window judges", "equal", world, off, window),
            Scenario(f"equal: {within}, no drift", "equal", world, off, Setting()),
            Scenario(f"equal: {within}, rows of a file", "equal", world, off, FILE),
            Scenario(f"equal: {within}, 5 attempts", "equal", world, off, five),
            Scenario(f"equal: {within}, 5 attempts from 1.25 windows on", "limit", world, off, early),
            Scenario(f"alike: {within}, calibrated", "alike", world, alike, window),
        ]
    return tuple(found)


def _better() -> tuple[Scenario, ...]:
    third = Setting(holdout_rows=0, first_attempt=3)
    trained = partial(trained_better, calibrate="auto")
    return (
        Scenario("better by 2 points, holdout judges too", "better", STRONG, better, Setting()),
        Scenario("better by 2 points, rows of a file", "better", STRONG, better, FILE),
        Scenario("better by 2 points, after a drift", "better", STRONG, better, DRIFT),
        Scenario("better by 2 points, hard rows", "better", WEAK, better, Setting()),
        Scenario("better by 2 points, hard rows, after a drift", "better", WEAK, better, DRIFT),
        Scenario("better by 2 points, hard rows, attempt 3", "limit", WEAK, better, third),
        Scenario("better by 2 points, class 1 is rare", "better", RARE, better, Setting()),
        Scenario("better by 2 points, base rate wobbles by 0.3", "better", WOBBLY, better, DRIFT),
        Scenario("better by 2 points, base rate wobbles by 0.6", "better", WILD, better, DRIFT),
        Scenario("better by 2 points, trained and calibrated", "better", STRONG, trained, DRIFT),
    )


def _guarded() -> tuple[Scenario, ...]:
    off, strict = partial(careless, shift=0.5), partial(missing, threshold=0.7)
    stricter = partial(missing, threshold=0.9)
    alarmed, earlier = partial(frightened, shift=3.0), partial(frightened, shift=1.5)
    return (
        Scenario("lower log-loss, base rate off by .5", "guarded", STRONG, off, Setting()),
        Scenario("lower log-loss, threshold .7", "guarded", STRONG, strict, Setting()),
        Scenario("lower log-loss, threshold .7, after a drift", "limit", STRONG, strict, DRIFT),
        Scenario("lower log-loss, threshold .9, after a drift", "guarded", STRONG, stricter, DRIFT),
        Scenario("better, and production calls all class 1 after a drift", "better", STRONG, alarmed, DRIFT),
        Scenario("better, the base rate has fallen, after a drift", "better", FALLEN, earlier, DRIFT),
        Scenario("better, the base rate has fallen, no drift", "limit", FALLEN, earlier, Setting()),
    )

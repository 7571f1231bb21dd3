"""How often the promotion rule promotes: draws of rows, judged as the trainer judges them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench.promotion.pairs import Pair, PairMaker
from bench.promotion.world import Rows, World
from core.model import Floats
from trainer.metrics.bootstrap import Bootstrap
from trainer.open_request import GROWTH
from trainer.promotion.decision import PromotionDecision
from trainer.promotion.duel import Duel, compare
from trainer.promotion.error_spending import ERROR_RATE, level_of
from trainer.promotion.paired_test import log_loss_differences, paired_test
from trainer.promotion.rule import decide
from trainer.split import HOLDOUT_SHARE

#: Resamples of a guardrail's interval: its ends move by a tenth of a standard error more than with the trainer's.
_BOOTSTRAP = Bootstrap(replicates=400, method="percentile")
#: A difference in mean log-loss below this is none: what a population of 20,000 rows cannot tell.
_NO_DIFFERENCE = 0.0005


@dataclass(frozen=True)
class Setting:
    """What a candidate is judged with."""

    judged_rows: int = 2_000
    holdout_rows: int = 1_000  #: production's own, which judges too; 0 after a drift
    attempts: int = 1  #: at one episode; labels grow from one to the next
    first_attempt: int = 1  #: where others were in vain already
    random_split: bool = False  #: as of a CSV file; else the newest fifth judges

    @property
    def after_drift(self) -> bool:
        """Whether the judged rows alone decide, with the error rate spent over attempts."""
        return not self.holdout_rows

    def parts(self, rows: Rows) -> tuple[Rows, Rows]:
        """Rows to train on, and a fifth of them to judge by."""
        judging = np.zeros(len(rows.y), dtype=np.bool_)
        judging[round(1 / HOLDOUT_SHARE) - 1 :: round(1 / HOLDOUT_SHARE)] = True
        if not self.random_split:
            judging.sort()
        return Rows(rows.x[~judging], rows.y[~judging]), Rows(rows.x[judging], rows.y[judging])


@dataclass
class Tally:
    """What came of the draws."""

    draws: int = 0
    promoted: int = 0
    promoted_though_worse: int = 0
    lower_loss: int = 0  #: promoted if a lower log-loss on the judged rows were enough
    guarded: int = 0  #: refused by a guardrail alone

    @property
    def share(self) -> float:
        """Of the draws that led to a promotion."""
        return self.promoted / self.draws

    @property
    def worse_share(self) -> float:
        """Of the draws in which what was promoted is truly worse."""
        return self.promoted_though_worse / self.draws

    @property
    def lower_loss_share(self) -> float:
        """The same by the lower log-loss alone."""
        return self.lower_loss / self.draws

    @property
    def guarded_share(self) -> float:
        """Of the draws that a guardrail alone refused."""
        return self.guarded / self.draws


def simulate(
    world: World,
    pair_maker: PairMaker,
    setting: Setting,
    draws: int,
    seed: int,
    progress: Callable[[int], None] = lambda _: None,
) -> Tally:
    """Draw rows and a pair of models so often, and count what the rule makes of it."""
    tally = Tally()
    for draw in range(draws):
        generator = np.random.default_rng([seed, draw])
        _one(world, pair_maker, setting, generator, tally)
        progress(draw + 1)
    return tally


def _one(
    world: World, pair_maker: PairMaker, setting: Setting, generator: np.random.Generator, tally: Tally
) -> None:
    """One episode, attempt by attempt, until one is promoted."""
    tally.draws += 1
    judged_rows = setting.judged_rows
    last_rows = round(judged_rows * GROWTH ** (setting.attempts - 1) / HOLDOUT_SHARE)
    stream = world.draw(last_rows, generator)
    for attempt in range(setting.first_attempt, setting.first_attempt + setting.attempts):
        train, judged = setting.parts(stream.part(0, round(judged_rows / HOLDOUT_SHARE)))
        pair = pair_maker(world, train, generator)
        found = _judged(world, pair, train, judged, setting, attempt, generator)
        tally.lower_loss += attempt == setting.first_attempt and found.lower_loss
        tally.guarded += found.guarded
        if found.promoted:
            tally.promoted += 1
            tally.promoted_though_worse += pair.candidate_loss > pair.production_loss + _NO_DIFFERENCE
            return
        judged_rows = round(judged_rows * GROWTH)


@dataclass(frozen=True)
class _Found:
    promoted: bool
    lower_loss: bool
    guarded: bool


def _judged(
    world: World,
    pair: Pair,
    train: Rows,
    judged: Rows,
    setting: Setting,
    attempt: int,
    generator: np.random.Generator,
) -> _Found:
    """The rule's verdict. What fails the test is refused whatever else is found, so nothing else is looked for."""
    neighbours = _differences(pair, judged if setting.random_split else train)
    candidate, production = pair.candidate(judged.x), pair.production(judged.x)
    test = paired_test(judged.y, candidate.probability, production.probability, neighbours=neighbours)
    if test.p_better > (level_of(attempt) if setting.after_drift else ERROR_RATE):
        return _Found(promoted=False, lower_loss=test.difference < 0, guarded=False)
    duel = compare(
        judged.y,
        candidate,
        production,
        neighbours=neighbours,
        bootstrap=_BOOTSTRAP,
        after_drift=setting.after_drift,
        intervals=False,
    )
    decision = _decided(world, pair, duel, setting, attempt, generator)
    guarded = not decision.promote and any(guardrail.refuses for guardrail in duel.guardrails)
    return _Found(promoted=decision.promote, lower_loss=True, guarded=guarded)


def _decided(
    world: World, pair: Pair, duel: Duel, setting: Setting, attempt: int, generator: np.random.Generator
) -> PromotionDecision:
    if setting.after_drift:
        return decide(duel, after_drift=True, attempt=attempt)
    holdout = world.draw(setting.holdout_rows, generator)
    fixed = compare(
        holdout.y,
        pair.candidate(holdout.x),
        pair.production(holdout.x),
        bootstrap=Bootstrap(replicates=2, method="percentile"),  # its guardrails judge nothing
        intervals=False,
    )
    return decide(duel, fixed)


def _differences(pair: Pair, rows: Rows) -> Floats:
    return log_loss_differences(rows.y, pair.candidate(rows.x).probability, pair.production(rows.x).probability)

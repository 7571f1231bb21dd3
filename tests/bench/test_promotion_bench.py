"""The promotion rule in its simulation, in short: seeds are fixed, so each share is what it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench import report as bench_report
from bench.promotion.pairs import TWO_POINTS, mirrored
from bench.promotion.scenarios import BETTER_AT_LEAST, DRIFT, EQUAL_AT_MOST, STRONG, Scenario, scenarios
from bench.promotion.simulation import Setting, Tally, simulate
from bench.promotion.table import add
from bench.promotion.world import Rows, World, blunted, worse_by
from bench.report import Report

BY_NAME = {scenario.name: scenario for scenario in scenarios()}


def run(name: str, draws: int, setting: Setting | None = None) -> Tally:
    """A scenario of the bench, with fewer draws."""
    found = BY_NAME[name]
    return simulate(found.world, found.pair(found.world), setting or found.setting, draws, seed=0)


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("equal: mirrored, holdout judges too", Setting(judged_rows=500, holdout_rows=500)),
        ("equal: mirrored, after a drift", Setting(judged_rows=500, holdout_rows=0)),
        ("equal: too sure against too timid, 40 rows", None),
        ("equal: 6 attempts from 200 labels on", Setting(judged_rows=40, holdout_rows=0, attempts=4)),
        ("equal: base rate wobbles by 0.3, 5 windows judge", None),
    ],
)
def test_an_equal_candidate_is_seldom_promoted(name: str, setting: Setting | None) -> None:
    found = run(name, 300, setting)
    assert found.share <= EQUAL_AT_MOST
    assert found.lower_loss_share > 0.4  # what is judged does differ: a lower log-loss alone is a coin toss


@pytest.mark.parametrize(
    "name",
    [
        "better by 2 points, holdout judges too",
        "better by 2 points, hard rows, after a drift",
        "better, and production calls all class 1 after a drift",
        "better, the base rate has fallen, after a drift",
    ],
)
def test_a_better_candidate_is_promoted(name: str) -> None:
    assert run(name, 40).share >= BETTER_AT_LEAST


@pytest.mark.parametrize(
    "name",
    [
        "lower log-loss, base rate off by .5",
        "lower log-loss, threshold .7",
        "lower log-loss, threshold .9, after a drift",
    ],
)
def test_a_guardrail_refuses_what_has_the_lower_loss(name: str) -> None:
    found = run(name, 20)
    assert found.share == 0
    assert found.guarded_share >= BETTER_AT_LEAST


def test_mirrored_models_are_equal_and_do_differ() -> None:
    pair = mirrored(STRONG)(STRONG, Rows(np.empty((0, 7)), np.empty(0, dtype=np.uint8)), np.random.default_rng(0))
    assert pair.candidate_loss == pytest.approx(pair.production_loss, rel=1e-12)
    x = np.random.default_rng(1).normal(size=(1_000, 7))
    assert np.abs(pair.candidate(x).probability - pair.production(x).probability).mean() > 0.05


def test_a_worse_model_is_worse_by_what_is_asked() -> None:
    for world in (STRONG, World(1.0), World(2.0, -3.5)):
        lost = world.accuracy(world.truth) - world.accuracy(worse_by(world, TWO_POINTS))
        assert lost == pytest.approx(TWO_POINTS, abs=1e-4)
    assert STRONG.log_loss(blunted(STRONG)) < STRONG.log_loss(worse_by(STRONG, 2 * TWO_POINTS))


def test_the_newest_fifth_judges_and_of_a_file_every_fifth_row() -> None:
    rows = Rows(np.arange(20.0)[:, np.newaxis], np.zeros(20, dtype=np.uint8))
    train, judged = DRIFT.parts(rows)
    assert (train.x[-1, 0], judged.x[:, 0].tolist()) == (15.0, [16.0, 17.0, 18.0, 19.0])
    train, judged = Setting(random_split=True).parts(rows)
    assert judged.x[:, 0].tolist() == [4.0, 9.0, 14.0, 19.0]
    assert len(train.y) == 16


def test_every_kind_of_scenario_has_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_report, "OUT", tmp_path)
    report = Report("promotion", "test", 0)
    kinds = {scenario.kind: scenario for scenario in scenarios()}
    tally = Tally(draws=10, promoted=1, promoted_though_worse=0, lower_loss=6, guarded=9)
    for scenario in kinds.values():
        add(report, scenario, tally)
    met = {result.name: result.met for result in report.results if result.met is not None}
    assert met == {
        kinds["equal"].name: False,
        f"{kinds['alike'].name}: promoted though worse": True,
        kinds["better"].name: False,
        kinds["guarded"].name: True,
    }
    assert report.write().parent == tmp_path
    assert isinstance(kinds["limit"], Scenario)

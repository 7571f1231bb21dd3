"""Whom each detector blames."""

from __future__ import annotations

import numpy as np
import pytest

from core.model import Floats
from monitor.detectors.base import Alarm, Evidence
from monitor.detectors.cusum import ADJUSTED, FEATURE, Cusum
from monitor.detectors.mean_shift import MeanShift
from monitor.detectors.prediction import Prediction
from monitor.detectors.recent import RecentRecords
from monitor.detectors.spread import Spread
from monitor.detectors.two_sided import Channel
from monitor.drift_engine import DriftEngine, Limits
from tests.monitor.detectors.alone import CASES, SLIDE, Alone, draw, model_file, probability

TRANSFORM = model_file().drift.transform
ANY = Channel("any", 1, 1.0, 1.0)


def ranked(blame: Floats) -> list[int]:
    return [int(place) for place in np.argsort(-blame, kind="stable")]


def evidence(**means: list[float]) -> Evidence:
    none = np.zeros(3)
    given = {name: np.array(values) for name, values in means.items()}
    return Evidence(
        records=10,
        z=given.get("z", none),
        size=given.get("size", none),
        adjusted=given.get("adjusted", none),
        likelihood=0.0,
        alone=none,
        probability=0.5,
    )


def test_a_mean_shift_blames_by_what_the_other_features_do_not_explain() -> None:
    detector = MeanShift(3, np.ones(10), np.ones(10))
    alarm = Alarm("mean_shift", "mean_shift_3", 1.0, 1.0, back=10)
    seen = evidence(z=[0.9, 0.0, 0.0], adjusted=[0.1, -3.0, 2.0])
    assert ranked(detector.blame(alarm, seen)) == [1, 2, 0]


def test_a_mean_shift_of_many_blames_by_how_far_each_has_moved() -> None:
    detector = MeanShift(3, np.ones(10), np.ones(10))
    alarm = Alarm("mean_shift", "mean_shift_3", 1.0, 1.0, back=10)
    assert ranked(detector.blame(alarm, evidence(z=[9.0, 0.0, -1.0], adjusted=[0.1, -3.0, 2.0]))) == [0, 2, 1]


@pytest.mark.parametrize(("channel", "order"), [(FEATURE, [2, 0, 1]), (ADJUSTED, [2, 1, 0])])
def test_a_cusum_blames_the_feature_that_won_and_then_by_its_channel(channel: str, order: list[int]) -> None:
    alarm = Alarm("cusum", channel, 1.0, 1.0, back=10, column=2)
    seen = evidence(z=[-9.0, 1.0, 0.0], adjusted=[0.1, -3.0, 0.0])
    assert ranked(Cusum((ANY, ANY)).blame(alarm, seen)) == order


def test_a_prediction_blames_by_the_features_own_shifts() -> None:
    alarm = Alarm("prediction", "probability", 1.0, 1.0, back=10)
    assert ranked(Prediction((ANY,)).blame(alarm, evidence(z=[1.0, 0.5, -2.0]))) == [2, 0, 1]


@pytest.mark.parametrize("factor", [0.2, 2.0])
def test_a_spread_blames_the_feature_whose_spread_has_changed_either_way(factor: float) -> None:
    x = draw(np.random.default_rng(1), 200)
    x[:, 2] *= factor
    recent = RecentRecords(TRANSFORM)
    recent.add(TRANSFORM.columns(x, probability(x)).standardised)
    blame = Spread((ANY,)).blame(Alarm("spread", "radius", 1.0, 1.0, back=200), recent.evidence(200, np.zeros(3)))
    assert ranked(blame)[0] == 2


@pytest.mark.parametrize(("name", "feature"), [("mean_abs_z", 2), ("distribution", 2), ("constant", 3)])
def test_a_window_blames_the_feature_that_stands_out_in_it(name: str, feature: int) -> None:
    """By a pane detector alone: the record detectors are given no part of the budget that matters."""
    alone = Alone(name)
    case = next(case for case in CASES if case.name == name)
    x = draw(np.random.default_rng(5), SLIDE)
    x = case.changed(x) if name != "mean_abs_z" else x + np.array([0.2, 0.2, 1.5, 0.0])
    alone.take(x)
    alone.close()
    [(_, alarm)] = alone.alarms
    assert ranked(alone.blamed)[0] == feature
    assert alarm.detector == name


def test_every_feature_is_ranked_constant_ones_too() -> None:
    engine = DriftEngine(model_file().profile, model_file().drift, Limits(10_000.0, SLIDE))
    x = draw(np.random.default_rng(6), SLIDE) + np.array([0.0, 0.0, 2.0, 0.0])
    engine.take(x, probability(x), stop=True)
    crossing = engine.close_pane(0, 0).crossing
    assert crossing is not None
    assert crossing.blame[0] == 2
    assert sorted(crossing.blame) == [0, 1, 2, 3]

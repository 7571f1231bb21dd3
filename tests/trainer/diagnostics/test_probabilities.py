"""Probabilities that are off, stuck, or cut at a threshold that nobody chose: judged as they are deployed."""

from __future__ import annotations

import numpy as np
import pytest

from core.calibration import CalibrationRequest
from core.model import Floats, sigmoid
from core.threshold_rule import ThresholdRule
from tests.trainer.diagnostics.diagnosed_models import (
    draw,
    draw_rare,
    finding_of,
    first,
    fitted,
    only_finding,
    symptoms,
)
from trainer.decision import Choices
from trainer.fit import FittedModel
from trainer.solvers.balanced_classes import BalancedClasses
from trainer.solvers.gradient_descent import GradientDescent
from trainer.solvers.newton import Newton
from trainer.table import Labels

#: A miss costs ten false alarms.
COST = ThresholdRule("cost", cost_fn=10.0, cost_fp=1.0)
BALANCED = BalancedClasses(Newton())


def of_sixty_rows(balanced: bool) -> FittedModel:
    """Too few for ten features, and of both classes alike."""
    x, y = draw(n=2560, d=10, noise=0.5, seed=3)
    solver = Newton(c=100.0)
    return fitted(x, y, BalancedClasses(solver) if balanced else solver, split=first(60, of=2560))


def draw_turned(level: float = -2.0) -> tuple[Floats, Labels]:
    """Rows of which a quarter are of class 1, in the last fifth a half; with level 0 a half, then more."""
    generator = np.random.default_rng(5)
    x = generator.normal(size=(3000, 3))
    later = np.where(np.arange(3000) < 2400, 0.0, 2.0)
    return x, (2.0 * x[:, 0] + level + later + generator.logistic(size=3000) > 0).astype(np.uint8)


def draw_bent(n: int) -> tuple[Floats, Labels]:
    """Rows whose log-odds rise fast below zero and hardly above."""
    generator = np.random.default_rng(6)
    x = generator.normal(size=(n, 2))
    logit = np.where(x[:, 0] < 0, 8.0 * x[:, 0], 0.4 * x[:, 0])
    return x, (generator.random(n) < sigmoid(logit)).astype(np.uint8)


@pytest.mark.parametrize("balanced", [False, True])
def test_probabilities_that_are_too_sure_are_said_with_the_direction(balanced: bool) -> None:
    finding = finding_of(of_sixty_rows(balanced), "poor_calibration")
    assert "too sure" in finding.what
    assert "lower inverse_l2" in finding.remedy
    assert "class" not in finding.what + finding.remedy  # balancing classes that are balanced does nothing


def test_probabilities_that_are_too_timid_are_said_with_the_direction() -> None:
    finding = finding_of(fitted(*draw(n=3000, noise=0.5), Newton(c=1e-3)), "poor_calibration")
    assert "too timid" in finding.what
    assert "set calibrate to auto, or raise inverse_l2" in finding.remedy


def test_a_solver_that_stopped_short_is_not_told_to_penalise_less() -> None:
    model = fitted(*draw(n=3000, noise=0.5), GradientDescent(learning_rate=0.01, max_steps=20))
    assert "set solver to newton" in finding_of(model, "poor_calibration").remedy


def test_a_calibration_that_mends_is_what_is_judged() -> None:
    model = fitted(*draw(n=3000, noise=0.5), Newton(c=1e-3), choices=Choices("auto"))
    assert model.file.model.calibration is not None
    assert model.findings == ()


@pytest.mark.parametrize("calibrate", ["none", "auto", "platt"])
def test_a_calibration_that_does_not_help_hides_nothing(calibrate: CalibrationRequest) -> None:
    x, y = draw_turned()
    finding = only_finding(fitted(x, y, split=first(2400, of=3000), choices=Choices(calibrate)))
    assert finding.symptom == "poor_calibration"
    assert "23.9% of the training rows and 48.5% of those held out are of class 'yes'" in finding.what
    assert ("in spite of platt calibration" in finding.what) == (calibrate == "platt")
    assert "calibrate" not in finding.remedy


def test_weights_of_rows_are_named_where_they_change_the_shares() -> None:
    x, y = draw(n=3000)
    finding = only_finding(fitted(x, y, weights=np.where(y == 1, 5.0, 1.0)))
    assert finding.symptom == "poor_calibration"
    assert "of the training rows, as they were weighted, and" in finding.what


def test_a_fault_that_is_not_linear_in_the_logit_is_found_in_the_bins() -> None:
    x, y = draw_bent(5000)
    finding = finding_of(fitted(x, y), "poor_calibration")
    assert "straight line" in finding.what
    assert "set calibrate to auto, or add squares" in finding.remedy
    cured = fitted(x, y, choices=Choices("auto"))
    assert cured.decision.calibration.chosen == "isotonic"
    assert "poor_calibration" not in symptoms(cured)


@pytest.mark.parametrize(
    ("trained", "calibrate", "remedy"),
    [
        (500, "none", "train on 1,000 rows or more"),
        (500, "auto", "train on 1,000 rows or more"),
        (2000, "temperature", "set calibrate to isotonic"),
    ],
)
def test_a_bent_fault_asks_for_the_calibration_that_bends(
    trained: int, calibrate: CalibrationRequest, remedy: str
) -> None:
    x, y = draw_bent(5000)
    model = fitted(x, y, split=first(trained, of=5000), choices=Choices(calibrate))
    assert finding_of(model, "poor_calibration").remedy.startswith(remedy)


def test_balanced_classes_are_named_as_the_cause_of_poor_calibration() -> None:
    finding = only_finding(fitted(*draw_rare(), BALANCED))
    assert finding.symptom == "poor_calibration"
    assert "balanced class weights" in finding.what
    assert "choose a threshold by cost" in finding.remedy
    assert "calibrate set to auto" in finding.remedy


def test_balanced_classes_are_not_blamed_for_classes_that_change() -> None:
    x, y = draw_turned(level=0.0)
    model = fitted(x, y, BALANCED, split=first(2400, of=3000))
    finding = finding_of(model, "poor_calibration")
    assert "of the training rows and" in finding.what
    assert "class_weight" not in finding.remedy


@pytest.mark.parametrize("solver", [Newton(), BALANCED])
def test_what_balanced_classes_are_told_to_do_leaves_nothing_to_say(solver: Newton | BalancedClasses) -> None:
    assert fitted(*draw_rare(), solver, choices=Choices("auto", COST)).findings == ()


@pytest.mark.parametrize("rare", [0, 1])
def test_the_even_threshold_on_rare_classes_is_said_with_a_remedy_that_cures_it(rare: int) -> None:
    x, y = draw_rare()
    y = y if rare == 1 else 1 - y
    finding = only_finding(fitted(x, y))
    assert finding.symptom == "even_threshold"
    assert ("'yes'" if rare else "'no'") in finding.what
    assert "choose a threshold by cost" in finding.remedy
    # weights would be undone by a calibration, and without one make the probabilities wrong
    assert "class_weight" not in finding.remedy
    rule = ThresholdRule("cost", cost_fn=10.0 if rare else 1.0, cost_fp=1.0 if rare else 10.0)
    assert fitted(x, y, choices=Choices("none", rule)).findings == ()


def test_a_threshold_that_was_chosen_may_miss_most_of_a_rare_class() -> None:
    model = fitted(*draw_rare(), choices=Choices("none", ThresholdRule("precision", least=0.6)))
    assert model.validation.recall is not None
    assert model.validation.recall < 0.3
    assert model.findings == ()


def test_a_calibration_that_undoes_balanced_classes_is_said() -> None:
    balanced = fitted(*draw_rare(), BALANCED)
    undone = fitted(*draw_rare(), BALANCED, choices=Choices("auto"))
    assert balanced.validation.recall is not None
    assert undone.validation.recall is not None
    assert balanced.validation.recall > 0.7
    assert undone.validation.recall < 0.3
    finding = only_finding(undone)
    assert finding.symptom == "even_threshold"
    assert "because calibration gives back the true odds that class_weight had evened" in finding.what
    assert "choose a threshold by cost" in finding.remedy


def test_a_rare_class_that_nothing_tells_apart_asks_for_features_not_for_a_threshold() -> None:
    generator = np.random.default_rng(5)
    x, y = generator.normal(size=(4000, 3)), (generator.random(4000) < 0.06).astype(np.uint8)
    finding = only_finding(fitted(x, y))
    assert finding.symptom == "even_threshold"
    assert "add features" in finding.remedy


@pytest.mark.parametrize(("found", "missed", "said"), [(1, 4, False), (4, 16, True)])
def test_a_few_rare_rows_that_are_missed_by_chance_are_not_spoken_of(found: int, missed: int, said: bool) -> None:
    x, y = draw_rare()
    trained = 3000
    model = fitted(x, y, split=first(trained, of=len(y))).file.model
    predicted = model.score(x).logit >= 0
    later = np.arange(len(y)) >= trained
    rows = [np.arange(trained), np.flatnonzero(later & (y == 0))]
    rows += [
        np.flatnonzero(later & (y == 1) & (predicted == hit))[:k] for hit, k in ((True, found), (False, missed))
    ]
    kept = np.concatenate(rows)
    again = fitted(x[kept], y[kept], split=first(trained, of=len(kept)))
    assert again.validation.recall == pytest.approx(found / (found + missed))
    assert ("even_threshold" in symptoms(again)) == said


def test_probabilities_around_one_half_ask_for_features_where_there_are_none() -> None:
    x, y = draw(noise=1e3)
    for weights in (None, np.ones(len(y))):
        finding = only_finding(fitted(x, y, weights=weights))
        assert finding.symptom == "stuck_at_half"
        assert "add features" in finding.remedy


def test_probabilities_around_one_half_blame_a_heavy_penalty() -> None:
    finding = finding_of(fitted(*draw(), Newton(c=1e-5)), "stuck_at_half")
    assert "raise inverse_l2" in finding.remedy


def test_a_penalty_that_holds_noise_down_is_not_blamed() -> None:
    x, y = draw(n=80, d=20, noise=1e3)
    finding = finding_of(fitted(x, y, Newton(c=1e-4)), "stuck_at_half")
    assert "add features" in finding.remedy


def test_probabilities_around_one_half_blame_too_few_steps() -> None:
    model = fitted(*draw(), GradientDescent(learning_rate=1e-3, max_steps=10))
    assert "not_converged" in symptoms(model)
    assert "raise learning_rate" in finding_of(model, "stuck_at_half").remedy

"""All findings together: silence where all is well, the gravest first, and a page that lists them."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

from core.threshold_rule import ThresholdRule
from tests.trainer import tickets
from tests.trainer.diagnostics.diagnosed_models import draw, draw_rare, fitted, only_finding, symptoms
from trainer.decision import Choices
from trainer.diagnostics.finding import Symptom
from trainer.fit import fit
from trainer.solvers.base import Solver
from trainer.solvers.gradient_descent import GradientDescent
from trainer.solvers.newton import Newton
from trainer.solvers.stochastic_gradient_descent import StochasticGradientDescent
from trainer.table import Table

PAGE = Path(__file__).resolve().parents[3] / "docs" / "training.md"


@pytest.mark.parametrize("solver", [Newton(), GradientDescent(), StochasticGradientDescent()])
def test_a_sound_model_is_not_spoken_of(solver: Solver) -> None:
    for seed in range(5):
        assert fitted(*draw(seed=seed), solver).findings == ()


def test_a_sound_model_with_weights_is_not_spoken_of_either() -> None:
    x, y = draw()
    weights = np.random.default_rng(1).uniform(0.5, 2.0, len(y))
    for solver in (Newton(), Newton(c=np.inf), GradientDescent(c=np.inf)):
        assert fitted(x, y, solver, weights=weights).findings == ()


def test_raisin_is_sound_with_a_penalty_and_not_without(raisin: Table) -> None:
    assert fit(raisin, seed=2, ordered=False).findings == ()
    assert fit(raisin, seed=2, ordered=False, choices=Choices("auto")).findings == ()
    finding = only_finding(fit(raisin, seed=2, ordered=False, solver=Newton(c=np.inf)))
    assert finding.symptom == "weights_diverging"
    assert "tells nearly the same" in finding.what


def test_breast_cancer_is_sound_with_a_penalty_and_separated_without() -> None:
    data = load_breast_cancer()
    names = tuple(str(name) for name in data.feature_names)
    table = Table(names, data.data, data.target.astype(np.uint8), ("malignant", "benign"))
    assert fit(table, seed=0, ordered=False).findings == ()
    finding = only_finding(fit(table, seed=0, ordered=False, solver=Newton(c=np.inf)))
    assert finding.symptom == "weights_diverging"
    assert "can be separated" in finding.what


def test_the_tickets_of_a_person_are_answered_like_an_expert() -> None:
    x, y = np.tile(tickets.X, (10, 1)), np.tile(tickets.Y, 10)
    assert symptoms(fitted(x, y, Newton(c=np.inf))) == ["weights_diverging"]
    assert symptoms(fitted(x, y)) == []


def test_a_rare_class_whose_threshold_was_chosen_is_sound() -> None:
    rule = ThresholdRule("cost", cost_fn=10.0, cost_fp=1.0)
    assert fitted(*draw_rare(), choices=Choices("auto", rule)).findings == ()


def test_the_card_keeps_the_warnings() -> None:
    model = fitted(*draw(), Newton(max_steps=1))
    assert model.card.warnings == model.warnings == (model.findings[0].sentence,)


def test_the_page_has_a_row_for_every_symptom_and_no_other() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    listed = [name for name in (row.split("`")[1] for row in rows) if name in get_args(Symptom)]
    symptom_rows = [row for row in rows if row.count("|") == 5]
    assert sorted(listed) == sorted(get_args(Symptom))
    assert len(symptom_rows) == len(listed)

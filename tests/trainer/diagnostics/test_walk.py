"""A loss that rises and a walk that stops short: said with the remedy that cures them."""

from __future__ import annotations

import re
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from tests.trainer.diagnostics.diagnosed_models import draw, draw_rare, finding_of, fitted, only_finding, symptoms
from trainer.diagnostics.evidence import Evidence
from trainer.diagnostics.finding import Finding
from trainer.diagnostics.walk import loss_rising
from trainer.solvers.balanced_classes import BalancedClasses
from trainer.solvers.base import Solver
from trainer.solvers.gradient_descent import GradientDescent
from trainer.solvers.newton import Newton
from trainer.solvers.stochastic_gradient_descent import StochasticGradientDescent


@pytest.mark.parametrize("rate", [30.0, 1000.0, 1e200])
def test_a_rising_loss_names_the_rate_that_is_safe(rate: float) -> None:
    x, y = draw()
    finding = only_finding(fitted(x, y, GradientDescent(learning_rate=rate, max_steps=200)))
    assert finding.symptom == "loss_rising"
    found = re.search(r"set learning_rate to ([\d.]+) or less", finding.remedy)
    assert found is not None
    cured = fitted(x, y, GradientDescent(learning_rate=float(found[1])))
    assert cured.findings == ()


def test_the_safe_rate_is_that_of_the_weighted_classes() -> None:
    x, y = draw_rare()
    x[y == 1] *= 8.0  # the class that counts most is the steepest
    found = []
    for solver in (
        GradientDescent(learning_rate=1e3, max_steps=50),
        BalancedClasses(GradientDescent(learning_rate=1e3, max_steps=50)),
    ):
        finding = finding_of(fitted(x, y, solver), "loss_rising")
        match = re.search(r"set learning_rate to ([\d.e-]+) or less", finding.remedy)
        assert match is not None
        found.append(float(match[1]))
    assert found[1] < 0.5 * found[0]
    safe = BalancedClasses(GradientDescent(learning_rate=found[1], max_steps=50))
    assert "loss_rising" not in symptoms(fitted(x, y, safe))


def test_a_loss_that_falls_from_a_far_start_is_not_called_rising() -> None:
    x, y = draw()
    turned = fitted(x, 1 - y, Newton(c=np.inf)).file.model
    for rate in (None, 0.05):
        model = fitted(x, y, GradientDescent(learning_rate=rate, max_steps=3), start=turned)
        course = np.array([epoch.objective for epoch in model.solution.history], dtype=np.float64)
        assert (np.diff(course) < 0).all()
        assert "loss_rising" not in symptoms(model)
        assert "None" not in " ".join(model.warnings)


def test_a_rising_loss_at_the_rate_that_was_chosen_for_it_asks_for_another_solver(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Evidence] = []

    def keep(evidence: Evidence) -> tuple[Finding, ...]:
        seen.append(evidence)
        return ()

    monkeypatch.setattr("trainer.fit.diagnose", keep)
    fitted(*draw(), StochasticGradientDescent(max_steps=3))
    (evidence,) = seen
    assert loss_rising(evidence) is None
    history = tuple(
        msgspec.structs.replace(epoch, objective=0.5 + 0.1 * epoch.step) for epoch in evidence.solution.history
    )
    finding = loss_rising(replace(evidence, solution=replace(evidence.solution, history=history)))
    assert finding is not None
    assert "rose in 2 of 3 steps" in finding.what
    assert finding.remedy == "set solver to newton"
    assert "None" not in finding.sentence


def test_a_rising_loss_of_sgd_is_said() -> None:
    model = fitted(*draw(), StochasticGradientDescent(learning_rate=50.0, schedule="constant", max_steps=50))
    assert symptoms(model) == ["loss_rising"]
    assert "unset learning_rate" in model.findings[0].remedy


@pytest.mark.parametrize(
    ("solver", "remedy"),
    [
        (Newton(max_steps=1), "raise max_steps"),
        (GradientDescent(max_steps=5), "set solver to newton"),
        (StochasticGradientDescent(max_steps=1), "set solver to newton"),
    ],
)
def test_a_solver_that_stopped_short_is_told_on(solver: Solver, remedy: str) -> None:
    finding = only_finding(fitted(*draw(), solver))
    assert finding.symptom == "not_converged"
    assert solver.name in finding.what
    assert remedy in finding.remedy


@pytest.mark.parametrize("weight", [None, 100.0])
def test_a_walk_that_stopped_a_hair_before_the_optimum_is_not_told_on(weight: float | None) -> None:
    x, y = draw()
    weights = None if weight is None else np.full(len(y), weight)
    near = fitted(x, y, GradientDescent(max_steps=15 if weight is None else 30), weights=weights)
    assert near.solution.gradient_norm > 1e-6
    assert symptoms(near) == []
    far = fitted(x, y, GradientDescent(max_steps=6), weights=weights)
    assert symptoms(far) == ["not_converged"]


def test_an_early_stop_is_not_a_failure_to_converge() -> None:
    x, y = draw(n=80, d=10, noise=3.0)
    model = fitted(x, y, GradientDescent(patience=3))
    assert model.solution.end == "validation"
    assert "not_converged" not in symptoms(model)

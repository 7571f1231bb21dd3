"""Weights that nothing holds, and weights that play each other up."""

from __future__ import annotations

import re

import numpy as np
import pytest

from core.model import Floats
from tests.trainer.diagnostics.diagnosed_models import draw, draw_rare, finding_of, fitted, only_finding, symptoms
from trainer.solvers.base import Solver
from trainer.solvers.gradient_descent import GradientDescent
from trainer.solvers.newton import Newton
from trainer.solvers.stochastic_gradient_descent import StochasticGradientDescent
from trainer.table import Labels

FIRST_ORDER = [GradientDescent(c=np.inf, max_steps=50), StochasticGradientDescent(c=np.inf)]


def with_a_rare_mark(marked: int) -> tuple[Floats, Labels]:
    """Rows of which a few of class 1, and none of class 0, have feature c."""
    x, y = draw()
    x[:, 2] = 0.0
    x[np.flatnonzero(y == 1)[:marked], 2] = 1.0
    return x, y


def with_a_twin(x: Floats) -> Floats:
    """One more feature, that tells what the first one tells."""
    twin = x[:, 0] + 1e-3 * np.random.default_rng(1).normal(size=len(x))
    return np.column_stack([x, twin])


@pytest.mark.parametrize("solver", [Newton(c=np.inf), *FIRST_ORDER])
def test_separated_classes_are_said_once_with_what_separates_them(solver: Solver) -> None:
    x, y = draw(noise=0.0)
    x[:, 0] += np.where(y == 1, 0.2, -0.2)
    finding = only_finding(fitted(x, y, solver))
    assert finding.symptom == "weights_diverging"
    assert "complete separation, chiefly along 'a'" in finding.what
    assert "set inverse_l2" in finding.remedy


@pytest.mark.parametrize("solver", FIRST_ORDER)
@pytest.mark.parametrize("marked", [7, 60])
@pytest.mark.parametrize("weighted", [False, True])
def test_separation_that_a_gradient_method_cannot_see_is_found_behind_it(
    solver: Solver, marked: int, weighted: bool
) -> None:
    x, y = with_a_rare_mark(marked)
    finding = only_finding(fitted(x, y, solver, weights=np.ones(len(y)) if weighted else None))
    assert "quasi-complete separation, chiefly along 'c'" in finding.what


def test_large_weights_name_the_feature_that_tells_the_same() -> None:
    x, y = draw(noise=0.3)
    finding = only_finding(fitted(with_a_twin(x), y, Newton(c=np.inf)))
    assert finding.symptom == "weights_diverging"
    assert {"'a'", "'d'"} == set(re.findall(r"'\w'", finding.what))
    assert "set inverse_l2" in finding.remedy


def test_large_weights_hide_nothing_else() -> None:
    x, y = draw_rare()
    assert symptoms(fitted(x, y, Newton(c=np.inf))) == ["even_threshold"]
    both = fitted(with_a_twin(x), y, Newton(c=np.inf))
    assert symptoms(both) == ["weights_diverging", "even_threshold"]
    short = fitted(with_a_twin(x), y, Newton(c=np.inf, max_steps=3))
    assert symptoms(short)[:2] == ["weights_diverging", "not_converged"]


def test_separation_hides_its_consequences() -> None:
    x, y = draw_rare()
    x[:, 2] = np.where(y == 1, 1.0, -1.0) * (1.0 + np.abs(x[:, 2]))
    model = fitted(x, y, Newton(c=np.inf, max_steps=2))
    assert symptoms(model) == ["weights_diverging"]
    assert "separation" in finding_of(model, "weights_diverging").what

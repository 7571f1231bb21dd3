from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from core.model import Floats, sigmoid
from trainer.metrics.probability import log_loss
from trainer.promotion.recalibration import Recalibration
from trainer.table import Labels


def draw(n: int, seed: int, slope: float = 1.0, offset: float = 0.0) -> tuple[Labels, Floats]:
    """Outcomes, and what a model says of them that is off by a slope and an offset in the logit."""
    generator = np.random.default_rng(seed)
    logit = generator.normal(scale=2.0, size=n)
    y = (generator.random(n) < sigmoid(logit)).astype(np.uint8)
    return y, sigmoid(slope * logit + offset)


def exact_gain(y: Labels, p: Floats, weights: Floats) -> float:
    """The same by scikit-learn."""
    logit = (np.log(p) - np.log1p(-p))[:, np.newaxis]
    line = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-12).fit(logit, y, weights)
    return log_loss(y, p, weights) - log_loss(y, line.predict_proba(logit)[:, 1], weights)


def gain(y: Labels, p: Floats, weights: Floats) -> float:
    return float(Recalibration.of(y, p, weights).gain(weights[np.newaxis]).item())


@pytest.mark.parametrize(("slope", "offset"), [(1.0, 0.0), (1.7, 0.0), (0.4, 0.0), (1.0, 0.8), (3.0, -2.0)])
def test_the_gain_is_that_of_the_best_line(slope: float, offset: float) -> None:
    y, p = draw(1_500, 0, slope, offset)
    weights = np.random.default_rng(1).uniform(0.5, 2.0, size=1_500)
    assert gain(y, p, weights) == pytest.approx(exact_gain(y, p, weights), abs=1e-9)


def test_other_weightings_need_no_other_fit() -> None:
    y, p = draw(1_500, 2, 1.5, 0.3)
    rows = Recalibration.of(y, p, np.ones(1_500))
    times = np.random.default_rng(3).multinomial(1_500, np.full(1_500, 1 / 1_500), size=20).astype(float)
    exact = [exact_gain(y, p, each) for each in times]
    assert rows.gain(times) == pytest.approx(exact, rel=5e-3, abs=1e-5)


def test_a_calibrated_model_gains_what_chance_gives() -> None:
    gains = [gain(*draw(400, seed), np.ones(400)) for seed in range(300)]
    assert min(gains) >= 0
    assert np.mean(gains) == pytest.approx(2 / (2 * 400), rel=0.25)  # chi-squared with two degrees of freedom


@pytest.mark.parametrize("p", [np.array([0.0, 0.0, 1.0, 1.0]), np.full(4, 0.5), np.array([0.1, 0.2, 0.8, 0.9])])
def test_rows_that_can_be_separated_or_say_nothing_give_a_finite_gain(p: Floats) -> None:
    y = np.array([0, 0, 1, 1], dtype=np.uint8)
    found = gain(y, p, np.ones(4))
    assert 0 <= found <= log_loss(y, p)

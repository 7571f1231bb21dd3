"""How far probabilities are off: against scikit-learn's recalibration, and against chance."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from core.model import Floats, sigmoid
from trainer.diagnostics.miscalibration import BinnedError, Recalibration
from trainer.table import Labels


def draw(n: int, slope: float = 1.0, level: float = 0.0, seed: int = 0) -> tuple[Labels, Floats]:
    """Outcomes of log-odds slope * logit + level, and the probabilities of a model that says logit."""
    generator = np.random.default_rng(seed)
    logit = generator.normal(0.0, 1.5, n)
    return (generator.random(n) < sigmoid(slope * logit + level)).astype(np.uint8), sigmoid(logit)


def test_slope_and_gain_are_the_oracles() -> None:
    y, p = draw(2000, slope=0.5, level=1.0)
    logit = np.log(p / (1.0 - p))
    oracle = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-12).fit(logit[:, None], y)
    found = Recalibration.of(y, p)
    assert found.slope == pytest.approx(float(oracle.coef_.item()), abs=1e-6)
    best = oracle.predict_proba(logit[:, None])[:, 1]
    gain = 2.0 * (np.log(np.where(y == 1, best, 1.0 - best)) - np.log(np.where(y == 1, p, 1.0 - p))).sum()
    assert found.gain == pytest.approx(float(gain), rel=1e-6)
    assert found.gap == pytest.approx(float(np.abs(best - p).mean()), abs=1e-6)


def test_the_level_alone_makes_the_mean_probability_right() -> None:
    y, p = draw(2000, level=-1.0)
    found = Recalibration.of(y, p)
    logit = np.log(p / (1.0 - p))
    assert sigmoid(logit + found.level).mean() == pytest.approx(y.mean(), abs=1e-9)
    assert found.level == pytest.approx(-1.0, abs=0.2)
    assert found.level_gain > 20.0 * found.slope_gain


def test_a_wrong_slope_leaves_the_level_alone() -> None:
    found = Recalibration.of(*draw(2000, slope=3.0))
    assert found.slope_gain > 20.0 * found.level_gain
    assert found.slope == pytest.approx(3.0, abs=0.5)


def test_what_true_probabilities_gain_is_chance() -> None:
    gains = [Recalibration.of(*draw(300, seed=seed)).gain for seed in range(200)]
    # chi-squared with two degrees of freedom: mean 2, and 13.82 once in a thousand
    assert 1.5 < np.mean(gains) < 2.5
    assert max(gains) < 20.0


def test_probabilities_of_zero_and_one_are_judged_as_reported() -> None:
    y = np.array([0, 0, 0, 1, 1, 1], dtype=np.uint8)
    found = Recalibration.of(y, np.array([0.0, 0.0, 1.0, 1.0, 1.0, 0.0]))
    assert np.isfinite([found.level, found.slope, found.gain, found.gap]).all()
    assert found.slope < 0.1


def test_rows_that_the_logit_parts_have_no_largest_slope() -> None:
    found = Recalibration.of(np.array([0, 0, 1, 1], dtype=np.uint8), np.array([0.4, 0.45, 0.55, 0.6]))
    assert found.slope == np.inf
    assert np.isfinite(found.gain)


def test_floor_and_spread_are_those_of_true_probabilities() -> None:
    generator = np.random.default_rng(1)
    p = generator.random(500)
    draws = [BinnedError.of((generator.random(500) < p).astype(np.uint8), p) for _ in range(500)]
    errors = np.array([found.error for found in draws])
    assert errors.mean() == pytest.approx(draws[0].floor, rel=0.05)
    assert errors.std() == pytest.approx(draws[0].spread, rel=0.15)

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss as sklearn_log_loss

from core.model import Floats, LogisticModel
from trainer import loss
from trainer.metrics.probability import log_loss
from trainer.table import Table


@pytest.mark.parametrize("seed", range(5))
def test_probability_logit_and_loss_agree_with_scikit_learn_on_raisin(
    raisin: Table, standardised: Floats, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    theta = generator.normal(0.0, 0.7, 8)
    theirs = LogisticRegression()
    theirs.classes_ = np.array([0, 1])
    theirs.coef_, theirs.intercept_ = theta[None, :-1], theta[-1:]
    logit = theirs.decision_function(standardised)
    probability = theirs.predict_proba(standardised)[:, 1]
    center, scale = raisin.x.mean(axis=0), raisin.x.std(axis=0)
    scores = LogisticModel(raisin.schema, theta[:-1], float(theta[-1]), center, scale).score(raisin.x)
    np.testing.assert_allclose(scores.logit, logit, rtol=0, atol=1e-9)
    np.testing.assert_allclose(scores.probability, probability, rtol=0, atol=1e-9)
    np.testing.assert_allclose(loss.logits(theta, standardised), logit, rtol=0, atol=1e-9)
    assert log_loss(raisin.y, scores.probability) == pytest.approx(
        sklearn_log_loss(raisin.y, probability), abs=1e-9
    )
    assert loss.value(theta, standardised, raisin.y, np.inf) == pytest.approx(
        sklearn_log_loss(raisin.y, probability), abs=1e-9
    )


parameters = arrays(np.float64, 4, elements=st.floats(-3.0, 3.0))


@given(parameters, st.sampled_from([0.1, 1.0, 100.0, np.inf]), st.integers(0, 100))
def test_gradient_and_hessian_are_the_derivatives(theta: Floats, c: float, seed: int) -> None:
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(20, 3))
    y = generator.integers(0, 2, 20).astype(np.uint8)
    step = 1e-5
    slope = np.empty(4)
    curvature = np.empty((4, 4))
    for i, direction in enumerate(np.eye(4) * step):
        slope[i] = (loss.value(theta + direction, x, y, c) - loss.value(theta - direction, x, y, c)) / (2 * step)
        curvature[i] = (loss.gradient(theta + direction, x, y, c) - loss.gradient(theta - direction, x, y, c)) / (
            2 * step
        )
    np.testing.assert_allclose(loss.gradient(theta, x, y, c), slope, rtol=1e-5, atol=1e-7)
    summed = loss.penalised(loss.row_sums(loss.logits(theta, x), x, y), theta, c, 20.0)
    np.testing.assert_allclose(summed.hessian, curvature, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(summed.gradient, slope, rtol=1e-5, atol=1e-7)
    assert summed.value == pytest.approx(loss.value(theta, x, y, c), rel=1e-13)


def test_the_intercept_is_not_penalised() -> None:
    x, y = np.zeros((4, 2)), np.array([0, 1, 0, 1], dtype=np.uint8)
    only_intercept = np.array([0.0, 0.0, 3.0])
    assert loss.value(only_intercept, x, y, 0.01) == loss.value(only_intercept, x, y, np.inf)
    assert loss.value(np.array([1.0, 2.0, 0.0]), x, y, 0.5) == pytest.approx(np.log(2) + 5 / (2 * 0.5 * 4))


@given(st.floats(allow_nan=False), st.sampled_from([0, 1]))
def test_the_objective_is_stable_at_any_logit(logit: float, label: int) -> None:
    y = np.array([label], dtype=np.uint8)
    reached = loss.value(np.array([0.0, logit]), np.zeros((1, 1)), y, np.inf)
    wrong = max(-logit if label else logit, 0.0)
    assert reached == pytest.approx(wrong + np.log1p(np.exp(-abs(logit))))


@given(st.floats(allow_nan=False), st.sampled_from([0, 1]))
def test_a_reported_loss_is_finite_and_bounded(logit: float, label: int) -> None:
    reported = log_loss(np.array([label], dtype=np.uint8), loss.reported_probability(np.array([logit])))
    assert 0.0 <= reported <= 34.6

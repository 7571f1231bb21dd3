"""Golden values of the eight tickets, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from core.model import sigmoid
from tests.trainer.tickets import LENGTH, X, Y, flipped
from trainer.loss import gradient, logits, reported_probability, row_losses, value
from trainer.metrics.probability import log_loss
from trainer.solvers.base import Problem
from trainer.solvers.gradient_descent import GradientDescent
from trainer.solvers.newton import Newton
from trainer.table import Labels

ZERO = np.zeros(3)


def test_the_sigmoid_has_its_hand_values() -> None:
    found = sigmoid(np.array([-4.0, -1.0, 0.0, 1.0, 4.0]))
    np.testing.assert_allclose(found, [0.018, 0.269, 0.5, 0.731, 0.982], atol=5e-4)


def test_at_zero_weights_every_loss_is_that_of_a_coin() -> None:
    losses = row_losses(Y, reported_probability(logits(ZERO, X)))
    np.testing.assert_allclose(losses, np.full(8, 0.693), atol=5e-4)
    assert value(ZERO, X, Y, np.inf) == pytest.approx(np.log(2.0), abs=1e-15)


def test_the_gradient_of_the_fourth_ticket_has_its_hand_values() -> None:
    slope = gradient(ZERO, X[3:4], Y[3:4], np.inf)
    np.testing.assert_array_equal(slope, [-1.75, -3.0, -0.5])  # length, frustration, intercept


def test_the_loss_of_a_probability_has_its_hand_value() -> None:
    assert log_loss(np.array([1], dtype=np.uint8), np.array([0.82])) == pytest.approx(0.198, abs=5e-4)


@pytest.mark.parametrize("y", [Y, flipped()], ids=["as-given", "eighth-flipped"])
def test_the_tickets_are_separable_so_only_the_penalised_fit_has_an_optimum(y: Labels) -> None:
    free = Newton(c=np.inf).solve(Problem(X, y), 0)
    assert free.separation is not None
    assert free.separation.complete
    assert (free.end, free.converged) == ("separated", False)
    held = Newton(tolerance=1e-11).solve(Problem(X, y), 0)
    assert held.converged
    assert held.separation is None


def test_length_three_separates_the_tickets() -> None:
    np.testing.assert_array_equal(np.array(LENGTH) > 3.0, Y == 1)


def test_gradient_descent_walks_as_by_hand() -> None:
    solver = GradientDescent(learning_rate=0.8, max_steps=2000, c=np.inf)
    solution = solver.solve(Problem(X, Y), 0, ZERO)
    np.testing.assert_allclose(solution.coefficients, [2.25, 2.09], atol=0.005)
    assert solution.intercept == pytest.approx(-17.0, abs=0.05)
    assert solution.epoch.train_loss == pytest.approx(0.0195, abs=5e-5)
    assert not solution.converged
    assert solution.separation is not None
    assert solution.separation.kind == "complete"

"""Both proofs are sound wherever they are asked for, near an optimum or far from any."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from core.model import Floats
from tests.trainer.linear_program import separation_by_programming
from trainer.loss import logits, margins
from trainer.solvers.base import Problem
from trainer.solvers.newton import Newton
from trainer.solvers.newton_walk import look_behind
from trainer.solvers.objective import Objective, in_memory
from trainer.solvers.overlap import overlaps, proved_separation
from trainer.table import Labels

small_problems = given(
    seed=st.integers(0, 100_000), n=st.integers(4, 30), d=st.integers(1, 3), values=st.integers(2, 5)
)


def drawn(seed: int, n: int, d: int, values: int) -> tuple[Floats, Labels, Floats]:
    """Rows on a grid, their classes, and parameters anywhere."""
    generator = np.random.default_rng(seed)
    x = generator.integers(0, values, (n, d)).astype(np.float64)
    y = generator.integers(0, 2, n).astype(np.uint8)
    y[:2] = 0, 1
    return x, y, generator.normal(size=d + 1) * 10.0 ** generator.uniform(-2, 2)


def free_objective(x: Floats, y: Labels, weights: Floats | None = None) -> Objective:
    return in_memory(Problem(x, y, weights=weights), np.inf)


@small_problems
@settings(max_examples=300, deadline=None)
def test_no_proof_contradicts_linear_programming_whatever_the_parameters(
    seed: int, n: int, d: int, values: int
) -> None:
    x, y, theta = drawn(seed, n, d, values)
    objective = free_objective(x, y)
    here = objective.at(theta)
    separation = proved_separation(objective.blocks, here)
    if overlaps(objective.blocks, here):
        assert separation is None
        assert separation_by_programming(x, y) is None
    if separation is not None:
        side = margins(logits(separation.direction, x), y)
        assert side.min() >= -1e-7 * side.max()
        assert separation_by_programming(x, y) is not None


@small_problems
@settings(max_examples=150, deadline=None)
def test_looking_behind_any_parameters_tells_what_linear_programming_does(
    seed: int, n: int, d: int, values: int
) -> None:
    x, y, theta = drawn(seed, n, d, values)
    found = look_behind(free_objective(x, y), theta)
    assert found is not None
    kind = None if found.separation is None else found.separation.kind
    assert kind == separation_by_programming(x, y)
    assert found.end == ("gradient" if kind is None else "separated")


def test_overlap_is_proved_far_from_the_optimum() -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(400, 3))
    y = (x[:, 0] + generator.logistic(size=400) > 0).astype(np.uint8)
    objective = free_objective(x, y)
    optimum = Newton(c=np.inf).solve(Problem(x, y), 0)
    here = objective.at(optimum.theta + 0.05)
    assert here.norm > 1e-3
    assert overlaps(objective.blocks, here)


def test_rows_without_weight_prove_nothing() -> None:
    x = np.array([-2.0, -1.0, 1.0, 2.0, 3.0])[:, None]
    y = np.array([0, 0, 1, 1, 0], dtype=np.uint8)
    weights = np.array([1.0, 1.0, 1.0, 1.0, 0.0])
    for theta in (np.zeros(2), np.array([1.0, -0.2]), np.array([5.0, 3.0])):
        assert not overlaps((objective := free_objective(x, y, weights)).blocks, objective.at(theta))
    found = look_behind(free_objective(x, y, weights), np.zeros(2))
    assert found is not None
    assert found.separation is not None
    assert found.separation.complete


def test_parameters_so_far_out_that_nothing_curves_prove_nothing_false() -> None:
    generator = np.random.default_rng(1)
    x = generator.normal(size=(50, 2))
    y = generator.integers(0, 2, 50).astype(np.uint8)
    objective = free_objective(x, y)
    for size in (1e3, 1e6, 1e200, 1e308):
        here = objective.at(np.array([size, -size, size]))
        assert proved_separation(objective.blocks, here) is None
        assert not overlaps(objective.blocks, here)

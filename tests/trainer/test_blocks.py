"""Newton's method over blocks that are read anew for every pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import DataError
from core.model import Floats
from core.profile import profile_rows
from trainer.solvers.balanced_classes import BalancedClasses
from trainer.solvers.base import Problem
from trainer.solvers.blocks import solve_blocks
from trainer.solvers.moments import block_moments
from trainer.solvers.newton import Newton
from trainer.solvers.objective import Block
from trainer.table import Labels


@dataclass
class Blocks:
    """Blocks of ``rows`` rows, and how often they were read."""

    x: Floats
    y: Labels
    rows: int
    weights: Floats | None = None
    passes: list[int] = field(default_factory=list)  #: largest block of each pass

    def __iter__(self) -> Iterator[Block]:
        self.passes.append(0)
        for start in range(0, len(self.y), self.rows):
            rows = slice(start, start + self.rows)
            self.passes[-1] = max(self.passes[-1], len(self.y[rows]))
            yield Block(self.x[rows], self.y[rows], None if self.weights is None else self.weights[rows])


def draw(seed: int = 0, n: int = 400, d: int = 4) -> tuple[Floats, Labels]:
    generator = np.random.default_rng(seed)
    x = 100.0 + 5.0 * generator.normal(size=(n, d))
    y = ((x[:, 0] - 100.0) / 5.0 + generator.logistic(size=n) > 0).astype(np.uint8)
    return x, y


@given(seed=st.integers(0, 1000), rows=st.integers(1, 500))
@settings(max_examples=40, deadline=None)
def test_moments_of_blocks_are_those_of_all_rows(seed: int, rows: int) -> None:
    x, y = draw(seed)
    x[:, 3] = 0.1
    moments = block_moments(Blocks(x, y, rows))
    profile = profile_rows(x, ("a", "b", "c", "d"), 0)
    np.testing.assert_allclose(moments.mean, profile.mean, rtol=1e-13)
    np.testing.assert_allclose(moments.standard_deviation, profile.standard_deviation, rtol=1e-11)
    assert moments.standard_deviation[3] == 0.0
    assert (moments.rows, moments.class1_rows) == (400, int(y.sum()))


@pytest.mark.parametrize("c", [0.1, 1.0, np.inf])
def test_the_optimum_is_that_of_all_rows_at_once(c: float) -> None:
    x, y = draw()
    profile = profile_rows(x, ("a", "b", "c", "d"), 0)
    weights = np.random.default_rng(0).gamma(1.0, size=400)
    found = solve_blocks(Blocks(x, y, 37, weights), c=c, tolerance=1e-11)
    whole = Newton(c=c, tolerance=1e-11).solve(Problem(profile.standardise(x), y, weights=weights), 0)
    assert found.converged
    np.testing.assert_allclose(np.append(found.coefficients, found.intercept), whole.theta, rtol=0, atol=1e-9)
    assert found.objective == pytest.approx(whole.epoch.objective, abs=1e-14)


def test_it_takes_a_pass_a_step_and_no_more_than_a_block_at_once() -> None:
    blocks = Blocks(*draw(), 50)
    found = solve_blocks(blocks)
    assert len(blocks.passes) == found.steps + 2
    assert found.steps <= 7
    assert max(blocks.passes) == 50


def test_a_warm_start_saves_the_steps() -> None:
    x, y = draw()
    found = solve_blocks(Blocks(x, y, 50))
    again = solve_blocks(Blocks(x, y, 60), start=np.append(found.coefficients, found.intercept))
    assert again.steps == 0
    assert again.converged


def test_complete_separation_without_penalty_is_no_optimum() -> None:
    x = np.arange(20.0)[:, None]
    y = (x[:, 0] > 9).astype(np.uint8)
    found = solve_blocks(Blocks(x, y, 7), c=np.inf)
    assert (found.end, found.converged) == ("separated", False)
    assert found.separation is not None
    assert found.separation.complete
    assert np.isfinite(found.coefficients).all()
    whole = Newton(c=np.inf).solve(Problem(found.moments.standardise(x), y), 0)
    assert found.steps == len(whole.history)  # both stop at the first plane that separates
    assert solve_blocks(Blocks(x, y, 7)).converged


def test_steps_that_run_out_have_not_converged() -> None:
    found = solve_blocks(Blocks(*draw(), 50), max_steps=1)
    assert (found.steps, found.converged) == (1, False)


def test_blocks_that_cannot_be_solved_are_refused() -> None:
    x, y = draw()
    with pytest.raises(DataError, match="hold no rows"):
        solve_blocks([])
    with pytest.raises(DataError, match="of one class"):
        solve_blocks(Blocks(x, np.ones_like(y), 50))
    with pytest.raises(DataError, match="starts anew"):
        solve_blocks(iter(Blocks(x, y, 50)))


def test_rows_without_weight_keep_no_block_from_being_separated() -> None:
    x = np.array([-2.0, -1.0, 1.0, 2.0, 3.0])[:, None]
    y = np.array([0, 0, 1, 1, 0], dtype=np.uint8)
    found = solve_blocks(Blocks(x, y, 4, np.array([1.0, 1.0, 1.0, 1.0, 0.0])), c=np.inf)
    assert found.separation is not None
    assert (found.separation.complete, found.converged) == (True, False)
    assert found.steps == 1  # the first plane separates the rows that count
    assert solve_blocks(Blocks(x, y, 4), c=np.inf).converged


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e200])
def test_values_that_no_sum_can_hold_are_refused_with_their_place(value: float) -> None:
    x, y = draw()
    x[130, 2] = value
    with pytest.raises(DataError, match=r"row 131 of the blocks holds .* in column 3"):
        solve_blocks(Blocks(x, y, 50))


@pytest.mark.parametrize(
    "odd", [Block(np.zeros((5, 3)), np.zeros(5, np.uint8)), Block(np.zeros(4), np.zeros(4, np.uint8))]
)
def test_blocks_whose_parts_do_not_fit_together_are_refused(odd: Block) -> None:
    fitting = Block(*draw())
    for blocks in ([fitting, odd], [odd, fitting]):
        with pytest.raises(DataError, match="as many columns in each block"):
            solve_blocks(blocks)


@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf])
def test_impossible_weights_of_a_block_are_refused(weight: float) -> None:
    x, y = draw()
    weights = np.ones(400)
    weights[7] = weight
    with pytest.raises(DataError, match="the weight of row 7 is"):
        solve_blocks(Blocks(x, y, 50, weights))


def test_a_class_without_any_weight_is_refused() -> None:
    x, y = draw()
    with pytest.raises(DataError, match="of any weight are of one class"):
        solve_blocks(Blocks(x, y, 50, (y == 0).astype(np.float64)))


def test_a_block_of_rows_without_weight_does_no_harm() -> None:
    x, y = draw()
    weights = np.ones(400)
    weights[:100] = 0.0
    found = solve_blocks(Blocks(x, y, 50, weights), tolerance=1e-11)
    z = found.moments.standardise(x)
    whole = Newton(tolerance=1e-11).solve(Problem(z[100:], y[100:]), 0)
    np.testing.assert_allclose(found.theta, whole.theta, rtol=0, atol=1e-9)


def test_balanced_blocks_are_solved_as_balanced_rows() -> None:
    x, y = draw(n=800)
    y[x[:, 1] > 98.0] = 0
    weights = np.random.default_rng(1).gamma(1.0, size=800)
    found = solve_blocks(Blocks(x, y, 37, weights), balanced=True, tolerance=1e-11)
    z = found.moments.standardise(x)
    whole = BalancedClasses(Newton(tolerance=1e-11)).solve(Problem(z, y, weights=weights), 0)
    np.testing.assert_allclose(found.theta, whole.theta, rtol=0, atol=1e-9)


@pytest.mark.parametrize("size", [1e2, 1e6, np.nan])
def test_a_start_that_is_worse_than_none_is_not_taken(size: float) -> None:
    x, y = draw()
    far = np.array([-size, size, 0.0, 0.0, size])
    started, cold = solve_blocks(Blocks(x, y, 50), start=far), solve_blocks(Blocks(x, y, 50))
    assert started.converged
    assert started.theta.tobytes() == cold.theta.tobytes()


def test_a_start_of_another_width_is_refused() -> None:
    with pytest.raises(DataError, match="pass 5 parameters"):
        solve_blocks(Blocks(*draw(), 50), start=np.zeros(9))


def test_the_proof_of_an_optimum_takes_one_pass() -> None:
    blocks = Blocks(*draw(), 50)
    found = solve_blocks(blocks, c=np.inf)
    assert found.converged
    # moments, start, steps, and the proof that the classes overlap
    assert len(blocks.passes) == found.steps + 3

"""How often a solver reads the rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from trainer.solvers.base import Problem
from trainer.solvers.gradient_descent import GradientDescent
from trainer.solvers.newton import Newton
from trainer.solvers.stochastic_gradient_descent import StochasticGradientDescent


class CountedRows(np.ndarray[Any, np.dtype[np.float64]]):
    """Rows that count how many of them were multiplied with parameters."""

    multiplied = 0

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        plain = [np.asarray(each) if isinstance(each, CountedRows) else each for each in inputs]
        if ufunc is np.matmul and isinstance(inputs[0], CountedRows) and np.ndim(plain[1]) == 1:
            CountedRows.multiplied += len(plain[0])
        result = getattr(ufunc, method)(*plain, **kwargs)
        return result.view(CountedRows) if isinstance(result, np.ndarray) and result.ndim == 2 else result


@pytest.mark.parametrize("patience", [None, 50])
@pytest.mark.parametrize(
    "solver", [Newton(), GradientDescent(max_steps=30), StochasticGradientDescent(max_steps=30)]
)
def test_a_step_multiplies_the_rows_with_the_parameters_once(solver: Any, patience: int | None) -> None:
    generator = np.random.default_rng(25)
    x = generator.normal(size=(200, 3))
    y = (x[:, 0] + generator.logistic(size=200) > 0).astype(np.uint8)
    steps_to_count = []
    for rows in (200, 100):  # batches are counted too, and in both halves alike
        counted = x[:rows].copy().view(CountedRows)
        CountedRows.multiplied = 0
        problem = Problem(counted, y[:rows], x, y)
        solution = replace(solver, patience=patience).solve(problem, 0)
        batches = rows * len(solution.history) * isinstance(solver, StochasticGradientDescent)
        steps_to_count.append((CountedRows.multiplied - batches) / rows - len(solution.history))
    # beside the steps: the place of the start, and where batches are taken nothing more
    assert max(steps_to_count) <= 1.0

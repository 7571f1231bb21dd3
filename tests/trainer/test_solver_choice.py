"""The solver of the settings."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import SettingsError
from core.settings import Settings
from trainer.solvers.balanced_classes import BalancedClasses
from trainer.solvers.block_newton import BlockNewton
from trainer.solvers.choice import chosen_block_solver, chosen_solver
from trainer.solvers.gradient_descent import GradientDescent
from trainer.solvers.stochastic_gradient_descent import StochasticGradientDescent
from trainer.solvers.subsampled_newton import SubsampledNewton


def test_each_setting_reaches_its_solver() -> None:
    asked: dict[str, Any] = {"inverse_l2": 0.5, "max_steps": 7, "early_stopping_steps": 3}
    assert chosen_solver(Settings(**asked)) == SubsampledNewton(c=0.5, max_steps=7, patience=3)
    assert chosen_solver(Settings(solver="gradient_descent", learning_rate=0.1, **asked)) == GradientDescent(
        learning_rate=0.1, c=0.5, max_steps=7, patience=3
    )
    assert chosen_solver(Settings(solver="sgd", class_weight="balanced", **asked)) == BalancedClasses(
        StochasticGradientDescent(c=0.5, max_steps=7, patience=3)
    )


def test_in_blocks_only_newton_solves_and_takes_all_its_steps() -> None:
    assert chosen_block_solver(Settings(inverse_l2=0.5, max_steps=7)) == BlockNewton(c=0.5, max_steps=7)
    assert chosen_block_solver(Settings()) == BlockNewton()
    for solver in ("gradient_descent", "sgd"):
        with pytest.raises(SettingsError, match=f"solver is {solver}, .*leave out --blocks"):
            chosen_block_solver(Settings(solver=solver))
    with pytest.raises(SettingsError, match=r"early_stopping_steps is 3, .*leave out --blocks"):
        chosen_block_solver(Settings(early_stopping_steps=3))

"""The solver that the settings ask for."""

from __future__ import annotations

from core.errors import SettingsError
from core.settings import Settings
from trainer.solvers.balanced_classes import BalancedClasses
from trainer.solvers.base import Solver
from trainer.solvers.block_newton import BlockNewton
from trainer.solvers.gradient_descent import GradientDescent
from trainer.solvers.stochastic_gradient_descent import StochasticGradientDescent
from trainer.solvers.subsampled_newton import SubsampledNewton


def chosen_solver(settings: Settings) -> Solver:
    """``solver`` with L2 of inverse strength ``inverse_l2``, its own steps unless set, and ``class_weight``."""
    solver = _plain_solver(settings)
    return BalancedClasses(solver) if settings.class_weight == "balanced" else solver


def chosen_block_solver(settings: Settings) -> BlockNewton:
    """The same of rows in blocks, but for ``class_weight``.

    Raises
    ------
    SettingsError
        Another solver than newton, or early stopping: each of their many steps would be a pass over the file.
    """
    if settings.solver != "newton":
        raise SettingsError(
            f"solver is {settings.solver}, which takes hundreds of passes; set it to newton, or leave out --blocks"
        )
    if settings.early_stopping_steps is not None:
        raise SettingsError(
            f"early_stopping_steps is {settings.early_stopping_steps}, and newton in blocks takes few steps and "
            "all of them; unset it, or leave out --blocks"
        )
    return BlockNewton(c=settings.inverse_l2, max_steps=settings.max_steps or BlockNewton.max_steps)


def _plain_solver(settings: Settings) -> Solver:
    c, rate, patience = settings.inverse_l2, settings.learning_rate, settings.early_stopping_steps
    if settings.solver == "gradient_descent":
        steps = settings.max_steps or GradientDescent.max_steps
        return GradientDescent(learning_rate=rate, max_steps=steps, c=c, patience=patience)
    if settings.solver == "sgd":
        steps = settings.max_steps or StochasticGradientDescent.max_steps
        return StochasticGradientDescent(learning_rate=rate, max_steps=steps, c=c, patience=patience)
    steps = settings.max_steps or SubsampledNewton.max_steps
    return SubsampledNewton(c=c, max_steps=steps, patience=patience)

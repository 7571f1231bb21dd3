"""The solver that the settings ask for."""

from __future__ import annotations

from core.settings import Settings
from trainer.solvers.base import Solver
from trainer.solvers.gradient_descent import GradientDescent
from trainer.solvers.newton import Newton


def chosen_solver(settings: Settings) -> Solver:
    """Newton or gradient descent, with L2 of inverse strength ``inverse_l2``."""
    if settings.solver == "gradient_descent":
        return GradientDescent(c=settings.inverse_l2)
    return Newton(c=settings.inverse_l2)

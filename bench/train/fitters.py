"""What is timed: our default solver and scikit-learn's two fastest, at one tolerance, by one call."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import sklearn
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from core.model import Floats
from trainer.solvers.base import Problem
from trainer.solvers.subsampled_newton import SubsampledNewton
from trainer.table import Labels

#: On the largest component of the gradient of the mean loss, for everyone.
TOLERANCE = 1e-6
#: Inverse strength of L2: everyone's default.
C = 1.0
#: More steps than anyone needs.
_MAX_STEPS = 10_000

OURS = "streamgauge"


class Fit(NamedTuple):
    """Where a fitter arrived."""

    theta: Floats  #: (d + 1,)
    steps: int


Fitter = Callable[[Floats, Labels], Fit]


def _ours(x: Floats, y: Labels) -> Fit:
    solution = SubsampledNewton(c=C, tolerance=TOLERANCE, max_steps=_MAX_STEPS).solve(Problem(x, y), 0)
    return Fit(solution.theta, len(solution.history))


def _sklearn(solver: str) -> Fitter:
    def fit(x: Floats, y: Labels) -> Fit:
        model = LogisticRegression(C=C, solver=solver, tol=TOLERANCE, max_iter=_MAX_STEPS)
        # our solver takes its rows as finite; so may theirs, which saves it a pass
        with sklearn.config_context(assume_finite=True), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the gradient is looked at afterwards
            model.fit(x, y)
        return Fit(np.append(model.coef_[0], model.intercept_[0]), int(model.n_iter_[0]))

    return fit


PEERS: dict[str, Fitter] = {f"scikit-learn {solver}": _sklearn(solver) for solver in ("lbfgs", "newton-cholesky")}
FITTERS: dict[str, Fitter] = {OURS: _ours, **PEERS}


def largest_gradient(theta: Floats, x: Floats, y: Labels) -> float:
    """Largest component of the gradient of mean loss and penalty, written out anew: no solver's own code."""
    probability = 0.5 * (1.0 + np.tanh(0.5 * (x @ theta[:-1] + theta[-1])))
    wrong = probability - y
    slopes = x.T @ wrong / len(y) + theta[:-1] / (C * len(y))
    return float(max(np.abs(slopes).max(), abs(wrong.mean())))

"""Findings of a solver's walk: it went the wrong way, or it stopped short."""

from __future__ import annotations

import numpy as np

from trainer.diagnostics.arrival import arrived
from trainer.diagnostics.evidence import Evidence
from trainer.diagnostics.finding import Finding
from trainer.solvers.gradient_descent import GradientDescent, steepest_curvature
from trainer.solvers.stochastic_gradient_descent import StochasticGradientDescent

#: The loss rises where the objective grows by this share in a step, as noise of small batches does not.
RISE = 0.01
#: And does so in more than this share of the steps.
RISING_STEPS = 0.1
#: The objective where all weights are zero, whatever the rows weigh.
OF_ZERO_WEIGHTS = float(np.log(2.0))


def loss_rising(evidence: Evidence) -> Finding | None:
    """The objective grew on the way, or to more than a number holds: the steps are too long."""
    if not evidence.solver.first_order:
        return None
    # a start that is worse than knowing nothing is not taken: no walk begins above zero weights
    course = np.array([OF_ZERO_WEIGHTS, *(epoch.objective for epoch in evidence.solution.history)])
    rises = int((course[1:] > (1.0 + RISE) * course[:-1]).sum())
    steps, least, last = evidence.solution.history[-1].step, float(course.min()), float(course[-1])
    # a gradient method stands still only where its next step leads beyond all numbers
    overflowed = evidence.solution.end == "standstill"
    if not overflowed and last <= (1.0 + RISE) * least and rises <= RISING_STEPS * steps:
        return None
    if overflowed:
        seen = f"the loss grew beyond what a number holds in step {steps}"
    else:
        seen = f"the loss rose in {rises} of {steps} steps, to {last:.3g} from {least:.3g} at best"
    why, remedy = _too_long(evidence)
    return Finding("loss_rising", f"{seen}, because {why}", remedy)


def not_converged(evidence: Evidence) -> Finding | None:
    """The gradient did not vanish, and no early stop was asked for; a gradient method may all the same be near."""
    solution = evidence.solution
    if arrived(evidence.solver, evidence.problem, solution):
        return None
    steps = solution.history[-1].step
    if evidence.solver.first_order:
        remedy = "set solver to newton, which arrives on nearly collinear features too, or raise max_steps"
    elif solution.end == "max_steps":
        remedy = "raise max_steps"
    elif evidence.penalised:
        remedy = "rescale features of extreme values, or lower inverse_l2"
    else:
        remedy = "set inverse_l2 to a finite value, such as 1, or look for features that tell the same"
    return Finding(
        "not_converged",
        f"{evidence.solver.name} stopped after {steps} step{'s' * (steps > 1)} without converging "
        f"(gradient {solution.gradient_norm:.1e})",
        remedy,
    )


def _too_long(evidence: Evidence) -> tuple[str, str]:
    """Why the steps are too long, and what to do."""
    solver = evidence.plain_solver
    if not isinstance(solver, GradientDescent | StochasticGradientDescent) or solver.learning_rate is None:
        return "its steps are too long for single batches of this data", "set solver to newton"
    why = f"steps of learning rate {solver.learning_rate:g} are too long for this data"
    if isinstance(solver, StochasticGradientDescent):
        return why, "unset learning_rate, or set it to a tenth"
    safe = 1.0 / steepest_curvature(evidence.solved, solver.c)
    return why, f"set learning_rate to {safe:.2g} or less, or unset it"

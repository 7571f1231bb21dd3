"""A model that was trained elsewhere, in the place of a solver: it has arrived before it starts."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from core.miniflow import Parameter
from core.model import Floats, LogisticModel
from trainer.imported.document import ImportedModel
from trainer.imported.match import model_of
from trainer.solvers.base import Problem, Solution
from trainer.table import Table


@dataclass(frozen=True)
class Imported:
    """Gives back the parameters of a model, whatever the rows say.

    So a model that was trained elsewhere goes the way of every fit: profile, drift reference, figures, run.
    """

    model: LogisticModel = field(compare=False)
    theta: Floats = field(compare=False, repr=False)  #: (d + 1,) on features standardised by the training rows
    source: ImportedModel = field(compare=False, repr=False)

    @classmethod
    def of(cls, imported: ImportedModel, table: Table, mean: Floats, deviation: Floats) -> Imported:
        """For rows that are standardised by ``mean`` and ``deviation`` (d,), 0 where a feature is constant."""
        model = model_of(imported, table, mean, deviation)
        slopes = model.coefficients / model.scale
        intercept = model.intercept + float(slopes @ (mean - model.center))
        return cls(model, np.append(slopes * deviation, intercept), imported)

    @property
    def name(self) -> str:
        """Stands in parameters and model cards."""
        return "scikit-learn"

    @property
    def params(self) -> dict[str, Parameter]:
        """What the run records of the file."""
        return self.source.params

    @property
    def c(self) -> float:
        """Inverse strength of L2 it was trained with; 1, scikit-learn's own, where the file does not tell."""
        return 1.0 if self.source.inverse_l2 is None else self.source.inverse_l2

    @property
    def first_order(self) -> bool:
        """It follows nothing."""
        return False

    @property
    def stops_early(self) -> bool:
        """No rows decide where it stops."""
        return False

    def solve(self, problem: Problem, seed: int, start: Floats | None = None) -> Solution:  # noqa: ARG002  (there is nothing to solve)
        """The parameters as they are; see :class:`trainer.solvers.base.Solver`."""
        return Solution(
            coefficients=self.theta[:-1].copy(),
            intercept=float(self.theta[-1]),
            converged=True,  # as far as anyone here can say: its training rows are not known
            gradient_norm=float(np.abs(problem.gradient(self.theta, self.c)).max()),
            history=(problem.epoch(1, self.theta, problem.value(self.theta, self.c)),),
            end="gradient",
            best_step=1,
        )

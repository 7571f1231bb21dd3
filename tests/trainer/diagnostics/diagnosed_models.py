"""Tables whose symptoms are known, and what is said of the models that are fitted to them."""

from __future__ import annotations

import numpy as np

from core.model import Floats, LogisticModel
from trainer.decision import Choices
from trainer.diagnostics.finding import Finding
from trainer.fit import NO_CHOICES, FittedModel, fit
from trainer.solvers.base import Solver
from trainer.solvers.newton import Newton
from trainer.split import Split
from trainer.table import Labels, Table


def draw(n: int = 600, d: int = 3, noise: float = 1.0, seed: int = 0) -> tuple[Floats, Labels]:
    """Rows whose class hangs on the first feature."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, d))
    return x, (2.0 * x[:, 0] + noise * generator.logistic(size=n) > 0).astype(np.uint8)


def draw_rare(n: int = 4000, seed: int = 0) -> tuple[Floats, Labels]:
    """Rows of which 5 % are of class 1."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, 3))
    return x, (1.5 * x[:, 0] + x[:, 1] - 4.0 + generator.logistic(size=n) > 0).astype(np.uint8)


def fitted(
    x: Floats,
    y: Labels,
    solver: Solver | None = None,
    *,
    choices: Choices = NO_CHOICES,
    split: Split | None = None,
    weights: Floats | None = None,
    start: LogisticModel | None = None,
) -> FittedModel:
    """A model of features a, b, c and so on."""
    features = tuple("abcdefghijklmnopqrstuvwxyz"[: x.shape[1]])
    return fit(
        Table(features, x, y, ("no", "yes")),
        seed=0,
        solver=solver or Newton(),
        ordered=False,
        choices=choices,
        split=split,
        weights=weights,
        start=start,
    )


def first(rows: int, of: int) -> Split:
    """The first rows train, the others judge."""
    return Split(np.arange(rows), np.arange(rows, of))


def symptoms(model: FittedModel) -> list[str]:
    return [finding.symptom for finding in model.findings]


def only_finding(model: FittedModel) -> Finding:
    (finding,) = model.findings
    return finding


def finding_of(model: FittedModel, symptom: str) -> Finding:
    (finding,) = (each for each in model.findings if each.symptom == symptom)
    return finding

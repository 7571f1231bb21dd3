"""The problems that solvers are timed on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.model import Floats
from trainer.table import Labels

#: What is special about the features or the classes of a case.
Kind = Literal["related", "independent", "rare", "collinear", "correlated", "imbalanced"]

#: Deviation of the true logits: probabilities from .05 to .95, as of a model worth having.
_LOGIT_DEVIATION = 1.5
#: Share of ones of a rare binary feature, and what they add to the logit.
_RARE_SHARE, _RARE_EFFECT = 1e-4, 2.0
#: Correlation of any two features by a common factor: those of tables are never independent.
_RELATED = 0.3
#: Between one feature and the next where they are correlated.
_CORRELATION = 0.95
#: Quantile of the noisy logit that leaves one row of class 1 to ten of class 0.
_IMBALANCE = 10.0 / 11.0


@dataclass(frozen=True)
class Case:
    """Rows, features, and the most that our time may be of the fastest peer's."""

    rows: int
    width: int
    kind: Kind = "related"
    at_most: float | None = None  #: None: shown, without a target

    @property
    def name(self) -> str:
        """Stands in results and tables."""
        what = {
            "related": "",
            "independent": ", independent",
            "rare": ", one rare binary feature",
            "collinear": ", collinear",
            "correlated": ", correlated .95",
            "imbalanced": ", imbalanced 10:1",
        }[self.kind]
        return f"{self.rows:,} x {self.width}{what}"

    def draw(self, seed: int) -> tuple[Floats, Labels]:
        """Standardised rows (n, d) and labels (n,) whose log-odds are linear in them."""
        generator = np.random.default_rng([seed, self.rows, self.width])
        x = generator.normal(size=(self.rows, self.width))
        effects = generator.normal(size=self.width)
        effects *= _LOGIT_DEVIATION / np.linalg.norm(effects)
        if self.kind not in {"independent", "correlated"}:
            x *= np.sqrt(1.0 - _RELATED)
            x += np.sqrt(_RELATED) * generator.normal(size=(self.rows, 1))
        if self.kind == "rare":
            x[:, -1] = generator.random(self.rows) < _RARE_SHARE
            x[:2, -1] = (0.0, 1.0)  # a draw without any ones is no such feature
        elif self.kind == "collinear":
            x[:, -1], x[:, -2] = x[:, 0] + x[:, 1], x[:, 2]
        elif self.kind == "correlated":
            for column in range(1, self.width):
                x[:, column] *= np.sqrt(1.0 - _CORRELATION**2)
                x[:, column] += _CORRELATION * x[:, column - 1]
        x -= x.mean(axis=0)
        deviations = x.std(axis=0)
        x /= deviations
        if self.kind == "rare":
            effects[-1] = _RARE_EFFECT * deviations[-1]
        noisy = x @ effects + generator.logistic(size=self.rows)
        edge = np.quantile(noisy, _IMBALANCE) if self.kind == "imbalanced" else 0.0
        return x, (noisy > edge).astype(np.uint8)


#: The issue's three sizes, with its targets; then again with features that are easier for lbfgs than any others.
CASES = (
    Case(100_000, 20, at_most=0.35),
    Case(1_000_000, 20, at_most=0.22),
    Case(200_000, 100, at_most=0.5),
    Case(100_000, 20, "independent", at_most=0.35),
    Case(1_000_000, 20, "independent", at_most=0.22),
    Case(200_000, 100, "independent", at_most=0.5),
    Case(100_000, 20, "rare"),
    Case(1_000_000, 20, "rare"),
    Case(100_000, 20, "collinear"),
    Case(100_000, 20, "correlated"),
    Case(100_000, 20, "imbalanced"),
    Case(900, 7),
)
#: ``--quick``: whether the bench runs.
QUICK_CASES = (Case(40_000, 5, at_most=1.0), Case(40_000, 5, "rare"), Case(900, 7))

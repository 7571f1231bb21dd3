"""Candidate and production on the same rows: everything that the promotion rule looks at."""

from __future__ import annotations

import msgspec
import numpy as np

from core.model import Floats
from core.model_file import ModelFile
from trainer.evaluation import Evaluation, EvaluationIntervals, evaluate, evaluation_intervals
from trainer.fit import probability
from trainer.holdout import Holdout
from trainer.metrics.bootstrap import Bootstrap
from trainer.promotion.guardrail import Guardrail, Side, guardrails, resampling
from trainer.promotion.paired_test import PairedTest, log_loss_differences, paired_test
from trainer.table import Labels
from trainer.training_rows import known_among, row_prints


class Duel(msgspec.Struct, frozen=True):
    """Figures of both models, each at its own operating point, and what tells them apart."""

    candidate: Evaluation
    production: Evaluation
    difference: PairedTest
    guardrails: tuple[Guardrail, ...] = ()
    candidate_intervals: EvaluationIntervals | None = None
    production_intervals: EvaluationIntervals | None = None
    weighted: bool = False  #: whether the rows counted by weights of their own

    def metrics(self, rows: str) -> dict[str, float | None]:
        """The figures by name, after the name of the ``rows``."""
        sides = (("candidate", self.candidate), ("production", self.production))
        return {
            f"{rows}_{side}_{name}": getattr(evaluation, name)
            for side, evaluation in sides
            for name in ("log_loss", "accuracy", "auc", "brier", "recall", "expected_calibration_error")
        } | {f"{rows}_rows": self.candidate.rows}


def duel(
    candidate: ModelFile,
    production: ModelFile,
    rows: Holdout,
    *,
    weights: Floats | None = None,
    neighbours: Holdout | None = None,
    bootstrap: Bootstrap | None = None,
    after_drift: bool = False,
) -> Duel:
    """Both models on the same rows (at least one) of their common schema, as they are deployed.

    Neither may have been trained, calibrated or given its threshold on these rows; where production was, it has
    the advantage, never the candidate.

    Parameters
    ----------
    weights
        (n,) how much each row counts, in the test and in all figures.
    neighbours
        Rows in the order of time that tell how much such rows have in common: see :func:`paired_test`.
    bootstrap
        How the intervals are resampled; None: by the number of rows.
    after_drift
        Whether production's operating point may have drifted away from what was chosen.
    """
    p_candidate, p_production = (probability(model.model, rows.x) for model in (candidate, production))
    series = None
    if neighbours is not None:
        said = (probability(model.model, neighbours.x) for model in (candidate, production))
        series = log_loss_differences(neighbours.y, *said)
    return compare(
        rows.y,
        Side(p_candidate, candidate.model.threshold),
        Side(p_production, production.model.threshold),
        weights=weights,
        neighbours=series,
        bootstrap=bootstrap,
        after_drift=after_drift,
    )


def compare(
    y: Labels,
    candidate: Side,
    production: Side,
    *,
    weights: Floats | None = None,
    neighbours: Floats | None = None,
    bootstrap: Bootstrap | None = None,
    after_drift: bool = False,
    intervals: bool = True,
) -> Duel:
    """The same of outcomes (n,) and what both models say of them; figures without ``intervals`` cost little."""
    resamples = bootstrap or resampling(len(y))
    sides = (candidate, production)
    finite = all(np.isfinite(side.probability).all() for side in sides)
    test = paired_test(y, candidate.probability, production.probability, weights, neighbours)
    figures = [evaluate(y, side.probability, side.threshold, weights) for side in sides]
    spans: list[EvaluationIntervals | None] = [None, None]
    if intervals and finite:
        spans = [evaluation_intervals(y, side.probability, side.threshold, weights, resamples) for side in sides]
    guards: tuple[Guardrail, ...] = ()
    if finite:
        guards = guardrails(y, candidate, production, weights, resamples, after_drift=after_drift)
    return Duel(figures[0], figures[1], test, guards, spans[0], spans[1], weights is not None)


def unseen(holdout: Holdout, trained_on: Floats) -> Holdout:
    """The rows of a holdout (n, d) that are not among those that a candidate was trained on (m, d), to the bit."""
    known, _ = known_among(row_prints(holdout.x), [row_prints(trained_on)])
    return Holdout(holdout.x[~known], holdout.y[~known])

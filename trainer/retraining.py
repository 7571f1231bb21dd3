"""One retraining: labelled rows in, a judged candidate or the reason for none out. No Redis, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.drift_window import RetrainEvent
from core.errors import ModelFileError, ReferenceDrifts, UnknownRun
from core.miniflow import MiniFlow, Parameter, Run
from core.model_file import ModelFile
from core.record_place import RecordPlace, place_of
from trainer.dataset import LabelledRows
from trainer.evaluation import Evaluation, PairedComparison, evaluate, paired_comparison
from trainer.fit import FittedModel, fit, log_run, probability
from trainer.holdout import HOLDOUT_ARTIFACT, Holdout, read_holdout
from trainer.open_request import DRIFTS
from trainer.promotion import judge
from trainer.solvers.base import Solver
from trainer.split import newest_split
from trainer.table import Table

#: ``candidate``: better by the rule, to be promoted; the others end without a promotion.
RetrainingResult = Literal["candidate", "refused", "too_few_labels"]
#: Outcomes as runs and metrics name them.
Outcome = Literal["promoted", "refused", "too_few_labels", "superseded", "failed"]


@dataclass(frozen=True, eq=False)
class Duel:
    """Candidate and production on the same rows."""

    candidate: Evaluation
    production: Evaluation
    difference: PairedComparison

    def metrics(self, rows: str) -> dict[str, float | None]:
        """The figures by name, after the name of the ``rows``."""
        sides = (("candidate", self.candidate), ("production", self.production))
        return {
            f"{rows}_{side}_{name}": getattr(evaluation, name)
            for side, evaluation in sides
            for name in ("log_loss", "accuracy", "auc", "brier")
        } | {f"{rows}_rows": self.candidate.rows}


@dataclass(frozen=True, eq=False)
class Retraining:
    """How a retraining ended."""

    result: RetrainingResult
    verdict: str  #: one sentence
    fitted: FittedModel | None = None  #: None: too few labels
    judged: Duel | None = None  #: on the newest labelled rows
    old_holdout: Duel | None = None  #: on production's own holdout, where it is known

    @property
    def metrics(self) -> dict[str, float | None]:
        """Candidate and production on the judged rows and on the old holdout."""
        figures: dict[str, float | None] = {}
        for rows, duel in (("judged", self.judged), ("old_holdout", self.old_holdout)):
            if duel is not None:
                figures |= duel.metrics(rows)
        return figures


def retrain(
    event: RetrainEvent,
    rows: LabelledRows,
    production: ModelFile,
    fixed_holdout: Holdout | None,
    *,
    min_labelled_rows: int,
    seed: int,
    solver: Solver,
) -> Retraining:
    """Train on the older four fifths of ``rows``, judge on the newest fifth; deterministic.

    Time splits, because the newest rows are what the model will meet. After a drift production's own holdout shows
    a world that has passed, so it is reported and not judged: other records after a feature drift, and after a
    change of concept other outcomes of the same records, on which the old model is better the truer the change is.
    In every other run the candidate must not be significantly worse there.

    Parameters
    ----------
    rows
        Of production's schema, in stream order; after a drift, from the change point on.
    fixed_holdout
        Production's own holdout; None where its run is not in this MiniFlow directory.

    Raises
    ------
    DataError
        Values that are too large to standardise.
    """
    n = len(rows.y)
    if n < max(min_labelled_rows, 2):
        return Retraining(
            "too_few_labels",
            f"There are {n} labelled rows of {rows.rows_seen}, fewer than the {min_labelled_rows} asked for.",
        )
    schema = production.model.schema
    split = newest_split(np.arange(n))
    for part, numbers in (("training", split.train), ("judged", split.holdout)):
        labels = rows.y[numbers]
        if labels.min() == labels.max():
            return Retraining(
                "too_few_labels",
                f"All {len(labels)} {part} rows are of class {schema.classes[labels[0]]!r}; both are needed.",
            )
    table = Table(schema.features, rows.x, rows.y, schema.classes)
    try:
        fitted = fit(table, seed=seed, solver=solver, split=split, before=rows.before)
    except ReferenceDrifts as error:
        return _with_settled_rows(
            error,
            event,
            rows,
            production,
            fixed_holdout,
            min_labelled_rows=min_labelled_rows,
            seed=seed,
            solver=solver,
        )
    judged = duel(fitted.file, production, fitted.holdout)
    old_holdout = None
    if fixed_holdout is not None and fixed_holdout.x.shape[1] == schema.width and len(fixed_holdout.y):
        old_holdout = duel(fitted.file, production, fixed_holdout)
    fixed = old_holdout.difference if old_holdout is not None and event.reason not in DRIFTS else None
    verdict = judge(judged.candidate.log_loss, judged.production.log_loss, fixed)
    return Retraining(
        "candidate" if verdict.promote else "refused",
        verdict.reason,
        fitted,
        judged,
        old_holdout,
    )


def _with_settled_rows(
    error: ReferenceDrifts,
    event: RetrainEvent,
    rows: LabelledRows,
    production: ModelFile,
    fixed_holdout: Holdout | None,
    *,
    min_labelled_rows: int,
    seed: int,
    solver: Solver,
) -> Retraining:
    """Train on what came after the rows had changed, as behind a ramp; refused while there is too little of it."""
    first = min(error.after)
    enough = len(rows.y) - first >= max(min_labelled_rows, 2)
    if not enough or max(error.before) > first:  # rows stored by class have a change in one of them
        finding = error.finding[0].upper() + error.finding[1:]
        return Retraining("refused", f"{finding}; a later attempt will have more rows.")
    return retrain(
        event,
        rows.tail(first),
        production,
        fixed_holdout,
        min_labelled_rows=min_labelled_rows,
        seed=seed,
        solver=solver,
    )


def log_retraining(miniflow: MiniFlow, reason: str, retraining: Retraining, params: dict[str, Parameter]) -> Run:
    """Log a retraining as a run, whether it has a model or not; its outcome is still to be recorded.

    Raises
    ------
    UsageError
        The MiniFlow directory cannot be written.
    """
    if retraining.fitted is None:
        return log_without_model(miniflow, reason, params)
    run = miniflow.run(log_run(miniflow, retraining.fitted, reason, params))
    run.log_metrics(retraining.fitted.solution.history[-1].step, retraining.metrics)
    return run


def log_without_model(miniflow: MiniFlow, reason: str, params: dict[str, Parameter]) -> Run:
    """Open a run for an event that led to no training. Raises UsageError as :func:`log_retraining`."""
    run = miniflow.start_run(reason)
    run.log_params(params)
    return run


def own_holdout(miniflow: MiniFlow, run_id: str) -> Holdout | None:
    """The holdout of a run, or None where the run or its holdout is not here or not whole."""
    try:
        return read_holdout(miniflow.run(run_id).read_artifact(HOLDOUT_ARTIFACT))
    except (UnknownRun, ModelFileError):
        return None


def own_since(miniflow: MiniFlow, run_id: str) -> RecordPlace | None:
    """From which record on a run took its rows, or None where it took all, is not here or is damaged."""
    try:
        params = miniflow.run(run_id).params
        since, partition, row = (params.get(name) for name in ("since", "since_partition", "since_row"))
        if not isinstance(since, str):
            return None
        return place_of(
            since, partition if isinstance(partition, int) else None, row if isinstance(row, int) else None
        )
    except (UnknownRun, ValueError):
        return None


def duel(candidate: ModelFile, production: ModelFile, rows: Holdout) -> Duel:
    """Both models on the same rows (at least one) of their common schema."""
    p_candidate, p_production = probability(candidate.model, rows.x), probability(production.model, rows.x)
    return Duel(
        evaluate(rows.y, p_candidate),
        evaluate(rows.y, p_production),
        paired_comparison(rows.y, p_candidate, p_production),
    )

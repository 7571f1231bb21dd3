"""One retraining: labelled rows in, a judged candidate or the reason for none out. No Redis, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np

from core.drift_window import RetrainEvent
from core.errors import ModelFileError, ReferenceDrifts, UnknownRun
from core.miniflow import MiniFlow, Parameter, Run
from core.model_file import ModelFile
from core.record_place import RecordPlace, place_of
from trainer.dataset import LabelledRows
from trainer.decision import Choices
from trainer.fit import FittedModel, fit
from trainer.holdout import HOLDOUT_ARTIFACT, Holdout, read_holdout
from trainer.open_request import DRIFTS
from trainer.promotion.coverage import LabelCoverage
from trainer.promotion.decision import PromotionDecision
from trainer.promotion.duel import Duel, duel
from trainer.promotion.fresh_rows import Judges, judges_of
from trainer.promotion.rule import decide
from trainer.run_log import log_run
from trainer.solvers.base import Solver
from trainer.split import Split, newest_split
from trainer.table import Table
from trainer.training_rows import TrainingRows

#: ``candidate``: better by the rule, to be promoted; the others end without a promotion.
RetrainingResult = Literal["candidate", "refused", "too_few_labels"]
#: Outcomes as runs and metrics name them.
Outcome = Literal["promoted", "refused", "too_few_labels", "superseded", "failed"]


@dataclass(frozen=True, eq=False)
class Retraining:
    """How a retraining ended."""

    result: RetrainingResult
    verdict: str  #: one sentence
    fitted: FittedModel | None = None  #: None: too few labels
    decision: PromotionDecision | None = None  #: with the model

    @property
    def judged(self) -> Duel | None:
        """Both models on the newest labelled rows."""
        return None if self.decision is None else self.decision.judged

    @property
    def old_holdout(self) -> Duel | None:
        """Both on production's own holdout, where it is known."""
        return None if self.decision is None else self.decision.fixed_holdout

    @property
    def metrics(self) -> dict[str, float | None]:
        """Candidate and production on the judged rows and on the old holdout."""
        figures: dict[str, float | None] = {}
        for rows, compared in (("judged", self.judged), ("old_holdout", self.old_holdout)):
            if compared is not None:
                figures |= compared.metrics(rows)
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
    choices: Choices | None = None,
    attempt: int = 1,
    coverage: LabelCoverage | None = None,
    rival_saw: bool = False,
) -> Retraining:
    """Train on the older four fifths of ``rows``, judge on the newest fifth; deterministic.

    Time splits, because the newest rows are what the model will meet. After a drift production's own holdout shows
    a world that has passed, so it is reported and not judged: other records after a feature drift, and after a
    change of concept other outcomes of the same records, on which the old model is better the truer the change is.
    In every other run the candidate must not be significantly worse there.

    Parameters
    ----------
    rows
        Of production's schema, in stream order; after a drift, from the change point on. Weights of theirs count
        in judging, not in training.
    fixed_holdout
        Production's own holdout; None where its run is not in this MiniFlow directory.
    choices
        Calibration and operating point; None: what production's model was made with. Where no threshold meets the
        rule, production's is kept: a model that misses it too is no reason to stay with one that has drifted.
    attempt
        Its number at the drift that asked, from 1: each has its share of the error rate. Without a drift nothing
        is tried again, and it is not looked at.
    coverage
        Which of the rows seen have labels, to be said with the decision.
    rival_saw
        Whether production may have been trained on its own holdout, to be said with the decision.

    Raises
    ------
    DataError
        Values that are too large to standardise.
    """
    schema = production.model.schema
    asked = choices or Choices(production.calibrate, production.threshold_rule)
    n = len(rows.y)
    if n < max(min_labelled_rows, 2):
        few = f"There are {n} labelled rows of {rows.rows_seen}, fewer than the {min_labelled_rows} asked for."
        return Retraining("too_few_labels", few)
    split = newest_split(np.arange(n))
    one_class = _one_class(rows, split, schema.classes)
    if one_class is not None:
        return Retraining("too_few_labels", one_class)
    table = Table(schema.features, rows.x, rows.y, schema.classes)
    try:
        fitted = fit(
            table,
            seed=seed,
            solver=solver,
            split=split,
            before=rows.before,
            choices=msgspec.structs.replace(asked, otherwise=production.model.threshold),
        )
    except ReferenceDrifts as error:
        settled = _settled(error, rows, min_labelled_rows)
        if settled is None:
            finding = error.finding[0].upper() + error.finding[1:]
            return Retraining("refused", f"{finding}; a later attempt will have more rows.")
        return retrain(
            event,
            settled,
            production,
            fixed_holdout,
            min_labelled_rows=min_labelled_rows,
            seed=seed,
            solver=solver,
            choices=choices,
            attempt=attempt,
            coverage=coverage,
            rival_saw=rival_saw,
        )
    train = rows.x[split.train]
    own = fixed_holdout if fixed_holdout is not None and fixed_holdout.x.shape[1] == schema.width else None
    judges = judges_of(fitted.holdout, own, TrainingRows([train], train))
    if not judges.fresh.any():
        return Retraining("too_few_labels", f"{judges.none_left}; send new records.")
    decided = _decide(event, rows, production, judges, fitted, split, attempt, coverage)
    named = judges.named(decided, after_drift=event.reason in DRIFTS, rival_saw=rival_saw)
    decision = msgspec.structs.replace(named, reason=event.reason, episode=event.episode)
    return Retraining("candidate" if decision.promote else "refused", decision.sentence, fitted, decision)


def _one_class(rows: LabelledRows, split: Split, classes: tuple[str, str]) -> str | None:
    """A sentence where the rows that train, or those that judge, are all of one class; else None."""
    for part, numbers in (("training", split.train), ("judged", split.holdout)):
        labels = rows.y[numbers]
        if labels.min() == labels.max():
            return f"All {len(labels)} {part} rows are of class {classes[labels[0]]!r}; both are needed."
    return None


def _decide(
    event: RetrainEvent,
    rows: LabelledRows,
    production: ModelFile,
    judges: Judges,
    fitted: FittedModel,
    split: Split,
    attempt: int,
    coverage: LabelCoverage | None,
) -> PromotionDecision:
    """The rule, on the fresh ones of the newest rows; what trained tells how much neighbours have in common."""
    train = Holdout(rows.x[split.train], rows.y[split.train])
    weights = None if rows.weights is None else rows.weights[split.holdout][judges.fresh]
    after_drift = event.reason in DRIFTS
    judged = duel(
        fitted.file,
        production,
        judges.newest(fitted.holdout),
        weights=weights,
        neighbours=train,
        after_drift=after_drift,
    )
    old_holdout = None if judges.fixed is None else duel(fitted.file, production, judges.fixed)
    return decide(
        judged,
        old_holdout,
        after_drift=after_drift,
        attempt=attempt if after_drift else None,
        coverage=coverage,
    )


def _settled(error: ReferenceDrifts, rows: LabelledRows, min_labelled_rows: int) -> LabelledRows | None:
    """What came after the rows had changed, as behind a ramp; None while there is too little of it."""
    first = min(error.after)
    enough = len(rows.y) - first >= max(min_labelled_rows, 2)
    if not enough or max(error.before) > first:  # rows stored by class have a change in one of them
        return None
    return rows.tail(first)


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

"""What a report tells of one run, read from its artifacts and judged anew on its held-out rows."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from core.errors import DataError, UnknownRun
from core.miniflow import MetricLine, Parameter, Run, RunMeta
from core.model import Floats, LogisticModel, Scores
from core.model_file import ModelFile
from trainer.evaluation import Evaluation, EvaluationIntervals, evaluate, evaluation_intervals
from trainer.fit import probability
from trainer.holdout import HOLDOUT_ARTIFACT, Holdout, read_holdout
from trainer.metrics.bootstrap import REPLICATES, Bootstrap
from trainer.model_card import MODEL_CARD_ARTIFACT, ModelCard
from trainer.out_of_sample import OUT_OF_SAMPLE_ARTIFACT
from trainer.promotion.decision import DECISION_ARTIFACT, PromotionDecision, read_decision

#: Rows times resamples of one bootstrap: some seconds. More rows have narrow intervals and need fewer resamples.
_MOST_WEIGHTS = 40_000_000
_LEAST_REPLICATES = 200


@dataclass(frozen=True, eq=False)
class RunFacts:
    """A run with a model; all figures are of its n held-out rows."""

    meta: RunMeta
    params: dict[str, Parameter]
    history: tuple[MetricLine, ...]  #: one line a step of the solver, and those of the final figures
    card: ModelCard
    file: ModelFile
    holdout: Holdout
    scores: Scores
    probability: Floats  #: (n,) of class 1, calibrated where the model is
    evaluation: Evaluation
    intervals: EvaluationIntervals
    decision: PromotionDecision | None  #: None: no rule has judged it, or its record holds figures without end
    threshold_on_holdout: (
        bool  #: whether the held-out rows chose the threshold too, as of runs of earlier versions
    )

    @property
    def model(self) -> LogisticModel:
        """The model of the run."""
        return self.file.model


def read_facts(run: Run, file: ModelFile) -> RunFacts:
    """The facts of ``run``, whose model is ``file``.

    Raises
    ------
    UnknownRun, ModelFileError
        A run or an artifact that is not there or not whole.
    DataError
        A card that cannot be read, or a holdout without rows or of another schema.
    """
    holdout = read_holdout(run.read_artifact(HOLDOUT_ARTIFACT))
    model = file.model
    if not len(holdout.y) or holdout.x.shape[1] != model.schema.width:
        raise DataError(
            f"run {run.run_id} has no held-out rows of its schema, so it cannot be judged; fit it again"
        )
    try:
        card = msgspec.json.decode(run.read_artifact(MODEL_CARD_ARTIFACT), type=ModelCard)
    except msgspec.MsgspecError as error:
        raise DataError(f"run {run.run_id} has a damaged model card ({error}); fit it again") from error
    said = probability(model, holdout.x)
    return RunFacts(
        meta=run.meta,
        params=run.params,
        history=tuple(run.metrics()),
        card=card,
        file=file,
        holdout=holdout,
        scores=model.score(holdout.x),
        probability=said,
        evaluation=evaluate(holdout.y, said, model.threshold),
        intervals=evaluation_intervals(holdout.y, said, model.threshold, bootstrap=_bootstrap(len(holdout.y))),
        decision=_decision(run),
        threshold_on_holdout=_threshold_on_holdout(run, card),
    )


def _decision(run: Run) -> PromotionDecision | None:
    try:
        return read_decision(run.read_artifact(DECISION_ARTIFACT))
    except (UnknownRun, msgspec.MsgspecError):
        return None


def _threshold_on_holdout(run: Run, card: ModelCard) -> bool:
    point = card.operating_point
    if point is None or point.rule.by == "fixed" or not point.rows:
        return False
    try:
        run.read_artifact(OUT_OF_SAMPLE_ARTIFACT)
    except UnknownRun:
        return True
    return False


def _bootstrap(rows: int) -> Bootstrap:
    replicates = min(REPLICATES, max(_LEAST_REPLICATES, _MOST_WEIGHTS // rows))
    # a correction of the ends takes longer than so few resamples, and moves them less than chance does
    return Bootstrap(replicates=replicates, method="bca" if replicates == REPLICATES else "percentile")

"""A logged candidate against production, where a person asked: judged by the rule, recorded, promoted."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from core.decision_entry import decision_fields
from core.drift.homogeneity import is_grouped_by_class
from core.errors import Superseded
from core.miniflow import MiniFlow, Run
from core.model import Floats
from core.model_file import ModelFile
from core.registry import Production
from trainer.fit import FittedModel, probability
from trainer.holdout import Holdout
from trainer.imported.judged_rows import run_may_have_seen
from trainer.metrics.probability import log_loss
from trainer.own_figures import own_figures_of_run
from trainer.promotion.decision import DECISION_ARTIFACT, PromotionDecision
from trainer.promotion.duel import duel
from trainer.promotion.fresh_rows import judges_of
from trainer.promotion.rule import decide, decide_alone, decide_unjudged
from trainer.registries import Registries
from trainer.retraining import own_holdout
from trainer.training_rows import TrainingRows


@dataclass(frozen=True, eq=False)
class Candidate:
    """A model that was fitted, with what the rule asks of its rows."""

    fitted: FittedModel
    class_note: str  #: which value is class 1, and why
    rows: int  #: in all
    trained_on: TrainingRows  #: as :func:`judge_candidate` has it
    neighbours: Holdout | None  #: the same


@dataclass(frozen=True)
class Settlement:
    """What became of a candidate."""

    promoted: bool
    verdict: str  #: one sentence
    decision: PromotionDecision
    production: Production | None  #: afterwards


def judge_candidate(
    miniflow: MiniFlow,
    candidate: ModelFile,
    holdout: Holdout,
    trained_on: TrainingRows,
    production: Production | None,
    current: ModelFile | None,
    weights: Floats | None = None,
    neighbours: Holdout | None = None,
) -> PromotionDecision:
    """The rule, on the candidate's own holdout and on production's.

    Parameters
    ----------
    trained_on
        The rows that the candidate was trained on: rows equal to them judge nothing. They are read once, or not at
        all where there is nothing to compare with.
    current
        Production's model; None where nothing is in production, or nothing that can be read.
    weights
        (n,) how much each row of ``holdout`` counts.
    neighbours
        Rows in the order of time, which tell how much neighbours have in common: those before ``holdout`` where
        that is the newest, else itself. None: the order means nothing.
    """
    own_loss = log_loss(holdout.y, probability(candidate.model, holdout.x), weights)
    if production is None:
        return decide_alone(own_loss, "first_valid")
    if current is None or current.model.schema != candidate.model.schema:
        why = "has no whole model of a known format" if current is None else "is of another schema"
        return decide_alone(own_loss, "no_comparison", f"Production {why}, so there is nothing to compare with.")
    own = own_holdout(miniflow, production.run_id)
    if own is not None and own.x.shape[1] != current.model.schema.width:
        own = None
    judges = judges_of(holdout, own, trained_on)
    if not judges.fresh.any():
        return judges.named(decide_unjudged(f"{judges.none_left}; give rows of their own."))
    newest = judges.newest(holdout)
    fixed = None if judges.fixed is None else duel(candidate, current, judges.fixed)
    weights = None if weights is None else weights[judges.fresh]
    neighbours = newest if neighbours is holdout else neighbours
    judged = duel(candidate, current, newest, weights=weights, neighbours=neighbours)
    return judges.named(decide(judged, fixed), rival_saw=run_may_have_seen(miniflow, production.run_id))


def spread_neighbours(holdout: Holdout, *, ordered: bool) -> Holdout | None:
    """The ``neighbours`` of rows that are spread over all times, where their order means anything."""
    return holdout if ordered and not is_grouped_by_class(holdout.y) else None


def settle(
    books: Registries,
    run_id: str,
    candidate: ModelFile,
    decision: PromotionDecision,
    production: Production | None,
) -> Settlement:
    """Record the decision with the run, promote by it over what the caller saw, and say how the run ended.

    A promotion is told with the candidate's own figures; a decision that is none goes to the decisions stream.

    Raises
    ------
    UsageError
        The MiniFlow directory cannot be written.
    """
    run = books.miniflow.run(run_id)
    if decision.promote:
        own = own_figures_of_run(books.miniflow, run_id, candidate)
        decision = msgspec.structs.replace(decision, own=own)
    recorded = record(run, decision, production)
    promoted, verdict = decision.promote, decision.sentence
    if promoted:
        try:
            production = books.promote(run_id, candidate, production, verdict, recorded.encoded)
        except Superseded as error:
            promoted, verdict = False, f"The model was better, but {error}."
    outcome = "promoted" if promoted else "superseded" if decision.promote else "refused"
    try:
        if not promoted:
            books.tell(decision_fields(run_id, outcome, recorded.reason, verdict))
    finally:
        run.finish(outcome, verdict)
    return Settlement(promoted, verdict, recorded, production if promoted else books.registry.production())


def record(run: Run, decision: PromotionDecision, production: Production | None) -> PromotionDecision:
    """Write the decision into the candidate's run, with the names of both; what was written."""
    named = msgspec.structs.replace(
        decision,
        reason=run.meta.reason,
        candidate=None if decision.rule == "no_candidate" else run.run_id,
        production=None if production is None else production.run_id,
        production_epoch=None if production is None else production.epoch,
    )
    run.write_artifact(DECISION_ARTIFACT, named.encoded)
    return named

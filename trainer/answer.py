"""Answer one retrain request: train, judge, log, and promote or acknowledge."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace

import msgspec

from core.connection import ServerError
from core.decision_entry import add_decision, decision_fields, require_decisions
from core.errors import GroupMissing, StreamError, Superseded, UnknownRun, UsageError
from core.keys import TRAINERS
from core.miniflow import MiniFlow, Parameter, Run
from core.model_file import ModelFile
from core.record_place import RecordPlace
from core.redis_registry import RedisRegistry
from core.registry import Production
from core.scripts.commit import EntryResult, commit
from core.scripts.promote import AnsweredEvent
from core.settings import Settings
from trainer.attempt import FIELD, Attempt, last_attempt, note_attempt
from trainer.candidacy import record
from trainer.dataset import Dataset, LabelledRows
from trainer.decision import choices_of
from trainer.imported.judged_rows import run_may_have_seen
from trainer.open_request import ABOUT_A_MODEL, DRIFTS, RetrainRequest
from trainer.own_figures import own_figures
from trainer.promotion.coverage import LabelCoverage, label_coverage
from trainer.promotion.decision import PromotionDecision
from trainer.promotion.rule import decide_without_candidate
from trainer.retraining import (
    Outcome,
    Retraining,
    log_retraining,
    log_without_model,
    own_holdout,
    own_since,
    retrain,
)
from trainer.run_log import LOGGED
from trainer.solvers.choice import chosen_solver


@dataclass(frozen=True)
class Answer:
    """What became of a request."""

    outcome: Outcome
    verdict: str  #: one sentence
    run_id: str
    labelled_rows: int
    production: Production | None = None  #: where the outcome is ``promoted``


class Answering:
    """Answers requests of one pipeline for one consumer of the group ``trainers``."""

    def __init__(self, settings: Settings, registry: RedisRegistry, miniflow: MiniFlow, consumer: str) -> None:
        self._settings = settings
        self._registry = registry
        self._miniflow = miniflow
        self._consumer = consumer

    def answer(
        self, request: RetrainRequest, production: Production, model: ModelFile, dataset: Dataset
    ) -> Answer:
        """Answer ``request`` with the rows of ``dataset``, against production as the caller last saw it.

        Steps: train and judge in memory; log the run with its figures and the decision; promote with the
        acknowledgement in one script call, or record the outcome, note the attempt, and tell the decisions stream
        with the acknowledgement in one call. The acknowledgement comes last: a kill before it leaves the event
        pending, the next trainer takes it over and trains the same model again, as the same attempt: the one that
        was lost led to nothing. A kill between promotion and the run's outcome is mended by
        :func:`trainer.seeding.record_promotion`. Where another trainer took the event over and answered it
        meanwhile, its answer is the only one: nothing is promoted, nor noted, nor told.

        Raises
        ------
        StreamError
            The MiniFlow directory cannot be written now; the event stays pending.
        GroupMissing
            The retrain stream or its group is gone.
        """
        require_decisions(self._registry.connection, self._registry.keys)
        seen = last_attempt(self._registry.connection, self._registry.keys)
        tests = seen.tests(request.event_id)
        since, rows, trained = self._train(request, production, model, dataset, attempt=tests + 1)
        params = self._params(request, production, since, rows)
        reason = request.event.reason
        try:
            if isinstance(trained, Retraining):
                run = log_retraining(self._miniflow, reason, trained, params)
            else:
                run = log_without_model(self._miniflow, reason, params)
            decision = record(run, _decision(request, rows, trained, attempt=tests + 1), production)
            made: Production | None = None
            outcome: Outcome
            if isinstance(trained, _Unjudged):
                outcome, verdict = trained.outcome, trained.verdict
            elif trained.result == "candidate":
                made, verdict = self._promote(request, seen, production, trained, run, decision)
                outcome = "superseded" if made is None else "promoted"
            else:
                outcome, verdict = trained.result, trained.verdict
            run.finish(outcome, verdict)
        except UsageError as error:
            raise StreamError(str(error)) from error  # a full disk is waited out, not died of
        # nothing but drifts is tried again, and a note has room for one event
        if made is None and (reason not in DRIFTS or self._note(request, seen, rows, tests + decision.tested)):
            told = decision_fields(run.run_id, outcome, reason, verdict, request.event_id)
            self._close(request, told)
        return Answer(outcome, verdict, run.run_id, len(rows.y), made)

    def _note(self, request: RetrainRequest, seen: Attempt, rows: LabelledRows, tests: int) -> bool:
        connection, keys = self._registry.connection, self._registry.keys
        return note_attempt(connection, keys, request.event_id, seen, len(rows.y), tests)

    def _train(
        self,
        request: RetrainRequest,
        production: Production,
        model: ModelFile,
        dataset: Dataset,
        attempt: int,
    ) -> tuple[RecordPlace | None, LabelledRows, Retraining | _Unjudged]:
        event = request.event
        since = request.since or own_since(self._miniflow, production.run_id)
        rows = dataset.labelled(since)
        if event.reason in ABOUT_A_MODEL and event.model not in {None, production.run_id}:
            sentence = (
                f"The event is about run {event.model}, and run {production.run_id} is in production by now."
            )
            return since, rows, _Unjudged("superseded", sentence)
        try:
            trained = retrain(
                event,
                rows,
                model,
                own_holdout(self._miniflow, production.run_id),
                min_labelled_rows=self._settings.min_labelled_rows,
                seed=self._settings.seed,
                solver=chosen_solver(self._settings),
                choices=choices_of(self._settings, model),
                attempt=attempt,
                coverage=label_coverage(dataset.seen(since), model.model),
                rival_saw=run_may_have_seen(self._miniflow, production.run_id),
            )
            trained = _with_figures(trained)
        except Exception as error:  # noqa: BLE001  (no data may stop the service: whatever it is, it is the answer)
            return since, rows, _Unjudged("failed", f"Training failed: {type(error).__name__}: {error}")
        return since, rows, trained

    def _promote(
        self,
        request: RetrainRequest,
        seen: Attempt,
        production: Production,
        trained: Retraining,
        run: Run,
        decision: PromotionDecision,
    ) -> tuple[Production | None, str]:
        """Promote the run; None where production changed, or the event was answered, since it was judged."""
        if trained.fitted is None:
            raise AssertionError(run.run_id)  # a candidate is a fitted model
        try:
            made = self._registry.promote(
                run.run_id,
                trained.fitted.file,
                production.epoch,
                trained.verdict,
                decision.encoded,
                event=AnsweredEvent(request.event_id, FIELD, seen.noted),
            )
        except Superseded as error:
            return None, f"The candidate was better, but {error}."
        return made, trained.verdict

    def _close(self, request: RetrainRequest, told: list[bytes]) -> None:
        """Acknowledge an event and tell the decisions stream what came of it, in one step: so it is told once.

        Where the server refuses to have it told, the event is let go of all the same: its run has the answer, and
        to train for it again would make another run each time and, of a drift, another test.
        """
        connection, keys = self._registry.connection, self._registry.keys
        result = EntryResult(request.event_id, request.deliveries, [(1, told)])
        try:
            commit(connection, keys.retrain, TRAINERS, self._consumer, (keys.decisions,), [result])
        except GroupMissing:
            # the group that is made next acknowledges what its runs have answered, and tells nothing of it
            add_decision(connection, keys, told)
            raise
        except ServerError:
            self.acknowledge(request.event_id, request.deliveries)
            raise

    def acknowledge(self, event_id: bytes, deliveries: int) -> None:
        """Let go of an event that has its answer. Raises GroupMissing as :meth:`answer`."""
        keys = self._registry.keys
        result = EntryResult(event_id, deliveries, [])
        commit(self._registry.connection, keys.retrain, TRAINERS, self._consumer, (keys.unmatched,), [result])

    def _params(
        self, request: RetrainRequest, production: Production, since: RecordPlace | None, rows: LabelledRows
    ) -> dict[str, Parameter]:
        event = request.event
        return {
            "event_id": request.event_id.decode(),
            "reason": event.reason,
            "since": None if since is None else str(since.entry_id),
            "since_partition": None if since is None else since.partition,
            "since_row": None if since is None else since.row,
            "window": event.window,
            "episode": event.episode,
            "labelled_rows": len(rows.y),
            "rows_seen": rows.rows_seen,
            "label_coverage": rows.coverage,
            "production": production.run_id,
            "production_epoch": production.epoch,
        }


def answered_events(miniflow: MiniFlow) -> frozenset[bytes]:
    """Ids of the events that runs of this directory have answered; a group that was lost forgot them."""
    answered = set()
    for summary in miniflow.runs():
        if summary.meta.outcome not in {None, LOGGED}:
            with contextlib.suppress(UnknownRun):  # a damaged one tells nothing
                answered.add(str(miniflow.run(summary.run_id).params.get("event_id")).encode())
    return frozenset(answered)


@dataclass(frozen=True)
class _Unjudged:
    """An answer without a candidate."""

    outcome: Outcome
    verdict: str


def _with_figures(trained: Retraining) -> Retraining:
    """The same, its decision with the candidate's own figures where that is to be promoted."""
    if trained.result != "candidate" or trained.fitted is None or trained.decision is None:
        return trained
    own = own_figures(trained.fitted.file, trained.fitted.holdout)
    return replace(trained, decision=msgspec.structs.replace(trained.decision, own=own))


def _decision(
    request: RetrainRequest, rows: LabelledRows, trained: Retraining | _Unjudged, attempt: int
) -> PromotionDecision:
    """The rule's, or that of an answer which has nothing to judge."""
    if isinstance(trained, Retraining) and trained.decision is not None:
        return trained.decision
    drifted = request.event.reason in DRIFTS
    coverage = LabelCoverage(rows.rows_seen, len(rows.y), rows.coverage)
    decision = decide_without_candidate(trained.verdict, attempt if drifted else None, coverage)
    return msgspec.structs.replace(decision, episode=request.event.episode)

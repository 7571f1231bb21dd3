"""A candidate beside production on live records: compared on rows that trained neither, promoted by the rule.

Scoring is deterministic, so the figures of both models on sampled rows are those of what was published, whether
the shadow got to each record or not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec

from core.errors import NoProductionModel, SchemaError, ServerUnavailable, UnknownRun, UsageError
from core.miniflow import MiniFlow
from core.model_file import ModelFile
from core.record_place import RecordPlace
from core.redis_registry import RedisRegistry
from core.registry import Production
from core.settings import Settings
from core.shadow_registry import ShadowRegistry
from trainer.candidacy import Settlement, settle
from trainer.dataset import Dataset, LabelledRows
from trainer.evaluation import Evaluation, evaluate
from trainer.fit import probability
from trainer.holdout import Holdout
from trainer.imported.judged_rows import run_may_have_seen
from trainer.open_request import DRIFTS
from trainer.promotion.coverage import label_coverage
from trainer.promotion.decision import DECISION_ARTIFACT, PromotionDecision, read_decision
from trainer.promotion.duel import Duel, duel, unseen
from trainer.promotion.fresh_rows import judges_by_prints
from trainer.promotion.rule import decide, decide_unjudged
from trainer.registries import Registries
from trainer.retraining import own_holdout
from trainer.shadow_tests import Due, ShadowTest, ShadowTests, due, place_of_row
from trainer.training_rows import own_prints

#: Promotions looked through for the first one of production's run.
_LOOK_BACK_PROMOTIONS = 1_000


class ShadowComparison(msgspec.Struct, frozen=True, kw_only=True):
    """Both models on the labelled rows since the shadow began."""

    run_id: str
    production: str
    production_epoch: int
    since_ms: int  #: rows from then on are compared; neither model was trained on them
    rows_seen: int  #: sampled, labelled or not
    labelled_rows: int  #: of them
    counted_rows: int  #: labelled rows since then, also those that have left the samples
    candidate_figures: Evaluation | None  #: of all labelled rows; None where there are none
    production_figures: Evaluation | None
    look: int  #: number of the newest test, 0 before the first
    next_look_rows: int  #: counted rows at which the next test is made
    decision: PromotionDecision | None  #: by the newest test
    verdict: str  #: one sentence


@dataclass(frozen=True, eq=False)
class _Contest:
    """The two models as they are now."""

    candidate: ModelFile
    production: Production
    current: ModelFile
    since_ms: int


def begin_shadow(books: Registries, run: str) -> str:
    """Let scorers shadow production with a run; its id.

    Raises
    ------
    NoProductionModel, UsageError
        There is nothing to be compared with, or the run is in production itself.
    SchemaError
        It is of another schema than production.
    UnknownRun, ModelFileError
        It has no whole model.
    """
    run_id = books.named(run)
    model = books.model(run_id)
    production, current = _production(books)
    _check(run_id, model, production, current)
    _shadows(books).begin(run_id, model)
    return run_id


class ShadowJudge:
    """Compares one shadow with production, again and again; reads samples and labels on from where it was.

    Whoever looks after each label promotes what is no better in the end. So a test is made at so many labelled
    rows as a first attempt needs, then at 1.5 times as many, and so on, on the oldest rows. Each is an attempt
    with its share of the error rate, made once and kept: however often somebody looks, its verdict stays.
    """

    def __init__(self, books: Registries, settings: Settings, run_id: str) -> None:
        self._books = books
        self._settings = settings
        self._run_id = run_id
        self._registry = _redis(books)
        self._dataset: Dataset | None = None

    def compare(self) -> ShadowComparison:
        """As things are now.

        Raises
        ------
        UnknownRun, ModelFileError
            The run is no shadow, or its model is not whole.
        NoProductionModel, UsageError, SchemaError
            As :func:`begin_shadow`: production may have changed since.
        RegistryError
            A test that was kept cannot be read.
        """
        return self._compare(self._contest())

    def promote(self) -> tuple[ShadowComparison, Settlement | None]:
        """Decide by the newest test, record it with the run, and promote by it; None before the first test.

        Production must still be what the candidate was compared with: else it is superseded. Raises as
        :meth:`compare`.
        """
        contest = self._contest()
        compared = self._compare(contest)
        if compared.decision is None:
            return compared, None
        decision = compared.decision
        settled = settle(self._books, self._run_id, contest.candidate, decision, contest.production)
        return compared, settled

    def _contest(self) -> _Contest:
        shadows = _shadows(self._books)
        candidate, began_ms = shadows.model(self._run_id), shadows.since_ms(self._run_id)
        production, current = _production(self._books)
        _check(self._run_id, candidate, production, current)
        # The candidate was there when its shadow began, and production when it was first promoted.
        since_ms = max(began_ms, self._first_promoted_ms(production)) + self._settings.cluster_skew_ms
        return _Contest(candidate, production, current, since_ms)

    def _first_promoted_ms(self, production: Production) -> int:
        own = [
            each.ts_ms
            for each in self._registry.history(_LOOK_BACK_PROMOTIONS)
            if each.run_id == production.run_id
        ]
        return min(own, default=production.updated_ts_ms)

    def _compare(self, contest: _Contest) -> ShadowComparison:
        dataset = self._rows(contest.current)
        since = RecordPlace(contest.since_ms + 1, 0)
        rows = dataset.labelled(since)
        n = len(rows.y)
        tests = ShadowTests(_shadows(self._books), self._run_id, contest.production.run_id, contest.since_ms)
        made = tests.newest()
        stand = due(rows, made, self._settings.min_labelled_rows)
        if stand.look > (0 if made is None else made.look):
            made = tests.keep(self._test(contest, dataset, since, rows, stand))
            stand = due(rows, made, self._settings.min_labelled_rows)
        decision = None if made is None else self._named(made.read, contest)
        figures = [
            evaluate(rows.y, probability(file.model, rows.x), file.model.threshold) if n else None
            for file in (contest.candidate, contest.current)
        ]
        return ShadowComparison(
            run_id=self._run_id,
            production=contest.production.run_id,
            production_epoch=contest.production.epoch,
            since_ms=contest.since_ms,
            rows_seen=rows.rows_seen,
            labelled_rows=n,
            counted_rows=stand.counted_rows,
            candidate_figures=figures[0],
            production_figures=figures[1],
            look=0 if made is None else made.look,
            next_look_rows=stand.next_look_rows,
            decision=decision,
            verdict=_too_few(n, rows.rows_seen, stand.next_look_rows) if decision is None else decision.sentence,
        )

    def _rows(self, current: ModelFile) -> Dataset:
        schema = current.model.schema
        if self._dataset is None or self._dataset.schema != schema:
            keys = self._settings.keys
            self._dataset = Dataset(self._registry.connection, keys, schema, self._settings)
        self._dataset.refresh()
        return self._dataset

    def _test(
        self, contest: _Contest, dataset: Dataset, since: RecordPlace, rows: LabelledRows, stand: Due
    ) -> ShadowTest:
        decision = self._decide(contest, dataset, since, rows, stand.look, stand.judged_rows)
        return ShadowTest(
            production=contest.production.run_id,
            since_ms=contest.since_ms,
            look=stand.look,
            counted_rows=stand.due_rows,
            last=place_of_row(rows, stand.judged_rows - 1),
            decision=msgspec.Raw(decision.encoded),
        )

    def _named(self, decision: PromotionDecision, contest: _Contest) -> PromotionDecision:
        """As it would be recorded now: production may have gone and come back since the test."""
        return msgspec.structs.replace(
            decision,
            reason=self._reason(),
            candidate=self._run_id,
            production=contest.production.run_id,
            production_epoch=contest.production.epoch,
        )

    def _decide(
        self,
        contest: _Contest,
        dataset: Dataset,
        since: RecordPlace,
        rows: LabelledRows,
        look: int,
        judged: int,
    ) -> PromotionDecision:
        after_drift = self._reason() in DRIFTS
        oldest = Holdout(rows.x[:judged], rows.y[:judged])
        trained = own_prints(self._books.miniflow, self._run_id)
        judges = judges_by_prints(oldest, [] if trained is None else [trained])
        fixed, known = self._fixed_holdout(contest)
        judges = replace(judges, fixed_known=known)
        coverage = label_coverage(dataset.seen(since), contest.current.model)
        if judges.fresh.any():
            fresh = judges.newest(oldest)
            decision = decide(
                duel(contest.candidate, contest.current, fresh, neighbours=fresh, after_drift=after_drift),
                fixed,
                after_drift=after_drift,
                attempt=look,
                coverage=coverage,
            )
        else:
            decision = decide_unjudged(f"{judges.none_left}; send new records.", look, coverage)
        rival_saw = run_may_have_seen(self._books.miniflow, contest.production.run_id)
        decision = judges.named(decision, after_drift=after_drift, rival_saw=rival_saw)
        said = f"{decision.sentence} The rows are those since it became production's shadow."
        return msgspec.structs.replace(decision, sentence=said)

    def _reason(self) -> str:
        """Why the run was made, which the rule asks. A test that is made without it would stand."""
        try:
            return self._books.miniflow.run(self._run_id).meta.reason
        except UnknownRun as error:
            raise UsageError(
                f"run {self._run_id} is not whole in {self._settings.miniflow}, and a test asks for its training "
                "rows and holdout; run the command where they are (--miniflow)"
            ) from error

    def _fixed_holdout(self, contest: _Contest) -> tuple[Duel | None, int]:
        """Both on those rows of production's holdout that the candidate never saw, and how many it knows.

        Where its training rows are no longer at hand, only rows that it held out itself are sure to be such.
        """
        miniflow, production = self._books.miniflow, contest.production.run_id
        before = _earlier_decision(miniflow, self._run_id)
        if before is not None and before.production == production and before.asked_fixed_holdout:
            # made when its training rows were at hand; the models are the same
            return before.fixed_holdout, before.fixed_holdout_known
        fixed, own = own_holdout(miniflow, production), own_holdout(miniflow, self._run_id)
        if fixed is None or own is None or fixed.x.shape[1] != own.x.shape[1]:
            return None, 0
        others = unseen(fixed, own.x)  # perhaps trained on
        known = unseen(fixed, others.x)
        return (duel(contest.candidate, contest.current, known) if len(known.y) else None), 0


def _too_few(labelled: int, seen: int, needed: int) -> str:
    return (
        f"There are {labelled} labelled rows of {seen} since the shadow began, fewer than the {needed} that a test"
        " needs."
    )


def _earlier_decision(miniflow: MiniFlow, run_id: str) -> PromotionDecision | None:
    try:
        data = miniflow.run(run_id).read_artifact(DECISION_ARTIFACT)
        return read_decision(data)
    except (UnknownRun, msgspec.MsgspecError):
        return None


def _production(books: Registries) -> tuple[Production, ModelFile]:
    production = books.registry.production()
    if production is None:
        raise NoProductionModel("nothing is in production yet to shadow; run `streamgauge fit` first")
    current = books.rival(production, new_schema=False)
    if current is None:
        raise UsageError(
            f"the model of production {production.run_id} is damaged, so there is nothing to compare with; run "
            f"`streamgauge promote {production.run_id}` to put a whole copy back"
        )
    return production, current


def _check(run_id: str, model: ModelFile, production: Production, current: ModelFile) -> None:
    if run_id == production.run_id:
        raise UsageError(f"run {run_id} is in production itself; choose another from `streamgauge runs`")
    if model.model.schema != current.model.schema:
        raise SchemaError(
            f"run {run_id} is of another schema than production {production.run_id}, so there is nothing to "
            "compare; shadow a run of its schema"
        )


def _redis(books: Registries) -> RedisRegistry:
    if not isinstance(books.registry, RedisRegistry):
        raise ServerUnavailable("a shadow needs live records, so it needs Redis; set redis_url (--redis-url)")
    return books.registry


def _shadows(books: Registries) -> ShadowRegistry:
    registry = _redis(books)
    return ShadowRegistry(registry.connection, registry.keys)

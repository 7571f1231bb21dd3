"""A shadow's candidate against production: the same figures as were published, the same rule, the same record."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from core.errors import NoProductionModel, RegistryError, SchemaError, Superseded, UnknownRun, UsageError
from core.schema import Schema
from core.shadow_registry import ShadowRegistry
from trainer.candidacy import Settlement
from trainer.evaluation import evaluate
from trainer.fit import fit
from trainer.promotion.decision import DECISION_ARTIFACT, PromotionDecision
from trainer.promotion.error_spending import level_of
from trainer.promotion.rule import decide_unjudged
from trainer.registries import Registries, open_registries
from trainer.retraining import own_holdout
from trainer.run_log import log_run
from trainer.shadow import ShadowComparison, ShadowJudge, begin_shadow
from trainer.shadow_tests import ShadowTest, ShadowTests, looks
from trainer.split import Split
from trainer.table import Table

if TYPE_CHECKING:
    from tests.trainer.conftest import Stage

#: Later than any shadow of these tests begins.
LATER_MS = 2**42
SHIFT = 4.0


@pytest.fixture
def books(stage: Stage) -> Iterator[Registries]:
    stage.first_model()
    with open_registries(stage.settings) as opened:
        yield opened


def candidate(stage: Stage, books: Registries, shift: float = SHIFT, seed: int = 7, reason: str = "drift") -> str:
    """A logged run that was trained on rows of a world that moved by ``shift``."""
    x, y = stage.draw(400, shift, seed)
    schema = Schema(("a", "b"), books.model(stage.production).model.schema.classes)
    fitted = fit(Table(schema.features, x, y, schema.classes), seed=0)
    return log_run(books.miniflow, fitted, reason)


def live(stage: Stage, labels: int, n: int = 400, shift: float = SHIFT, first_ms: int = LATER_MS) -> None:
    """Rows that came while the shadow ran, the first of them labelled."""
    stage.drifted(labels, n, shift, prefix=f"live{first_ms}-", first_ms=first_ms)


def compared(stage: Stage, books: Registries, run_id: str) -> ShadowComparison:
    return ShadowJudge(books, stage.settings, run_id).compare()


def promoted(stage: Stage, books: Registries, run_id: str) -> tuple[ShadowComparison, Settlement]:
    found, settled = ShadowJudge(books, stage.settings, run_id).promote()
    assert settled is not None
    return found, settled


def test_looks_are_made_at_growing_counts_and_not_between_them() -> None:
    assert [looks(n, 100)[:2] for n in (0, 99, 100, 149, 150, 224, 225)] == [
        (0, 0), (0, 0), (1, 100), (1, 100), (2, 150), (2, 150), (3, 225),
    ]  # fmt: skip


def test_before_the_first_look_nothing_is_decided_and_it_is_said_what_is_missing(
    stage: Stage, books: Registries
) -> None:
    run_id = begin_shadow(books, candidate(stage, books))
    live(stage, 60)
    judge = ShadowJudge(books, stage.settings, run_id)
    found, settled = judge.promote()
    assert settled is None
    assert (found.look, found.decision, found.labelled_rows, found.rows_seen) == (0, None, 60, 400)
    assert found.verdict.startswith("There are 60 labelled rows of 400 since the shadow began, fewer than the 100")
    assert found.candidate_figures is not None
    assert found.candidate_figures.rows == 60


def test_a_better_shadow_is_promoted_with_its_decision_on_record_as_every_other(
    stage: Stage, books: Registries
) -> None:
    first = stage.production
    run_id = begin_shadow(books, candidate(stage, books))
    live(stage, 160)
    found, settled = promoted(stage, books, run_id)
    assert settled.promoted
    assert stage.production == run_id
    assert (found.look, found.next_look_rows) == (2, 225)
    assert found.decision is not None
    assert found.decision.judged is not None
    assert found.decision.judged.difference.rows == 150
    assert found.decision.level == level_of(2)
    stored = books.miniflow.run(run_id).read_artifact(DECISION_ARTIFACT)
    decision = msgspec.json.decode(stored, type=PromotionDecision)
    assert decision.promote
    assert (decision.candidate, decision.production, decision.attempt) == (run_id, first, 2)
    told = stage.registry.history(1)[0]
    assert told.decision == stored
    assert told.reason == decision.sentence == settled.verdict
    assert books.miniflow.run(run_id).meta.outcome == "promoted"


def test_a_candidate_like_production_is_refused_and_production_stays(stage: Stage, books: Registries) -> None:
    before = stage.production
    run_id = begin_shadow(books, candidate(stage, books, shift=0.0, reason="fit"))
    live(stage, 300, shift=0.0)
    _, settled = promoted(stage, books, run_id)
    assert not settled.promoted
    assert stage.production == before
    assert books.miniflow.run(run_id).meta.outcome == "refused"


def test_only_rows_after_both_models_judge(stage: Stage, books: Registries) -> None:
    earlier = candidate(stage, books, seed=8)
    run_id = begin_shadow(books, candidate(stage, books))
    began_ms = ShadowRegistry(stage.connection, stage.keys).since_ms(run_id)
    live(stage, 50, n=50, first_ms=began_ms - 100)
    assert compared(stage, books, run_id).rows_seen == 0
    live(stage, 50, n=50, first_ms=LATER_MS)
    assert compared(stage, books, run_id).rows_seen == 50
    # production changes meanwhile: what came before may have trained it
    model = books.model(earlier)
    made = stage.registry.promote(earlier, model, 1, "test")
    found = compared(stage, books, run_id)
    assert (found.production, found.production_epoch) == (earlier, 2)
    assert found.since_ms == made.updated_ts_ms + stage.settings.cluster_skew_ms
    # rolled back, the first run is as old as it was
    first = made.previous or ""
    stage.registry.promote(first, books.model(first), 2, "rollback")
    assert compared(stage, books, run_id).since_ms == began_ms + stage.settings.cluster_skew_ms


def test_a_shadow_that_production_outran_is_superseded(
    stage: Stage, books: Registries, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = begin_shadow(books, candidate(stage, books))
    live(stage, 160)
    judge = ShadowJudge(books, stage.settings, run_id)
    other = candidate(stage, books, seed=8)
    compare = judge._compare

    def outrun(*arguments: object) -> ShadowComparison:
        found = compare(*arguments)  # type: ignore[arg-type]  # handed through
        stage.registry.promote(other, books.model(other), 1, "test")
        return found

    monkeypatch.setattr(judge, "_compare", outrun)
    _, settled = judge.promote()
    assert settled is not None
    assert not settled.promoted
    assert settled.verdict.startswith("The model was better, but")
    assert stage.production == other
    assert books.miniflow.run(run_id).meta.outcome == "superseded"
    with pytest.raises(Superseded):
        stage.registry.promote(run_id, books.model(run_id), 1, "late")


def test_figures_are_those_of_all_labelled_rows_and_each_models_own_threshold(
    stage: Stage, books: Registries
) -> None:
    run_id = begin_shadow(books, candidate(stage, books))
    live(stage, 170)
    found = compared(stage, books, run_id)
    x, y = stage.draw(400, SHIFT, seed=1)
    for figures, run in ((found.candidate_figures, run_id), (found.production_figures, stage.production)):
        model = books.model(run).model
        assert figures == evaluate(y[:170], model.score(x[:170]).probability, model.threshold)


def test_production_itself_another_schema_and_no_shadow_are_refused(stage: Stage, books: Registries) -> None:
    with pytest.raises(UsageError, match="is in production itself"):
        begin_shadow(books, "production")
    x, y = stage.draw(400, seed=3)
    narrow = log_run(books.miniflow, fit(Table(("a",), x[:, :1], y, ("no", "yes")), seed=0), "fit")
    with pytest.raises(SchemaError, match="is of another schema than production"):
        begin_shadow(books, narrow)
    with pytest.raises(UnknownRun, match="is no shadow"):
        compared(stage, books, narrow)
    assert ShadowRegistry(stage.connection, stage.keys).run_ids() == []


def test_a_comparison_ends_where_production_changes_its_schema(stage: Stage, books: Registries) -> None:
    run_id = begin_shadow(books, candidate(stage, books))
    live(stage, 160)
    judge = ShadowJudge(books, stage.settings, run_id)
    assert judge.compare().decision is not None
    x, y = stage.draw(400, seed=3)
    fitted = fit(Table(("a",), x[:, :1], y, ("no", "yes")), seed=0)
    narrow = log_run(books.miniflow, fitted, "fit")
    stage.registry.promote(narrow, fitted.file, 1, "test")
    with pytest.raises(SchemaError, match="is of another schema than production"):
        judge.promote()
    assert stage.production == narrow


def test_a_test_that_was_made_stands_however_often_somebody_looks(stage: Stage, books: Registries) -> None:
    run_id = begin_shadow(books, candidate(stage, books))
    ids, y = stage.drifted(110, prefix="live", first_ms=LATER_MS)
    judge = ShadowJudge(books, stage.settings, run_id)
    first = judge.compare()
    stage.label(ids[110:149], y[110:149])
    again = judge.compare()
    assert (again.labelled_rows, again.look) == (149, 1)
    assert again.decision == first.decision
    stage.label(ids[149:151], y[149:151])
    assert judge.compare().look == 2


def test_labels_that_come_late_for_older_rows_do_not_make_a_test_again(stage: Stage, books: Registries) -> None:
    """Whoever asks: each time it was made again on other rows was one chance more."""
    run_id = begin_shadow(books, candidate(stage, books))
    ids, y = stage.drifted(0, prefix="live", first_ms=LATER_MS)
    stage.label(ids[200:300], y[200:300])
    first = compared(stage, books, run_id)
    stage.label(ids[:40], y[:40])
    again = compared(stage, books, run_id)
    assert (first.look, again.look) == (1, 1)
    assert (first.labelled_rows, again.labelled_rows) == (100, 140)
    assert first.decision is not None
    assert again.decision == first.decision
    found, settled = promoted(stage, books, run_id)
    assert found.decision == first.decision
    assert settled.verdict == first.verdict


def test_rows_that_left_the_samples_count_and_no_test_is_made_twice(stage: Stage, books: Registries) -> None:
    run_id = begin_shadow(books, candidate(stage, books))
    live(stage, 100, n=100)
    first = compared(stage, books, run_id)
    assert (first.look, first.next_look_rows) == (1, 150)
    stage.connection.call("XTRIM", stage.keys.samples, "MAXLEN", 0)
    live(stage, 49, n=80, first_ms=LATER_MS + 1_000)
    second = compared(stage, books, run_id)
    assert (second.labelled_rows, second.counted_rows, second.look) == (49, 149, 1)
    assert second.decision == first.decision
    live(stage, 3, n=3, first_ms=LATER_MS + 2_000)
    third = compared(stage, books, run_id)
    assert (third.labelled_rows, third.counted_rows, third.look, third.next_look_rows) == (52, 152, 2, 225)
    assert third.decision is not None
    assert third.decision.judged is not None
    assert (third.decision.judged.difference.rows, third.decision.attempt) == (50, 2)


def test_of_two_who_make_a_test_at_once_the_first_stands(stage: Stage, books: Registries) -> None:
    run_id = begin_shadow(books, candidate(stage, books))
    live(stage, 100)
    shadows = ShadowRegistry(stage.connection, stage.keys)
    stands = compared(stage, books, run_id)
    (data,) = shadows.tests(run_id)
    kept = msgspec.json.decode(data, type=ShadowTest)
    tests = ShadowTests(shadows, run_id, kept.production, kept.since_ms)
    late = msgspec.structs.replace(kept, decision=msgspec.Raw(decide_unjudged("Too late.").encoded))
    assert tests.keep(late).read.sentence == kept.read.sentence == stands.verdict
    assert tests.keep(msgspec.structs.replace(late, look=2)).read.sentence == "Too late."
    assert len(shadows.tests(run_id)) == 2


def test_a_shadow_that_ended_leaves_no_test_and_begins_with_the_first(stage: Stage, books: Registries) -> None:
    run_id = begin_shadow(books, candidate(stage, books))
    live(stage, 160)
    shadows = ShadowRegistry(stage.connection, stage.keys)
    assert compared(stage, books, run_id).look == 2
    assert shadows.end(run_id)
    assert stage.connection.call("EXISTS", stage.keys.shadows) == 0
    begin_shadow(books, run_id)
    assert shadows.tests(run_id) == []
    assert compared(stage, books, run_id).look == 2
    assert len(shadows.tests(run_id)) == 1


def test_a_test_that_cannot_be_read_is_not_made_again(stage: Stage, books: Registries) -> None:
    run_id = begin_shadow(books, candidate(stage, books))
    live(stage, 160)
    ShadowRegistry(stage.connection, stage.keys).add_test(run_id, 1, b"{}")
    with pytest.raises(RegistryError, match="end the shadow and begin it again"):
        compared(stage, books, run_id)


def test_no_test_is_made_where_the_run_is_not(stage: Stage, books: Registries, tmp_path: Path) -> None:
    """It would be judged without its training rows and production's holdout, and the verdict would stand."""
    run_id = begin_shadow(books, candidate(stage, books, reason="fit"))
    live(stage, 100)
    elsewhere = msgspec.structs.replace(stage.settings, miniflow=str(tmp_path / "elsewhere"))
    with open_registries(elsewhere) as others, pytest.raises(UsageError, match="run the command where they are"):
        ShadowJudge(others, elsewhere, run_id).compare()
    assert ShadowRegistry(stage.connection, stage.keys).tests(run_id) == []


def test_a_comparison_names_both_models_in_its_decision(stage: Stage, books: Registries) -> None:
    run_id = begin_shadow(books, candidate(stage, books))
    live(stage, 100)
    found = compared(stage, books, run_id).decision
    assert found is not None
    assert (found.candidate, found.production, found.production_epoch) == (run_id, stage.production, 1)
    assert found.reason == "drift"


def test_without_production_there_is_nothing_to_shadow(stage: Stage) -> None:
    with open_registries(stage.settings) as empty:
        x, y = stage.draw(100, seed=3)
        run_id = log_run(empty.miniflow, fit(Table(("a", "b"), x, y, ("no", "yes")), seed=0), "fit")
        with pytest.raises(NoProductionModel):
            begin_shadow(empty, run_id)


def test_the_fixed_holdout_guards_with_rows_that_the_candidate_never_saw(stage: Stage, books: Registries) -> None:
    """Of production's own rows, another split's holdout shares a fifth; the others may have trained it."""
    x, y = stage.draw(400, seed=99)  # the rows of the first model
    fitted = fit(Table(("a", "b"), x, y, books.model(stage.production).model.schema.classes), seed=5)
    run_id = begin_shadow(books, log_run(books.miniflow, fitted, "fit"))
    live(stage, 120, shift=0.0)
    decision = compared(stage, books, run_id).decision
    assert decision is not None
    assert decision.fixed_holdout_judges
    assert decision.fixed_holdout is not None
    shared = np.isin(fitted.holdout.x[:, 0], books_holdout(stage, books))
    assert decision.fixed_holdout.difference.rows == shared.sum() > 0


def books_holdout(stage: Stage, books: Registries) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    holdout = own_holdout(books.miniflow, stage.production)
    assert holdout is not None
    return holdout.x[:, 0]


def test_copies_of_rows_that_trained_the_candidate_do_not_judge_it(stage: Stage, books: Registries) -> None:
    x, y = stage.draw(100, SHIFT, seed=1)  # the first of those that come while it is shadowed
    more, labels = stage.draw(300, SHIFT, seed=7)
    schema = Schema(("a", "b"), books.model(stage.production).model.schema.classes)
    table = Table(schema.features, np.concatenate([x, more]), np.concatenate([y, labels]), schema.classes)
    numbers = np.arange(400)
    fitted = fit(table, seed=0, split=Split(numbers[30:], numbers[:30]))
    run_id = begin_shadow(books, log_run(books.miniflow, fitted, "drift"))
    coming = np.concatenate([x, stage.draw(300, SHIFT, seed=8)[0]])
    ids = [f"live{number}".encode() for number in range(400)]
    stage.sample(coming, ids, LATER_MS)
    stage.label(ids[:150], np.concatenate([y, stage.draw(300, SHIFT, seed=8)[1]])[:150])
    found = compared(stage, books, run_id)
    assert found.decision is not None
    assert found.decision.judged is not None
    assert (found.decision.copies, found.decision.judged.difference.rows) == (70, 80)
    assert "70 more judge nothing: they are copies of rows that trained." in found.verdict


def test_a_fixed_holdout_that_the_candidate_knows_is_said_again(stage: Stage, books: Registries) -> None:
    run_id = begin_shadow(books, candidate(stage, books, reason="fit"))
    live(stage, 150)
    before = decide_unjudged("Of an earlier judgement.")
    before = msgspec.structs.replace(before, production=stage.production, fixed_holdout_known=80)
    books.miniflow.run(run_id).write_artifact(DECISION_ARTIFACT, before.encoded)
    found = compared(stage, books, run_id)
    assert found.decision is not None
    assert (found.decision.fixed_holdout, found.decision.fixed_holdout_known) == (None, 80)
    assert "Production's own holdout does not judge" in found.verdict

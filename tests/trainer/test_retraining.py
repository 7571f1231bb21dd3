from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from core.drift_window import RetrainEvent
from core.errors import DataError
from core.miniflow import MiniFlow
from core.model import Floats
from core.model_file import ModelFile
from core.profile import profile_rows
from core.record_place import RecordPlace
from core.schema import Schema
from tests.drift_references import QUICK_BLOCKS
from trainer.dataset import LabelledRows
from trainer.drift_reference import rows_before
from trainer.fit import fit
from trainer.holdout import HOLDOUT_ARTIFACT, Holdout, read_holdout
from trainer.retraining import Retraining, log_retraining, own_holdout, own_since, retrain
from trainer.solvers.newton import Newton
from trainer.table import Labels, Table

SCHEMA = Schema(("a", "b"), ("no", "yes"))
DRIFT = RetrainEvent(reason="drift")
MANUAL = RetrainEvent(reason="manual")


def draw(n: int, shift: float, seed: int, slope: float = 3.0) -> tuple[Floats, Labels]:
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, 2))
    y = (generator.random(n) < 1 / (1 + np.exp(-slope * x[:, 0]))).astype(np.uint8)
    return x + np.array([shift, 0.0]), y


def as_rows(x: Floats, y: Labels) -> LabelledRows:
    positions = np.zeros((len(y), 4), dtype=np.int64)
    positions[:, 0] = np.arange(len(y))
    before = rows_before(x, np.arange(len(y)))
    return LabelledRows(x, y, [b"%d" % row for row in range(len(y))], positions, before, 2 * len(y))


@pytest.fixture(scope="module")
def production() -> ModelFile:
    x, y = draw(400, 0.0, 99)
    return fit(Table(SCHEMA.features, x, y, SCHEMA.classes), seed=0).file


def old_holdout() -> Holdout:
    return Holdout(*draw(200, 0.0, 98))


def retrained(
    event: RetrainEvent,
    rows: LabelledRows,
    production: ModelFile,
    holdout: Holdout | None = None,
    min_labelled_rows: int = 100,
) -> Retraining:
    return retrain(event, rows, production, holdout, min_labelled_rows=min_labelled_rows, seed=0, solver=Newton())


def test_after_a_drift_the_newest_fifth_judges_and_the_rest_trains(production: ModelFile) -> None:
    x, y = draw(400, 4.0, 1)
    found = retrained(DRIFT, as_rows(x, y), production, old_holdout())
    assert found.result == "candidate"
    assert found.fitted is not None
    assert np.array_equal(found.fitted.holdout.x, x[320:])
    assert np.array_equal(found.fitted.file.profile.mean, profile_rows(x[:320], SCHEMA.features, 0).mean)
    assert found.judged is not None
    assert found.judged.candidate.log_loss < found.judged.production.log_loss


def test_after_a_drift_the_old_holdout_is_reported_and_not_judged(production: ModelFile) -> None:
    found = retrained(DRIFT, as_rows(*draw(400, 4.0, 1)), production, old_holdout())
    assert found.old_holdout is not None
    assert found.old_holdout.difference.significantly_worse
    assert found.result == "candidate"
    assert found.metrics["old_holdout_rows"] == 200


def test_after_a_change_of_concept_the_old_holdout_would_refuse_the_better_model(production: ModelFile) -> None:
    x, y = draw(400, 0.0, 1)
    rows = as_rows(x, 1 - y)  # the same records have the other outcome
    found = retrained(RetrainEvent(reason="label_drift"), rows, production, old_holdout())
    assert found.result == "candidate"
    assert found.old_holdout is not None
    assert found.old_holdout.difference.significantly_worse
    assert retrained(MANUAL, rows, production, old_holdout()).result == "refused"


@pytest.mark.parametrize("event", [MANUAL, RetrainEvent(reason="scheduled")])
def test_without_a_drift_the_fixed_holdout_judges_too(production: ModelFile, event: RetrainEvent) -> None:
    rows = as_rows(*draw(400, 4.0, 1))
    refused = retrained(event, rows, production, old_holdout())
    assert refused.result == "refused"
    assert "significantly worse on the fixed holdout" in refused.verdict
    assert retrained(event, rows, production, None).result == "candidate"


def test_what_is_not_better_is_refused_with_its_sentence(production: ModelFile) -> None:
    x, y = draw(400, 0.0, 3)
    y[:320] = 1 - y[:320]  # learns the opposite of what it is judged on
    found = retrained(DRIFT, as_rows(x, y), production, old_holdout())
    assert found.result == "refused"
    assert "not better than production" in found.verdict
    assert found.fitted is not None


def test_too_few_labels_train_nothing(production: ModelFile) -> None:
    found = retrained(DRIFT, as_rows(*draw(99, 4.0, 1)), production)
    assert (found.result, found.fitted) == ("too_few_labels", None)
    assert "99 labelled rows" in found.verdict
    empty = as_rows(np.empty((0, 2)), np.empty(0, dtype=np.uint8))
    assert retrained(DRIFT, empty, production, min_labelled_rows=1).result == "too_few_labels"


@pytest.mark.parametrize(("part", "rows"), [("training", slice(0, 320)), ("judged", slice(320, 400))])
def test_one_class_in_a_part_is_too_few_labels(production: ModelFile, part: str, rows: slice) -> None:
    x, y = draw(400, 4.0, 1)
    y[rows] = 1
    found = retrained(DRIFT, as_rows(x, y), production)
    assert found.result == "too_few_labels"
    assert f"{part} rows are of class 'yes'" in found.verdict


def test_equal_rows_give_equal_bytes(production: ModelFile) -> None:
    rows = as_rows(*draw(400, 4.0, 1))
    first, second = (retrained(DRIFT, rows, production).fitted for _ in range(2))
    assert first is not None
    assert second is not None
    assert first.file.encoded == second.file.encoded


def test_rows_beyond_any_scale_are_an_error(production: ModelFile) -> None:
    x, y = draw(400, 4.0, 1)
    x[0, 0] = 1e300
    with pytest.raises(DataError, match="rescale"):
        retrained(DRIFT, as_rows(x, y), production)


def test_a_run_holds_all_that_was_decided_on(production: ModelFile, tmp_path: Path) -> None:
    miniflow = MiniFlow(tmp_path, "test")
    found = retrained(DRIFT, as_rows(*draw(400, 4.0, 1)), production, old_holdout())
    run = log_retraining(miniflow, "drift", found, {"event_id": "1-0", "since": "5-0", "since_row": 4})
    assert run.params["event_id"] == "1-0"
    assert own_since(miniflow, run.run_id) == RecordPlace(5, 0, row=4)
    assert found.fitted is not None
    assert np.array_equal(read_holdout(run.read_artifact(HOLDOUT_ARTIFACT)).x, found.fitted.holdout.x)
    kept = own_holdout(miniflow, run.run_id)
    assert kept is not None
    assert len(kept.y) == 80
    assert miniflow.model(run.run_id).sha256 == found.fitted.file.sha256
    lines = list(run.metrics())
    assert {"train_loss", "train_accuracy", "validation_loss", "validation_accuracy"} <= set(lines[0].metrics)
    last = run.summary().metrics
    for rows in ("judged", "old_holdout"):
        for side in ("candidate", "production"):
            assert {f"{rows}_{side}_log_loss", f"{rows}_{side}_accuracy"} <= set(last)
    assert {"train_profile.json", "model/model_card.json", "model/model.npz"} <= set(run.meta.artifacts)


def test_a_run_without_a_model_is_logged_too(production: ModelFile, tmp_path: Path) -> None:
    miniflow = MiniFlow(tmp_path, "test")
    found = retrained(DRIFT, as_rows(*draw(10, 4.0, 1)), production)
    run = log_retraining(miniflow, "drift", found, {"event_id": "1-0"})
    assert not run.summary().has_model
    assert own_holdout(miniflow, run.run_id) is None


def test_a_run_that_is_elsewhere_has_no_holdout_and_no_since(tmp_path: Path) -> None:
    miniflow = MiniFlow(tmp_path, "test")
    assert own_holdout(miniflow, "0123456789ab") is None
    assert own_since(miniflow, "0123456789ab") is None


@pytest.mark.parametrize("content", ['{"since": "yesterday"}', "{", "[]"])
def test_a_damaged_run_says_nothing_of_its_since(tmp_path: Path, content: str) -> None:
    miniflow = MiniFlow(tmp_path, "test")
    run = miniflow.start_run("drift")
    (run.directory / "params.json").write_text(content)
    assert own_since(miniflow, run.run_id) is None


def joined(*parts: tuple[Floats, Labels]) -> LabelledRows:
    """Parts of a stream one after the other."""
    return as_rows(np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts]))


def test_rows_that_still_drift_train_on_what_came_after_the_change(production: ModelFile) -> None:
    found = retrained(DRIFT, joined(draw(300, 1.0, 20), draw(500, 3.0, 21)), production)
    assert found.fitted is not None
    assert found.fitted.train.rows + found.fitted.validation.rows == pytest.approx(500, abs=10)


def test_rows_that_still_drift_and_are_few_afterwards_are_refused_with_a_sentence(production: ModelFile) -> None:
    rows = joined(draw(300, 1.0, 20), draw(180, 3.0, 21))
    found = retrained(DRIFT, rows, production, min_labelled_rows=200)
    assert (found.result, found.fitted) == ("refused", None)
    assert "drift themselves" in found.verdict


def test_a_verdict_names_a_feature_as_it_is_called() -> None:
    features = ("Area; mm2", "B")
    x, y = draw(400, 0.0, 99)
    named = fit(Table(features, x, y, SCHEMA.classes), seed=0, blocks=QUICK_BLOCKS).file
    found = retrained(DRIFT, joined(draw(300, 1.0, 20), draw(180, 3.0, 21)), named, min_labelled_rows=200)
    assert found.verdict.startswith("The training rows drift themselves: from row ")
    assert " on Area; mm2 is " in found.verdict
    assert found.verdict.endswith("higher than before; a later attempt will have more rows.")
    assert "--unordered" not in found.verdict


def test_rows_whose_neighbours_have_no_label_are_known_for_dependent(production: ModelFile) -> None:
    x = np.random.default_rng(30).normal(size=(1_500, 2))
    x[1:] *= np.sqrt(1 - 0.9**2)
    for row in range(1, len(x)):
        x[row] += 0.9 * x[row - 1]
    y = (np.random.default_rng(31).random(1_500) < 1 / (1 + np.exp(-3 * x[:, 0]))).astype(np.uint8)
    kept = np.arange(0, 1_500, 3)
    rows = dataclasses.replace(as_rows(x[kept], y[kept]), before=rows_before(x, kept))
    fitted = retrained(DRIFT, rows, production).fitted
    assert fitted is not None
    assert fitted.file.drift.transform.autocorrelation[:2].tolist() == pytest.approx([0.9, 0.9], abs=0.05)


def repeated(times: int, fresh: int = 0, decimals: int = 17) -> LabelledRows:
    """Rows of a drifted world that come again and again, as of a file that is streamed in a loop."""
    x, y = draw(100, 4.0, 5)
    more, labels = draw(fresh, 4.0, 6)
    again = np.concatenate([x] * times)
    return as_rows(np.round(np.concatenate([again, more]), decimals), np.concatenate([np.tile(y, times), labels]))


def test_copies_of_rows_that_trained_judge_nothing(production: ModelFile) -> None:
    alone = retrained(DRIFT, repeated(5), production)
    assert (alone.result, alone.fitted) == ("too_few_labels", None)
    assert alone.verdict.startswith("All 100 judged rows are copies of rows that trained")
    found = retrained(DRIFT, repeated(5, fresh=75), production)
    assert found.judged is not None
    assert found.decision is not None
    assert (found.judged.difference.rows, found.decision.copies) == (75, 40)
    assert "40 more judge nothing: they are copies of rows that trained." in found.verdict


def test_rows_that_are_equal_by_chance_judge(production: ModelFile) -> None:
    x, y = draw(400, 4.0, 1)
    coarse = retrained(DRIFT, as_rows(np.round(x), y), production)
    assert coarse.judged is not None
    assert coarse.decision is not None
    assert (coarse.judged.difference.rows, coarse.decision.copies) == (80, 0)

"""Who reads Redis alone sees how good production is: a promotion brings the figures of its own held-out rows."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from core.file_registry import FileRegistry
from core.miniflow import MiniFlow
from core.model import LogisticModel
from core.model_file import ModelFile
from core.own_figures import OwnFigures, read_own_figures
from core.registry import Production
from core.schema import Schema
from core.settings import Settings
from streamgauge.run_report.facts import read_facts
from tests.both_servers import both_servers
from tests.drift_references import quick_model_file
from tests.trainer.imported.exporting import export
from tests.trainer.noisy_table import noisy_table
from tests.trainer.turning import until
from trainer.block_entry import fit_table_in_blocks
from trainer.commands import fit_table, promote_run, rollback
from trainer.evaluation import EvaluationIntervals, evaluation_intervals
from trainer.holdout import Holdout
from trainer.imported.command import import_model
from trainer.own_figures import TOLD, own_figures
from trainer.promotion.decision import DECISION_ARTIFACT, read_decision
from trainer.table import Labels
from trainer.threshold_change import set_threshold

if TYPE_CHECKING:
    from tests.trainer.conftest import Stage


def told(stage: Stage) -> OwnFigures | None:
    """What the newest promotion says, as who has nothing but Redis reads it."""
    return read_own_figures(stage.registry.history(1)[0].decision)


def assert_figures_of(miniflow: MiniFlow, run_id: str, own: OwnFigures | None) -> None:
    """They are those that a report of the run shows."""
    facts = read_facts(miniflow.run(run_id), miniflow.model(run_id))
    assert own is not None
    assert (own.rows, own.confidence) == (len(facts.holdout.y), facts.intervals.confidence)
    assert [figure.name for figure in own.figures] == list(TOLD)
    for figure in own.figures:
        interval = getattr(facts.intervals, figure.name)
        assert figure.value == getattr(facts.evaluation, figure.name)
        ends = (None, None) if interval is None else (interval.low, interval.high)
        assert (figure.low, figure.high) == ends
    assert sum(figure.low is not None for figure in own.figures) >= 5


@both_servers
def test_a_retraining_brings_the_figures_of_its_candidate(stage: Stage) -> None:
    stage.first_model()
    service = stage.started()
    stage.drifted(labels=300)
    stage.drift_event()
    until(service, lambda: stage.outcomes() == ["promoted"])
    assert_figures_of(stage.miniflow, stage.production, told(stage))
    promotion = stage.registry.history(1)[0]
    assert read_decision(promotion.decision).own == told(stage)
    assert promotion.reason == read_decision(promotion.decision).sentence
    assert len(promotion.decision) < 12_000


def test_figures_that_cannot_be_made_are_an_answer_and_no_end_of_the_trainer(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = stage.first_model()
    service = stage.started()
    monkeypatch.setattr("trainer.answer.own_figures", lambda *_: 1 / 0)
    stage.drifted(labels=300)
    stage.drift_event()
    until(service, lambda: stage.outcomes() == ["failed"])
    assert (stage.production, stage.pending()) == (first, 0)


@pytest.mark.parametrize("fit", [fit_table, fit_table_in_blocks])
def test_the_first_model_brings_its_figures_though_nothing_was_compared(
    tmp_path: Path, stage: Stage, fit: object
) -> None:
    enter = fit_table if fit is fit_table else fit_table_in_blocks
    report = enter(noisy_table(tmp_path), "class", "1", stage.settings)
    assert report.decision.judged is None
    assert_figures_of(stage.miniflow, report.run_id, told(stage))


def test_a_fit_that_is_refused_tells_figures_of_nobody(tmp_path: Path, stage: Stage) -> None:
    first = fit_table(noisy_table(tmp_path), "class", "1", stage.settings)
    refused = fit_table(noisy_table(tmp_path, noise=3.0, seed=1), "class", "1", stage.settings)
    assert read_decision(stage.miniflow.run(refused.run_id).read_artifact(DECISION_ARTIFACT)).own is None
    assert_figures_of(stage.miniflow, first.run_id, told(stage))


def by_hand(stage: Stage, tmp_path: Path) -> tuple[str, str]:
    """Two runs, of which the second was refused."""
    first = fit_table(noisy_table(tmp_path), "class", "1", stage.settings)
    second = fit_table(noisy_table(tmp_path, noise=3.0, seed=1), "class", "1", stage.settings)
    return first.run_id, second.run_id


def test_promote_and_rollback_bring_the_figures_and_decide_nothing(tmp_path: Path, stage: Stage) -> None:
    first, second = by_hand(stage, tmp_path)
    promote_run(second, stage.settings)
    assert_figures_of(stage.miniflow, second, told(stage))
    rollback(stage.settings)
    assert_figures_of(stage.miniflow, first, told(stage))
    newest, before = stage.registry.history(2)
    assert (newest.reason, before.reason) == ("rollback", "manual")
    assert list(msgspec.json.decode(newest.decision)) == ["own"]


def test_a_rollback_waits_for_no_resamples(tmp_path: Path, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = by_hand(stage, tmp_path)
    fitted = told(stage)
    promote_run(second, stage.settings)
    monkeypatch.setattr("trainer.own_figures.evaluation_intervals", lambda *_, **__: 1 / 0)
    assert rollback(stage.settings).run_id == first
    assert told(stage) == fitted


def test_figures_of_an_imported_model_say_that_it_may_have_seen_the_rows(tmp_path: Path, stage: Stage) -> None:
    data, x = tmp_path / "rows.csv", holdout(200)
    lines = [f"{a!r},{b!r},{label}" for (a, b), label in zip(x.x.tolist(), x.y.tolist(), strict=True)]
    data.write_text("\n".join(["a,b,class", *lines]) + "\n")
    model = export(make_pipeline(StandardScaler(), LogisticRegression()).fit(x.x, x.y), tmp_path)
    for seen in (True, False):
        import_model(model, data, "class", "1", stage.settings, unseen=not seen)
        own = told(stage)
        assert own is not None
        assert own.may_have_seen is seen
        stage.connection.call("DEL", stage.keys.production)  # so that the next is the first, too
        stage.files.path.unlink()


def test_another_threshold_brings_the_figures_at_it(tmp_path: Path, stage: Stage) -> None:
    fit_table(noisy_table(tmp_path), "class", "1", stage.settings)
    before = told(stage)
    change = set_threshold(msgspec.structs.replace(stage.settings, threshold=0.2))
    assert_figures_of(stage.miniflow, change.production.run_id, told(stage))
    assert told(stage) != before


def test_a_run_that_is_not_here_is_promoted_without_figures(tmp_path: Path, stage: Stage) -> None:
    first, second = by_hand(stage, tmp_path)
    promote_run(second, stage.settings)
    shutil.rmtree(stage.miniflow.run(first).directory)
    production = rollback(stage.settings)
    assert production.run_id == first
    assert stage.registry.history(1)[0].decision == b""


def test_production_that_is_brought_back_brings_its_figures(stage: Stage) -> None:
    first = stage.first_model()
    stage.started()
    assert_figures_of(stage.miniflow, first, told(stage))


def test_the_file_registry_keeps_the_same(tmp_path: Path) -> None:
    settings = Settings(miniflow=str(tmp_path / "miniflow"))
    first = fit_table(noisy_table(tmp_path), "class", "1", settings)
    second = fit_table(noisy_table(tmp_path, noise=3.0, seed=1), "class", "1", settings)
    made: Production = promote_run(second.run_id, settings)
    assert made.previous == first.run_id
    manual, fitted = FileRegistry(settings.miniflow_path, settings.pipeline).history(2)
    miniflow = MiniFlow(settings.miniflow_path, settings.pipeline)
    assert_figures_of(miniflow, second.run_id, read_own_figures(bytes(manual.decision)))
    assert_figures_of(miniflow, first.run_id, read_own_figures(bytes(fitted.decision)))


def a_model() -> ModelFile:
    rows = np.random.default_rng(0).normal(size=(40, 2))
    model = LogisticModel(Schema(("a", "b")), np.array([1.0, 0.0]), 0.0, np.zeros(2), np.ones(2))
    return quick_model_file(model, rows, 0)


def holdout(n: int, width: int = 2) -> Holdout:
    generator = np.random.default_rng(1)
    x = generator.normal(size=(n, width))
    return Holdout(x, (generator.random(n) < 0.5).astype(np.uint8))


@pytest.mark.parametrize("rows", [holdout(0), holdout(20, width=3)])
def test_rows_that_cannot_judge_tell_nothing(rows: Holdout) -> None:
    assert own_figures(a_model(), rows) is None


def test_figures_that_the_rows_leave_undefined_are_left_out() -> None:
    rows = holdout(30)
    own = own_figures(a_model(), replace(rows, y=np.zeros_like(rows.y)))
    assert own is not None
    names = {figure.name for figure in own.figures}
    assert names == set(TOLD) - {"auc", "recall"}
    assert all(math.isfinite(figure.value) for figure in own.figures)


def test_a_model_that_overflows_tells_no_figure_that_is_no_number() -> None:
    file = a_model()
    huge = replace(file, model=replace(file.model, coefficients=np.array([1e300, -1e300])))
    own = own_figures(huge, Holdout(np.full((4, 2), 1e300), np.array([0, 1, 0, 1], dtype=np.uint8)))
    assert own == OwnFigures(rows=4, figures=())


def test_a_million_rows_take_no_longer_than_the_most_that_are_resampled(monkeypatch: pytest.MonkeyPatch) -> None:
    n, resampled = 1_000_000, []
    generator = np.random.default_rng(2)
    x = generator.normal(size=(n, 2))
    rows = Holdout(x, (generator.random(n) < 1 / (1 + np.exp(-x[:, 0]))).astype(np.uint8))

    def seen(y: Labels, *arguments: Any, **options: Any) -> EvaluationIntervals:
        resampled.append(len(y))
        return evaluation_intervals(y, *arguments, **options)

    monkeypatch.setattr("trainer.own_figures.evaluation_intervals", seen)
    own = own_figures(a_model(), rows)
    assert own is not None
    assert (own.rows, resampled) == (n, [40_000])
    found = {figure.name: figure for figure in own.figures}
    accuracy = found["accuracy"]
    assert accuracy.low is not None
    assert accuracy.high is not None
    assert accuracy.low < accuracy.value < accuracy.high
    # Source: the standard error of a share; the ends of 200 resamples are uncertain by a tenth
    expected = 2 * 1.96 * math.sqrt(accuracy.value * (1 - accuracy.value) / n)
    assert accuracy.high - accuracy.low == pytest.approx(expected, rel=0.3)
    assert found["expected_calibration_error"].low == 0.0  # the model is calibrated, and the rows cannot deny it


def test_many_rows_take_fewer_resamples() -> None:
    own = own_figures(a_model(), holdout(20_000))
    assert own is not None
    assert own.rows == 20_000
    assert all(figure.low is not None for figure in own.figures)
    assert len(msgspec.json.encode(own)) < 1_000

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from core.errors import NoProductionModel, UnknownRun
from core.file_registry import FileRegistry
from core.miniflow import MiniFlow, Run
from core.settings import Settings
from trainer.decision import Choices
from trainer.fit import FittedModel, fit, probability
from trainer.holdout import Holdout
from trainer.promotion.decision import DECISION_ARTIFACT
from trainer.promotion.duel import duel
from trainer.promotion.paired_test import paired_test
from trainer.promotion.rule import decide
from trainer.registries import open_registries
from trainer.run_comparison import RunComparison, compare_runs
from trainer.run_log import log_run
from trainer.solvers.newton import Newton
from trainer.table import Table


def a_table(noise: float = 1.0, rows: int = 400, names: tuple[str, ...] = ("size", "weight")) -> Table:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(rows, 2))
    y = (x[:, 0] + noise * generator.normal(size=rows) > 0).astype(np.uint8)
    return Table(names, x, y)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(pipeline="grain", miniflow=str(tmp_path / "miniflow"))


@pytest.fixture
def miniflow(settings: Settings) -> MiniFlow:
    return MiniFlow(settings.miniflow_path, "grain")


def logged(miniflow: MiniFlow, fitted: FittedModel) -> Run:
    return miniflow.run(log_run(miniflow, fitted, "fit"))


GOOD = fit(a_table(), seed=0, choices=Choices("platt"))
POOR = fit(a_table(), seed=0, solver=Newton(c=1e-4))
ELSEWHERE = fit(a_table(), seed=1)


def test_two_runs_are_laid_side_by_side(settings: Settings, miniflow: MiniFlow) -> None:
    good, poor = logged(miniflow, GOOD), logged(miniflow, POOR)
    FileRegistry(miniflow.root, "grain").promote(good.run_id, GOOD.file, 0, "first")
    found = compare_runs(settings, poor.run_id, good.run_id)
    assert (found.first.run_id, found.second.run_id) == (poor.run_id, good.run_id)
    assert (found.first.role, found.second.role) == ("", "production")
    c = found.parameters["solver_c"]
    assert (c.first, c.second, c.same, found.parameters["seed"].same) == (1e-4, 1.0, False, True)
    assert found.data["sha256"].same
    assert found.data["rows"].first == GOOD.train.rows
    assert found.environment["numpy"].same
    loss = found.metrics["validation_loss"]
    assert loss.difference == GOOD.validation.log_loss - POOR.validation.log_loss
    assert found.operating_point["calibration"].first == "none"
    assert found.operating_point["calibration"].second == "platt"
    assert found.operating_point["threshold"].first == 0.5


def test_on_common_rows_it_says_whether_the_difference_is_chance(settings: Settings, miniflow: MiniFlow) -> None:
    good, poor = logged(miniflow, GOOD), logged(miniflow, POOR)
    found = compare_runs(settings, poor.run_id, good.run_id)
    p_good, p_poor = (probability(fitted.file.model, GOOD.holdout.x) for fitted in (GOOD, POOR))
    assert found.same_holdout == paired_test(GOOD.holdout.y, p_good, p_poor)
    assert f"the log-loss of {good.run_id} is lower than that of {poor.run_id} by" in found.verdict
    assert found.verdict.endswith(": more than chance explains.")
    assert compare_runs(settings, good.run_id, poor.run_id).verdict == found.verdict
    again = compare_runs(settings, good.run_id, logged(miniflow, GOOD).run_id)
    assert again.verdict == f"On the {len(GOOD.holdout.y)} rows that both held out, both have the same log-loss."


def test_few_rows_of_a_class_tell_no_model_from_another(settings: Settings, miniflow: MiniFlow) -> None:
    table = a_table(rows=60)
    good, poor = (fit(table, seed=0, solver=Newton(c=c)) for c in (1.0, 1e-4))
    found = compare_runs(settings, logged(miniflow, poor).run_id, logged(miniflow, good).run_id)
    assert found.same_holdout is not None
    assert not found.same_holdout.enough
    assert found.verdict.endswith(", but to tell more from chance takes 10 rows of each class.")


def expect_nothing_judged(found: RunComparison, why: str) -> None:
    assert found.same_holdout is None
    assert why in found.verdict


def test_figures_of_different_rows_are_not_taken_for_a_difference_of_models(
    settings: Settings, miniflow: MiniFlow
) -> None:
    good, elsewhere = logged(miniflow, GOOD), logged(miniflow, ELSEWHERE)
    found = compare_runs(settings, good.run_id, elsewhere.run_id)
    expect_nothing_judged(found, "held out different rows")
    assert found.metrics["validation_loss"].difference is not None
    assert not found.data["sha256"].same


def test_runs_of_other_rows_are_told_what_the_rule_said_of_both(settings: Settings, miniflow: MiniFlow) -> None:
    good, elsewhere = logged(miniflow, GOOD), logged(miniflow, ELSEWHERE)
    rows = a_table()
    judged = decide(duel(ELSEWHERE.file, GOOD.file, Holdout(rows.x, rows.y)))
    named = msgspec.structs.replace(judged, candidate=elsewhere.run_id, production=good.run_id)
    elsewhere.write_artifact(DECISION_ARTIFACT, named.encoded)
    said = f"When run {elsewhere.run_id} was judged beside {good.run_id}: {judged.sentence}"
    for pair in ((good, elsewhere), (elsewhere, good)):
        assert compare_runs(settings, *(run.run_id for run in pair)).verdict.endswith(said)


def test_rows_that_an_imported_model_may_have_seen_judge_nothing(settings: Settings, miniflow: MiniFlow) -> None:
    good, imported = logged(miniflow, GOOD), logged(miniflow, POOR)
    imported.log_params({"imported": "model.json", "holdout": None, "unseen": False})
    expect_nothing_judged(
        compare_runs(settings, good.run_id, imported.run_id), "may have been trained on the rows"
    )
    for sure, held_out in ((True, None), (False, "other.csv")):
        imported.log_params({"unseen": sure, "holdout": held_out})
        assert compare_runs(settings, good.run_id, imported.run_id).same_holdout is not None


def test_models_of_other_schemas_are_not_judged_on_the_same_rows(settings: Settings, miniflow: MiniFlow) -> None:
    other = fit(a_table(names=("size", "mass")), seed=0)
    found = compare_runs(settings, logged(miniflow, GOOD).run_id, logged(miniflow, other).run_id)
    expect_nothing_judged(found, "different schemas")


def test_a_run_without_a_model_is_compared_as_far_as_it_goes(settings: Settings, miniflow: MiniFlow) -> None:
    empty = miniflow.start_run("feature_drift")
    empty.log_params({"seed": 0, "note": "too few labels"})
    found = compare_runs(settings, empty.run_id, logged(miniflow, GOOD).run_id)
    expect_nothing_judged(found, f"Run {empty.run_id} has no whole model")
    assert found.operating_point["threshold"].first is None
    assert found.parameters["note"].second is None
    assert found.metrics["validation_loss"].first is None
    assert found.metrics["validation_loss"].difference is None


def test_a_run_is_named_by_its_beginning_or_its_role(settings: Settings, miniflow: MiniFlow) -> None:
    with pytest.raises(NoProductionModel, match="no production run yet"):
        compare_runs(settings, "production", "previous")
    good, poor = logged(miniflow, GOOD), logged(miniflow, POOR)
    registry = FileRegistry(miniflow.root, "grain")
    registry.promote(good.run_id, GOOD.file, 0, "first")
    registry.promote(poor.run_id, POOR.file, 1, "worse")
    found = compare_runs(settings, "production", "previous")
    assert (found.first.run_id, found.second.run_id) == (poor.run_id, good.run_id)
    length = next(n for n in range(1, 12) if good.run_id[:n] != poor.run_id[:n])
    assert compare_runs(settings, good.run_id[:length], "production").first.run_id == good.run_id


def test_a_beginning_of_no_run_or_of_several_is_one_sentence(miniflow: MiniFlow) -> None:
    for run_id in ("aaaaaaaaaaa1", "aaaaaaaaaaa2"):
        (miniflow.root / "experiments" / "grain" / "runs" / run_id).mkdir(parents=True)
    with pytest.raises(
        UnknownRun, match="aaaa is the beginning of 'aaaaaaaaaaa1', 'aaaaaaaaaaa2'; give more digits"
    ):
        miniflow.find("aaaa")
    with pytest.raises(UnknownRun, match="no run id here begins with bb"):
        miniflow.find("bb")
    with pytest.raises(UnknownRun, match="not 12 hex digits"):
        miniflow.find("../aaaa")
    assert miniflow.find("aaaaaaaaaaa2") == "aaaaaaaaaaa2"
    assert miniflow.find("0123456789ab") == "0123456789ab"


def test_a_run_that_was_killed_behind_its_promotion_is_given_its_outcome(
    settings: Settings, miniflow: MiniFlow
) -> None:
    run = logged(miniflow, GOOD)
    FileRegistry(miniflow.root, "grain").promote(run.run_id, GOOD.file, 0, "Nothing was in production.")
    assert run.meta.outcome == "logged"
    with open_registries(settings):
        assert (run.meta.outcome, run.meta.detail) == ("promoted", "Nothing was in production.")

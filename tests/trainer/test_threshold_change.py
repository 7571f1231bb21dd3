"""Another operating point for production: the weights stay, the threshold reaches the registry."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest

from core.errors import DataError, NoProductionModel, SettingsError, Superseded
from core.model import sigmoid
from core.redis_registry import RedisRegistry
from core.registry import Production
from core.settings import Settings
from core.threshold_rule import EVEN, ThresholdRule
from tests.drift_references import QUICK_BLOCKS
from trainer.commands import rollback
from trainer.decision import Choices
from trainer.evaluation import evaluate
from trainer.fit import FittedModel, fit, probability
from trainer.model_card import ModelCard
from trainer.run_log import log_run
from trainer.solvers.newton import Newton
from trainer.table import Table
from trainer.threshold_change import THRESHOLD, set_threshold

if TYPE_CHECKING:
    from tests.trainer.conftest import Stage


@pytest.fixture(scope="module")
def fitted() -> FittedModel:
    """A timid model of a rare class, of which .5 finds hardly any."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(2_000, 2))
    y = (generator.random(2_000) < sigmoid(1.5 * x[:, 0] - 4)).astype(np.uint8)
    table = Table(("a", "b"), x, y, ("no", "yes"))
    solver, choices = Newton(c=0.01), Choices("platt")
    return fit(table, seed=0, solver=solver, ordered=False, blocks=QUICK_BLOCKS, choices=choices)


def in_production(stage: Stage, fitted: FittedModel, settings: Settings) -> str:
    run_id = log_run(stage.miniflow, fitted, "fit", {"label": "good", "event_id": "7-0"})
    registry = stage.files if settings.redis_url is None else stage.registry
    registry.promote(run_id, fitted.file, 0, "first")
    return run_id


def asking(stage: Stage, redis: bool = False, **rule: Any) -> Settings:
    settings = stage.settings if redis else msgspec.structs.replace(stage.settings, redis_url=None)
    return msgspec.structs.replace(settings, **rule)


@pytest.mark.parametrize("redis", [False, True])
def test_the_model_keeps_all_but_its_threshold_and_rollback_takes_it_back(
    stage: Stage, fitted: FittedModel, redis: bool
) -> None:
    settings = asking(stage, redis, min_recall=0.9)
    first = in_production(stage, fitted, settings)
    change = set_threshold(settings)
    assert (change.of_run, change.before, change.production.previous) == (first, 0.5, first)
    store = stage.registry if redis else stage.miniflow
    made = store.model(change.production.run_id)
    rule = ThresholdRule("recall", least=0.9)
    assert (made.model.threshold, made.threshold_rule) == (change.point.threshold, rule)
    assert made.calibrate == fitted.file.calibrate
    as_before = replace(made, model=replace(made.model, threshold=0.5), threshold_rule=EVEN)
    assert as_before.encoded == fitted.file.encoded
    assert rollback(settings).run_id == first
    assert store.model(first).model.threshold == 0.5


def test_the_point_is_that_of_a_fit_which_was_asked_for_it(stage: Stage, fitted: FittedModel) -> None:
    settings = asking(stage, threshold_by="f1")
    in_production(stage, fitted, settings)
    rows = fitted.out_of_sample
    assert rows is not None
    change = set_threshold(settings)
    assert change.point.rows == len(rows.y)
    p = probability(stage.miniflow.model(change.production.run_id).model, fitted.holdout.x)
    assert change.validation == evaluate(fitted.holdout.y, p, change.point.threshold)


def test_the_run_has_what_is_true_of_it(stage: Stage, fitted: FittedModel) -> None:
    settings = asking(stage, cost_fn=50.0, cost_fp=1.0)
    first = in_production(stage, fitted, settings)
    change = set_threshold(settings)
    run, before = (stage.miniflow.run(each) for each in (change.production.run_id, first))
    assert (run.meta.reason, run.meta.outcome, run.meta.data) == (THRESHOLD, "promoted", before.meta.data)
    params = run.params
    assert (params["of_run"], params["threshold_by"], params["label"]) == (first, "cost", "good")
    assert params["threshold"] == change.point.threshold
    assert "event_id" not in params
    assert run.read_artifact("holdout.npz") == before.read_artifact("holdout.npz")
    assert run.read_artifact("out_of_sample.npz") == before.read_artifact("out_of_sample.npz")
    card = msgspec.json.decode(run.read_artifact("model/model_card.json"), type=ModelCard)
    assert card.operating_point == change.point
    assert card.validation == change.validation
    assert card.model_sha256 == stage.miniflow.model(run.run_id).sha256
    assert fitted.card.warning_kinds == ("even_threshold",)
    assert (card.warning_kinds, card.warnings) == ((), ())
    last = run.summary().metrics
    assert change.validation is not None
    assert last["validation_accuracy"] == change.validation.accuracy
    assert last["validation_loss"] == change.validation.log_loss
    assert last["train_loss"] == before.summary().metrics["train_loss"]


def test_only_warnings_about_the_point_given_up_are_left_out_whatever_their_words(fitted: FittedModel) -> None:
    kinds = ("poor_calibration", "even_threshold", "threshold_missed", "origin")
    card = msgspec.structs.replace(fitted.card, warnings=("a.", "b.", "c.", "d."), warning_kinds=kinds)
    left = card.without(("even_threshold", "threshold_missed"))
    assert (left.warnings, left.warning_kinds) == (("a.", "d."), ("poor_calibration", "origin"))
    earlier = msgspec.structs.replace(card, warning_kinds=())  # of a version that did not name them
    assert earlier.without(("even_threshold",)) == earlier


def test_what_production_has_already_makes_no_run(stage: Stage, fitted: FittedModel) -> None:
    settings = asking(stage, threshold=0.5)
    first = in_production(stage, fitted, settings)
    assert set_threshold(settings).production.run_id == first
    assert len(stage.miniflow.runs()) == 1


def test_a_run_that_is_elsewhere_can_be_given_a_threshold_and_no_rule(stage: Stage, fitted: FittedModel) -> None:
    first = in_production(stage, fitted, asking(stage, redis=True))
    shutil.rmtree(stage.settings.miniflow_path)
    with pytest.raises(DataError, match=r"nothing to choose a threshold on.* or say --threshold"):
        set_threshold(asking(stage, redis=True, threshold_by="f1"))
    change = set_threshold(asking(stage, redis=True, threshold=0.2))
    assert (change.of_run, change.validation) == (first, None)
    assert stage.registry.model(change.production.run_id).model.threshold == 0.2


def test_a_promotion_in_between_wins(stage: Stage, fitted: FittedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = asking(stage, redis=True, threshold=0.2)
    first = in_production(stage, fitted, settings)
    promote = RedisRegistry.promote

    def overtaken(registry: RedisRegistry, *arguments: Any, **named: Any) -> Production:
        promote(registry, first, fitted.file, 1, "by hand, meanwhile")
        return promote(registry, *arguments, **named)

    monkeypatch.setattr(RedisRegistry, "promote", overtaken)
    with pytest.raises(Superseded):
        set_threshold(settings)
    assert stage.production == first
    newest = stage.miniflow.runs()[0]
    assert (newest.meta.reason, newest.meta.outcome) == (THRESHOLD, "superseded")


def test_nothing_to_set_and_nothing_to_set_it_of_are_said(stage: Stage) -> None:
    with pytest.raises(SettingsError, match="no operating point is asked for"):
        set_threshold(asking(stage))
    with pytest.raises(NoProductionModel, match="streamgauge fit"):
        set_threshold(asking(stage, threshold=0.3))

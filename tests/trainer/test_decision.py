"""Calibration and operating point of a fit: honest figures, kept with the model and asked again of the next."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from core.calibration import CalibrationRequest
from core.drift_window import RetrainEvent
from core.errors import DataError
from core.miniflow import MiniFlow
from core.model import Floats, sigmoid
from core.model_file import read_model_file
from core.npz import encode_npz
from core.settings import Settings
from core.threshold_rule import EVEN, ThresholdRule
from tests.drift_references import QUICK_BLOCKS
from trainer.calibration.choice import choose_calibration
from trainer.dataset import LabelledRows
from trainer.decision import Choices, choices_of
from trainer.drift_reference import rows_before
from trainer.evaluation import evaluate
from trainer.fit import FittedModel, fit, probability
from trainer.holdout import read_holdout
from trainer.metrics.probability import log_loss
from trainer.model_card import ModelCard
from trainer.operating_point import best_threshold
from trainer.out_of_sample import OutOfSample, read_out_of_sample
from trainer.promotion.duel import duel
from trainer.retraining import retrain
from trainer.run_log import log_run
from trainer.solvers.newton import Newton
from trainer.split import Split, stratified_split
from trainer.table import Table

COST = ThresholdRule("cost", cost_fn=120.0, cost_fp=18.0)


def a_table(n: int = 1_000, seed: int = 0) -> Table:
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, 3))
    y = (generator.random(n) < sigmoid(2 * x[:, 0] - 1)).astype(np.uint8)
    return Table(("a", "b", "c"), x, y, ("no", "yes"))


def fitted(calibrate: CalibrationRequest = "none", rule: ThresholdRule = EVEN, seed: int = 0) -> FittedModel:
    # penalised so strongly that its probabilities are too timid
    choices = Choices(calibrate, rule)
    return fit(a_table(), seed=seed, solver=Newton(c=0.005), blocks=QUICK_BLOCKS, ordered=False, choices=choices)


@pytest.fixture(scope="module")
def platt() -> FittedModel:
    return fitted("platt", COST)


def test_a_fit_that_is_asked_for_nothing_decides_at_even_odds() -> None:
    plain = fitted()
    assert (plain.file.model.calibration, plain.file.model.threshold) == (None, 0.5)
    assert plain.out_of_sample is not None  # for whoever asks for a threshold later
    p = probability(plain.file.model, plain.holdout.x)
    assert plain.validation == evaluate(plain.holdout.y, p)


def test_calibration_and_threshold_are_in_the_file_and_leave_the_weights(platt: FittedModel) -> None:
    loaded, plain = read_model_file(platt.file.encoded), fitted().file
    assert loaded.model.calibration is not None
    assert loaded.model.threshold == platt.decision.operating_point.threshold < 0.5
    assert (loaded.calibrate, loaded.threshold_rule) == ("platt", COST)
    np.testing.assert_array_equal(loaded.model.coefficients, plain.model.coefficients)
    # what is watched does not hang on calibration
    for name, array in loaded.drift.arrays().items():
        np.testing.assert_array_equal(array, plain.drift.arrays()[name])
    np.testing.assert_array_equal(loaded.concept.values, plain.concept.values)


def test_held_out_rows_judge_and_decide_nothing(platt: FittedModel) -> None:
    """Other outcomes of theirs change no weight, no calibration and no threshold."""
    table, split = a_table(), stratified_split(a_table().y, 0)
    turned = table.y.copy()
    turned[split.holdout] = 1 - turned[split.holdout]
    other = fit(
        Table(table.features, table.x, turned, table.classes),
        seed=0,
        solver=Newton(c=0.005),
        split=split,
        blocks=QUICK_BLOCKS,
        ordered=False,
        choices=Choices("platt", COST),
    )
    assert other.decision.calibration == platt.decision.calibration
    assert other.decision.operating_point == platt.decision.operating_point
    assert other.file.model.calibration is not None
    assert platt.file.model.calibration is not None
    np.testing.assert_array_equal(other.file.model.calibration.values, platt.file.model.calibration.values)
    assert other.validation.log_loss > platt.validation.log_loss + 0.5


def test_calibration_and_threshold_are_found_on_training_rows_out_of_fold(platt: FittedModel) -> None:
    rows = platt.out_of_sample
    assert rows is not None
    assert (
        len(rows.y) == platt.train.rows == platt.decision.calibration.rows == platt.decision.operating_point.rows
    )
    choice = choose_calibration(rows, "platt")
    assert choice.calibration is not None
    assert platt.file.model.calibration is not None
    np.testing.assert_array_equal(platt.file.model.calibration.values, choice.calibration.values)
    seen = platt.file.model.score(a_table().x[stratified_split(a_table().y, 0).train]).logit
    assert log_loss(rows.y, sigmoid(rows.logit)) > log_loss(rows.y, sigmoid(seen))


def test_validation_figures_are_of_the_model_as_it_is_deployed(platt: FittedModel) -> None:
    seen = probability(platt.file.model, platt.holdout.x)
    assert platt.validation == evaluate(platt.holdout.y, seen, platt.file.model.threshold)
    assert platt.train.threshold == platt.validation.threshold == platt.file.model.threshold != 0.5


def test_a_temperature_changes_no_rank() -> None:
    assert fitted("temperature").validation.auc == fitted().validation.auc


def test_calibration_mends_a_timid_model(platt: FittedModel) -> None:
    fresh = a_table(20_000, seed=1)
    before = evaluate(fresh.y, probability(fitted().file.model, fresh.x))
    after = evaluate(fresh.y, probability(platt.file.model, fresh.x))
    assert after.log_loss < before.log_loss - 0.01
    assert after.expected_calibration_error is not None
    assert before.expected_calibration_error is not None
    assert after.expected_calibration_error < 0.5 * before.expected_calibration_error


def test_equal_fits_give_equal_bytes() -> None:
    one, same = (fitted("auto", COST) for _ in range(2))
    assert one.file.encoded == same.file.encoded
    assert one.out_of_sample is not None
    assert same.out_of_sample is not None
    assert one.out_of_sample.encoded == same.out_of_sample.encoded
    assert one.card == same.card


UNREACHABLE = ThresholdRule("precision", least=1.0)


def contradicting(n: int = 300) -> Table:
    """Rows of which the surest are of class 0, so that no threshold finds class 1 alone."""
    table = a_table(n)
    y = table.y.copy()
    y[np.argsort(table.x[:, 0])[-n // 30 :]] = 0
    return Table(table.features, table.x, y, table.classes)


def test_a_rule_that_no_threshold_meets_is_one_sentence() -> None:
    table = contradicting()
    with pytest.raises(DataError, match="lower min_precision"):
        fit(table, seed=0, ordered=False, blocks=QUICK_BLOCKS, choices=Choices("none", UNREACHABLE))


def test_a_rule_out_of_reach_keeps_the_threshold_that_stands_in_and_says_so() -> None:
    choices = Choices("none", UNREACHABLE, otherwise=0.8)
    kept = fit(contradicting(), seed=0, ordered=False, blocks=QUICK_BLOCKS, choices=choices)
    assert (kept.file.model.threshold, kept.file.threshold_rule) == (0.8, UNREACHABLE)
    (said,) = [sentence for sentence in kept.warnings if "min_precision" in sentence]
    assert said.endswith("; the threshold 0.8 is kept.")
    assert said in kept.card.warnings


def test_a_class_of_two_rows_is_no_choice_of_a_threshold() -> None:
    table = a_table(100)
    y = np.zeros(100, dtype=np.uint8)
    y[:3] = 1  # one of them is held out
    rare = Table(table.features, table.x, y, table.classes)

    def made(choices: Choices) -> FittedModel:
        return fit(rare, seed=0, ordered=False, blocks=QUICK_BLOCKS, choices=choices)

    plain = made(Choices("auto", ThresholdRule("fixed", 0.3)))
    assert (plain.file.model.calibration, plain.file.model.threshold) == (None, 0.3)
    assert "too few training rows" in plain.decision.calibration.reason
    with pytest.raises(DataError, match="too few training rows for a threshold by f1"):
        made(Choices("auto", ThresholdRule("f1")))
    assert made(Choices("auto", ThresholdRule("f1"), otherwise=0.2)).file.model.threshold == 0.2


def test_the_run_records_the_decision(platt: FittedModel, tmp_path: Path) -> None:
    miniflow = MiniFlow(tmp_path, "decided")
    run = miniflow.run(log_run(miniflow, platt, "manual"))
    params = run.params
    assert (params["calibrate"], params["calibration"], params["threshold_by"]) == ("platt", "platt", "cost")
    assert params["threshold"] == platt.file.model.threshold
    card = msgspec.json.decode(run.read_artifact("model/model_card.json"), type=ModelCard)
    assert card.calibration == platt.decision.calibration
    assert card.operating_point == platt.decision.operating_point
    rows = read_out_of_sample(run.read_artifact("out_of_sample.npz"))
    assert platt.out_of_sample is not None
    assert rows.encoded == platt.out_of_sample.encoded


def test_a_holdout_of_an_earlier_version_still_judges() -> None:
    """It may hold a probability a row, which nothing asks for any more."""
    x, y = np.zeros((3, 2)), np.zeros(3, dtype=np.uint8)
    read = read_holdout(encode_npz({"x": x, "y": y, "probability": np.full(3, 0.5)}))
    np.testing.assert_array_equal(read.x, x)


@pytest.mark.parametrize("calibrate", ["platt", "isotonic"])
def test_an_identical_model_is_no_better_and_no_worse(calibrate: CalibrationRequest) -> None:
    one, same = fitted(calibrate), fitted(calibrate)
    for rows in (one.holdout, same.holdout):
        found = duel(one.file, same.file, rows)
        assert found.candidate == found.production
        assert found.difference.difference == 0.0


def test_a_duel_judges_both_as_they_are_deployed(platt: FittedModel) -> None:
    other = fitted("platt", EVEN, seed=5).file
    rows = platt.holdout
    found, turned = duel(platt.file, other, rows), duel(other, platt.file, rows)
    assert found.candidate == turned.production == platt.validation
    assert found.production == evaluate(rows.y, probability(other.model, rows.x))
    assert turned.difference.difference == pytest.approx(-found.difference.difference)


def test_weights_reach_calibration_and_threshold() -> None:
    table = a_table(400)
    times = np.random.default_rng(8).integers(1, 4, 400)
    split = Split(np.arange(320), np.arange(320, 400))

    def made(weights: Floats | None) -> FittedModel:
        return fit(
            table,
            seed=0,
            solver=Newton(c=0.005),
            split=split,
            ordered=False,
            blocks=QUICK_BLOCKS,
            weights=weights,
            choices=Choices("platt", ThresholdRule("f1")),
        )

    weighed, plain = made(times.astype(np.float64)), made(None)
    rows = weighed.out_of_sample
    assert rows is not None
    assert rows.weights is not None
    np.testing.assert_array_equal(rows.weights, times[:320])
    repeated = np.repeat(np.arange(320), times[:320])
    copies = OutOfSample(rows.logit[repeated], rows.y[repeated], rows.folds[repeated])
    as_copies = choose_calibration(copies, "platt").calibration
    assert as_copies is not None
    assert weighed.file.model.calibration is not None
    np.testing.assert_allclose(weighed.file.model.calibration.values, as_copies.values, atol=1e-9)
    p = as_copies.apply(copies.logit)
    assert weighed.file.model.threshold == pytest.approx(
        best_threshold(copies.y, p, ThresholdRule("f1")), abs=1e-9
    )
    assert weighed.file.model.threshold != plain.file.model.threshold


def test_settings_come_before_what_production_was_made_with(platt: FittedModel) -> None:
    assert choices_of(Settings(), None) == Choices("auto", EVEN)
    threshold = platt.file.model.threshold
    assert choices_of(Settings(), platt.file) == Choices("platt", COST, threshold)
    assert choices_of(Settings(calibrate="none"), platt.file) == Choices("none", COST, threshold)
    assert choices_of(Settings(threshold=0.4), platt.file) == Choices("platt", ThresholdRule("fixed", 0.4))
    assert choices_of(Settings(threshold=0.5), platt.file).threshold_rule == EVEN


def labelled(table: Table) -> LabelledRows:
    n = len(table.y)
    positions = np.zeros((n, 4), dtype=np.int64)
    positions[:, 0] = np.arange(n)
    ids = [b"%d" % row for row in range(n)]
    return LabelledRows(table.x, table.y, ids, positions, rows_before(table.x, np.arange(n)), n)


def test_a_rule_out_of_reach_does_not_stop_a_retraining(platt: FittedModel) -> None:
    """Production misses it on the new rows too: staying with a model that has drifted would not meet it."""
    production = replace(platt.file, calibrate="none", threshold_rule=UNREACHABLE)
    for choices in (None, Choices("none", UNREACHABLE)):
        made = retrain(
            RetrainEvent(reason="drift"),
            labelled(contradicting(600)),
            production,
            None,
            min_labelled_rows=100,
            seed=0,
            solver=Newton(),
            choices=choices,
        )
        assert made.fitted is not None
        assert made.fitted.file.model.threshold == production.model.threshold
        assert made.fitted.file.threshold_rule == UNREACHABLE
        assert any("is kept" in sentence for sentence in made.fitted.warnings)


def test_a_retraining_scores_its_rows_by_runs_in_time(platt: FittedModel) -> None:
    made = retrain(
        RetrainEvent(reason="manual"),
        labelled(a_table(600, seed=3)),
        platt.file,
        None,
        min_labelled_rows=100,
        seed=0,
        solver=Newton(),
    )
    assert made.fitted is not None
    rows = made.fitted.out_of_sample
    assert rows is not None
    assert (np.diff(rows.folds) >= 0).all()
    assert len(rows.y) == 480


def test_rows_from_before_a_change_decide_nothing(platt: FittedModel) -> None:
    """Rows that drift themselves are refused; calibration and threshold are of those behind the change."""
    table = a_table(1_200, seed=3)
    x = table.x.copy()
    x[:400] += 4.0
    rows = labelled(Table(table.features, x, table.y, table.classes))
    made = retrain(
        RetrainEvent(reason="drift"),
        rows,
        platt.file,
        None,
        min_labelled_rows=100,
        seed=0,
        solver=Newton(c=0.005),
    )
    assert made.fitted is not None
    decided = made.fitted.decision
    assert decided.calibration.chosen == "platt"
    assert decided.calibration.rows == decided.operating_point.rows == made.fitted.train.rows <= 0.8 * 801


def test_a_retrained_model_is_made_as_production_was(platt: FittedModel) -> None:
    rows = labelled(a_table(600, seed=3))
    production = replace(platt.file)
    for choices, expected in ((None, ("platt", COST)), (Choices("none", EVEN), ("none", EVEN))):
        made = retrain(
            RetrainEvent(reason="manual"),
            rows,
            production,
            platt.holdout,
            min_labelled_rows=100,
            seed=0,
            solver=Newton(),
            choices=choices,
        )
        assert made.fitted is not None
        assert (made.fitted.file.calibrate, made.fitted.file.threshold_rule) == expected
        assert made.judged is not None
        assert made.judged.candidate == made.fitted.validation

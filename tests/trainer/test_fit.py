from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from core.errors import DataError, ModelFileError
from core.miniflow import MiniFlow
from core.model_file import read_model_file
from trainer.fit import fit, probability
from trainer.holdout import read_holdout
from trainer.model_card import ModelCard
from trainer.profile_document import ProfileDocument
from trainer.run_log import log_run
from trainer.solvers.base import Solver
from trainer.solvers.gradient_descent import GradientDescent
from trainer.solvers.newton import Newton
from trainer.split import Split, newest_split
from trainer.table import Table

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("solver", [Newton(), GradientDescent(max_steps=50)], ids=lambda each: each.name)
def test_equal_data_parameters_and_seed_give_equal_bytes(raisin: Table, solver: Solver) -> None:
    one, same, other = (fit(raisin, seed=seed, solver=solver).file.encoded for seed in (3, 3, 4))
    assert one == same
    assert one != other


def test_another_process_gives_equal_bytes(raisin: Table, raisin_csv: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from trainer.fit import fit; from trainer.table import read_table; "
        "print(fit(read_table(Path(sys.argv[1]), 'Class', 'Besni'), seed=3, blocks=16).file.sha256)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program, str(raisin_csv)],
        cwd=CHECKOUT,
        env=os.environ | {"PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() == fit(raisin, seed=3, blocks=16).file.sha256


def test_raisin_validates_as_published(raisin: Table) -> None:
    accuracies = [fit(raisin, seed=seed).validation.accuracy for seed in range(20)]
    assert np.mean(accuracies) >= 0.85


def test_scaler_and_profile_see_the_training_rows_alone(small_table: Table) -> None:
    split = newest_split(np.arange(60, dtype=np.int64))
    moved = small_table.x.copy()
    moved[split.holdout] += 1e6
    table = Table(small_table.features, moved, small_table.y, small_table.classes)
    fitted = fit(table, seed=0, split=split)
    unmoved = fit(small_table, seed=0, split=split).file
    np.testing.assert_array_equal(fitted.file.model.coefficients, unmoved.model.coefficients)
    for name, array in fitted.file.drift.arrays().items():
        np.testing.assert_array_equal(array, unmoved.drift.arrays()[name])
    assert fitted.file.concept.log_loss != unmoved.concept.log_loss  # that is about the held-out rows
    np.testing.assert_array_equal(fitted.file.model.center, small_table.x[:48].mean(axis=0))
    assert fitted.file.profile.rows == 48
    assert np.array_equal(fitted.holdout.x, moved[48:])


def test_the_reported_figures_are_those_of_the_file(small_table: Table) -> None:
    fitted = fit(small_table, seed=0)
    model = read_model_file(fitted.file.encoded).model
    p = probability(model, fitted.holdout.x)
    assert fitted.validation.accuracy == float(((p >= 0.5) == (fitted.holdout.y == 1)).mean())
    assert fitted.validation.log_loss == pytest.approx(fitted.solution.history[-1].validation_loss, abs=1e-12)
    assert fitted.train.log_loss == pytest.approx(fitted.solution.history[-1].train_loss, abs=1e-12)


@pytest.mark.parametrize("solver", [Newton(), Newton(c=np.inf), GradientDescent(max_steps=20)])
def test_a_constant_feature_gets_no_weight(small_table: Table, solver: Solver) -> None:
    x = np.column_stack([small_table.x, np.full(60, 0.1)])
    fitted = fit(Table(("a", "b", "c", "constant"), x, small_table.y), seed=1, solver=solver)
    assert fitted.file.model.coefficients[3] == 0.0
    assert fitted.card.constant_features == ("constant",)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e200])
def test_a_value_that_cannot_be_standardised_names_its_column(small_table: Table, value: float) -> None:
    x = small_table.x.copy()
    x[7, 1] = value
    with pytest.raises(DataError, match=r"column 'b' holds .*; rescale it"):
        fit(Table(small_table.features, x, small_table.y), seed=0)


def test_parts_that_cannot_train_or_judge_are_refused(small_table: Table) -> None:
    ones = np.flatnonzero(small_table.y == 1)
    zeros = np.flatnonzero(small_table.y == 0)
    with pytest.raises(DataError, match="no training row is of class 'no'"):
        fit(small_table, seed=0, split=Split(ones, zeros))
    with pytest.raises(DataError, match="no rows are held out"):
        fit(small_table, seed=0, split=Split(np.arange(60), np.arange(0)))


def test_a_logged_run_holds_everything(small_table: Table, tmp_path: Path) -> None:
    miniflow = MiniFlow(tmp_path, "small")
    fitted = fit(small_table, seed=2, solver=Newton(c=np.inf))
    run = miniflow.run(log_run(miniflow, fitted, "manual", {"data": "small.csv"}))
    files = {str(path.relative_to(run.directory)) for path in run.directory.rglob("*") if path.is_file()}
    assert files == {
        ".lock", "meta.json", "params.json", "metrics.jsonl", "artifacts/model/model.npz",
        "artifacts/model/model_card.json", "artifacts/train_profile.json", "artifacts/holdout.npz",
        "artifacts/predictions.csv", "artifacts/out_of_sample.npz", "artifacts/training_rows.npz",
    }  # fmt: skip
    assert (run.meta.reason, run.meta.outcome) == ("manual", "logged")
    params = run.params
    assert params["seed"] == 2
    assert params["solver_c"] == "inf"
    assert params["data"] == "small.csv"
    assert miniflow.model(run.run_id).sha256 == fitted.file.sha256


def test_the_metrics_have_a_line_an_epoch(small_table: Table, tmp_path: Path) -> None:
    miniflow = MiniFlow(tmp_path, "small")
    fitted = fit(small_table, seed=2, solver=GradientDescent(max_steps=25))
    run = miniflow.run(log_run(miniflow, fitted, "manual"))
    lines = list(run.metrics())[:-1]
    assert [line.step for line in lines] == list(range(1, 26))
    assert set(lines[0].metrics) == {
        "train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "objective",
    }  # fmt: skip
    final = run.summary().metrics
    assert final["validation_accuracy"] == fitted.validation.accuracy
    assert final["validation_auc"] == fitted.validation.auc


def test_card_profile_and_holdout_read_back(small_table: Table, tmp_path: Path) -> None:
    miniflow = MiniFlow(tmp_path, "small")
    fitted = fit(small_table, seed=2)
    run = miniflow.run(log_run(miniflow, fitted, "manual"))
    card = msgspec.json.decode(run.read_artifact("model/model_card.json"), type=ModelCard)
    assert card == fitted.card
    assert card.converged
    assert (card.train_rows, card.holdout_rows, card.classes) == (48, 12, ("no", "yes"))
    profile = msgspec.json.decode(run.read_artifact("train_profile.json"), type=ProfileDocument)
    assert profile.null_mean == pytest.approx(np.sqrt(2 / np.pi))
    assert 0 < profile.null_standard_deviation < profile.null_mean
    assert profile.mean == fitted.file.profile.mean.tolist()
    holdout = read_holdout(run.read_artifact("holdout.npz"))
    assert np.array_equal(holdout.x, fitted.holdout.x)
    assert np.array_equal(holdout.y, fitted.holdout.y)


def test_a_damaged_holdout_is_one_sentence(small_table: Table) -> None:
    encoded = fit(small_table, seed=2).holdout.encoded
    with pytest.raises(ModelFileError, match="fit the model again"):
        read_holdout(encoded[:-30])
    with pytest.raises(ModelFileError, match="fit the model again"):
        read_holdout(b"")


def test_equal_trainings_differ_only_in_times_and_ids(small_table: Table, tmp_path: Path) -> None:
    miniflow = MiniFlow(tmp_path, "small")
    one, two = (miniflow.run(log_run(miniflow, fit(small_table, seed=2), "manual")) for _ in range(2))
    assert one.run_id != two.run_id
    assert one.meta.artifacts == two.meta.artifacts


def test_a_solver_that_stops_early_never_sees_the_rows_that_judge_it(small_table: Table) -> None:
    split = newest_split(np.arange(60, dtype=np.int64))
    flipped = small_table.y.copy()
    flipped[split.holdout] = 1 - flipped[split.holdout]
    solver = GradientDescent(learning_rate=1.0, max_steps=50, patience=2)
    one, other = (
        fit(Table(small_table.features, small_table.x, y), seed=0, solver=solver, split=split)
        for y in (small_table.y, flipped)
    )
    assert one.solution.theta.tobytes() == other.solution.theta.tobytes()
    assert one.validation.log_loss != other.validation.log_loss


def test_a_fit_from_another_models_start_arrives_where_one_from_zero_does(small_table: Table) -> None:
    split = newest_split(np.arange(60, dtype=np.int64))
    cold = fit(small_table, seed=0, split=split)
    warm = fit(small_table, seed=0, split=split, start=cold.file.model)
    assert len(warm.solution.history) == 1
    np.testing.assert_allclose(warm.solution.theta, cold.solution.theta, rtol=0, atol=1e-9)
    moved = Table(small_table.features, 3.0 * small_table.x + 1.0, small_table.y)
    elsewhere = fit(moved, seed=0, split=split, start=cold.file.model)
    np.testing.assert_allclose(elsewhere.solution.theta, cold.solution.theta, rtol=0, atol=1e-7)


def test_sample_weights_train_and_do_not_judge(small_table: Table) -> None:
    weights = np.where(small_table.y == 1, 5.0, 1.0)
    plain, weighted = (fit(small_table, seed=0, weights=each) for each in (None, weights))
    assert weighted.file.model.intercept > plain.file.model.intercept
    model = weighted.file.model
    p = probability(model, weighted.holdout.x)
    assert weighted.validation.accuracy == float(((p >= 0.5) == (weighted.holdout.y == 1)).mean())

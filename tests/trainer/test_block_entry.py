"""``fit --blocks`` against ``fit``: the same model, judged by rows that it was not trained on."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from core.errors import SchemaError, SettingsError
from core.miniflow import MiniFlow
from core.model_file import ModelFile
from core.settings import Settings
from trainer.block_entry import fit_table_in_blocks
from trainer.block_rest import BlockRest
from trainer.commands import fit_table
from trainer.csv_blocks import csv_blocks
from trainer.decision import Choices
from trainer.fit import FittedModel, fit
from trainer.fit_blocks import fit_blocks
from trainer.retraining import own_holdout
from trainer.split import Split
from trainer.table import Table, read_table

#: Contract: that much apart at most.
SAME = 1e-8


@pytest.fixture
def alone(tmp_path: Path) -> Settings:
    """No Redis at all."""
    return Settings(miniflow=str(tmp_path / "miniflow"))


@pytest.fixture
def shuffled(raisin_csv: Path, tmp_path: Path) -> Path:
    """Raisin in an order in which its classes are mixed."""
    header, *lines = raisin_csv.read_text().splitlines()
    np.random.default_rng(0).shuffle(lines)
    path = tmp_path / "shuffled.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def model_of(settings: Settings, run_id: str) -> ModelFile:
    return MiniFlow(settings.miniflow_path, settings.pipeline).model(run_id)


def assert_same_model(one: ModelFile, other: ModelFile, table: Table) -> None:
    np.testing.assert_allclose(one.model.coefficients, other.model.coefficients, rtol=0, atol=SAME)
    assert one.model.intercept == pytest.approx(other.model.intercept, abs=SAME)
    logits = [file.model.score(table.x).logit for file in (one, other)]
    np.testing.assert_allclose(logits[0], logits[1], rtol=0, atol=SAME)


def test_in_time_both_ways_give_the_same_model_of_raisin(shuffled: Path, alone: Settings) -> None:
    settings = msgspec.structs.replace(alone, calibrate="none")
    whole = fit_table(shuffled, "Class", "Besni", settings, split="time")
    blocks = fit_table_in_blocks(shuffled, "Class", "Besni", settings, split="time")
    table = read_table(shuffled, "Class", "Besni")
    assert_same_model(model_of(alone, whole.run_id), model_of(alone, blocks.run_id), table)
    assert (blocks.rows, blocks.class_note) == (whole.rows, whole.class_note) == (900, table.class_note)
    assert (blocks.train.rows, blocks.validation.rows) == (whole.train.rows, whole.validation.rows) == (720, 180)
    assert blocks.validation.log_loss == pytest.approx(whole.validation.log_loss, abs=SAME)
    miniflow = MiniFlow(alone.miniflow_path, alone.pipeline)
    assert miniflow.run(blocks.run_id).params["solver"] == "newton-in-blocks"
    assert miniflow.run(blocks.run_id).params["label"] == "Class"


@pytest.mark.parametrize("choices", [Choices(), Choices("auto")])
def test_of_the_same_training_rows_both_ways_give_the_same_model_of_raisin(
    raisin: Table, raisin_csv: Path, choices: Choices
) -> None:
    source = csv_blocks(raisin_csv, "Class", "Besni", 100)
    found = fit_blocks(source, seed=0, ordered=False, choices=choices)
    known = {row.tobytes() for row in found.holdout.x}
    if choices.anything:
        assert found.sample is not None
        known |= {row.tobytes() for row in raisin.x} - {row.tobytes() for row in found.sample.x}
    train = np.array([row for row in range(900) if raisin.x[row].tobytes() not in known])
    assert len(train) == found.train.rows
    whole = fit(raisin, seed=0, ordered=False, split=Split(train, found.holdout_rows))
    assert_same_model(found.file, whole.file, raisin)


def test_rows_of_the_fixed_holdout_that_trained_the_candidate_judge_nothing(
    shuffled: Path, alone: Settings
) -> None:
    first = fit_table(shuffled, "Class", "Besni", alone)
    fitted: list[FittedModel] = []
    report = fit_table_in_blocks(shuffled, "Class", "Besni", alone, on_fitted=fitted.append)
    assert report.against == first.run_id
    assert not report.promoted
    fixed = own_holdout(MiniFlow(alone.miniflow_path, alone.pipeline), first.run_id)
    assert fixed is not None
    judging = {row.tobytes() for row in fitted[0].holdout.x}
    common = sum(row.tobytes() in judging for row in fixed.x)
    assert 0 < common < len(fixed.y)
    assert report.fixed_holdout is not None
    assert report.fixed_holdout.candidate.rows == common


@pytest.mark.parametrize("split", ["stratified", "time"])
def test_rows_in_order_tell_what_neighbours_have_in_common(shuffled: Path, alone: Settings, split: str) -> None:
    fit_table(shuffled, "Class", "Besni", msgspec.structs.replace(alone, inverse_l2=0.01))
    report = fit_table_in_blocks(
        shuffled, "Class", "Besni", alone, split="time" if split == "time" else "stratified"
    )
    assert report.judged is not None
    assert report.judged.difference.variance_ratio is not None
    unordered = fit_table_in_blocks(shuffled, "Class", "Besni", alone, ordered=False)
    assert unordered.judged is not None
    assert unordered.judged.difference.variance_ratio is None


def test_both_classes_count_alike_where_they_are_asked_to(shuffled: Path, alone: Settings, tmp_path: Path) -> None:
    header, *lines = shuffled.read_text().splitlines()
    few = [line for row, line in enumerate(lines) if "Besni" not in line or row % 5 == 0]
    path = tmp_path / "imbalanced.csv"
    path.write_text("\n".join([header, *few]) + "\n")
    settings = msgspec.structs.replace(alone, calibrate="none", class_weight="balanced")
    whole = fit_table(path, "Class", "Besni", settings, split="time")
    blocks = fit_table_in_blocks(path, "Class", "Besni", settings, split="time")
    found = model_of(alone, blocks.run_id)
    assert_same_model(model_of(alone, whole.run_id), found, read_table(path, "Class", "Besni"))
    plain = fit_blocks(csv_blocks(path, "Class", "Besni"), seed=0, by_time=True).file.model
    assert found.model.intercept > plain.intercept + 1.0


def test_what_does_not_fit_is_refused_before_anything_is_logged(raisin_csv: Path, alone: Settings) -> None:
    fit_table(raisin_csv, "Class", "Besni", alone)
    logged = len(MiniFlow(alone.miniflow_path, alone.pipeline).runs())
    with pytest.raises(SchemaError, match=r"'Kecimen' is class 1 of .*'Besni' of production.*--new-schema"):
        fit_table_in_blocks(raisin_csv, "Class", "Kecimen", alone)
    with pytest.raises(SettingsError, match="leave out --unordered or --split time"):
        fit_table_in_blocks(raisin_csv, "Class", "Besni", alone, ordered=False, split="time")
    for name, value in (("solver", "sgd"), ("early_stopping_steps", 5)):
        with pytest.raises(SettingsError, match="leave out --blocks"):
            fit_table_in_blocks(raisin_csv, "Class", "Besni", msgspec.structs.replace(alone, **{name: value}))
    assert len(MiniFlow(alone.miniflow_path, alone.pipeline).runs()) == logged
    report = fit_table_in_blocks(raisin_csv, "Class", "Kecimen", alone, new_schema=True)
    assert report.promoted
    assert "'Kecimen' is class 1 (as asked)" in report.class_note


@pytest.mark.parametrize("block_rows", [1, 64, 900])
def test_the_rest_is_every_row_that_is_not_held_out(raisin: Table, raisin_csv: Path, block_rows: int) -> None:
    source = csv_blocks(raisin_csv, "Class", "Besni", block_rows)
    held_out = np.sort(np.random.default_rng(1).permutation(900)[:150])
    rest = np.delete(np.arange(900), held_out)
    for _ in range(2):
        np.testing.assert_array_equal(np.concatenate(list(BlockRest(source, held_out))), raisin.x[rest])
    newest = BlockRest(source, held_out).newest()
    np.testing.assert_array_equal(newest.x, raisin.x[rest[-600:]])
    np.testing.assert_array_equal(newest.y, raisin.y[rest[-600:]])
    np.testing.assert_array_equal(
        BlockRest(source, held_out[:7]).newest().x, raisin.x[np.delete(np.arange(900), held_out[:7])[-28:]]
    )

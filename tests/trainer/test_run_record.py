"""What a logged run says of its data and of the rows that judged it."""

from __future__ import annotations

import csv
import hashlib
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from core.data_fingerprint import fingerprint
from core.miniflow import MiniFlow, Run
from trainer.decision import Choices
from trainer.fit import FittedModel, fit
from trainer.run_log import log_run
from trainer.split import stratified_split
from trainer.table import Table, read_table
from trainer.validation_predictions import PREDICTIONS_ARTIFACT, encode_predictions

ROWS = 120


@pytest.fixture(scope="module")
def table() -> Table:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(ROWS, 2))
    y = (x[:, 0] + generator.normal(size=ROWS) > 0).astype(np.uint8)
    return Table(("size", "weight"), x, y, ("no", "yes"), csv_sha256="a" * 64)


@pytest.fixture(scope="module")
def fitted(table: Table) -> FittedModel:
    return fit(table, seed=3, choices=Choices("platt"))


@pytest.fixture
def run(fitted: FittedModel, tmp_path: Path) -> Run:
    miniflow = MiniFlow(tmp_path, "grain")
    return miniflow.run(log_run(miniflow, fitted, "fit"))


def test_the_fingerprint_is_of_the_rows_as_trained_on(table: Table, run: Run) -> None:
    train = stratified_split(table.y, 3).train
    assert run.meta.data == fingerprint(table.schema, table.x[train], table.y[train], csv_sha256="a" * 64)


def test_equal_data_and_seed_have_an_equal_fingerprint_and_another_seed_has_not(
    table: Table, fitted: FittedModel
) -> None:
    assert fit(table, seed=3).data == fitted.data
    assert fit(table, seed=4).data.sha256 != fitted.data.sha256
    assert fit(table, seed=4).data.csv_sha256 == fitted.data.csv_sha256


def test_weights_are_part_of_the_fingerprint(table: Table, fitted: FittedModel) -> None:
    assert fit(table, seed=3, weights=np.full(ROWS, 2.0)).data.sha256 != fitted.data.sha256


def test_the_predictions_are_what_the_model_says_of_the_rows_held_out(
    table: Table, fitted: FittedModel, run: Run
) -> None:
    lines = list(csv.DictReader(run.read_artifact(PREDICTIONS_ARTIFACT).decode().splitlines()))
    rows = [int(line["row"]) for line in lines]
    assert rows == stratified_split(table.y, 3).holdout.tolist()
    assert [int(line["label"]) for line in lines] == table.y[rows].tolist()
    scores = fitted.file.model.score(table.x[rows])
    assert scores.raw_probability is not None
    assert [float(line["logit"]) for line in lines] == scores.logit.tolist()
    assert [float(line["probability"]) for line in lines] == scores.probability.tolist()
    assert [int(line["predicted"]) for line in lines] == scores.predicted.tolist()
    right = [line["label"] == line["predicted"] for line in lines]
    assert sum(right) / len(right) == pytest.approx(fitted.validation.accuracy)


def test_rows_of_unknown_number_have_empty_cells(fitted: FittedModel) -> None:
    lines = encode_predictions(fitted.file.model, fitted.holdout).decode().splitlines()
    assert lines[0] == "row,label,logit,probability,predicted"
    assert all(line.startswith(",") for line in lines[1:])
    assert len(lines) == 1 + len(fitted.holdout.y)


CSV = "size,weight,good\n" + "".join(
    f"{index}.5,{index % 3},{'yes' if index % 2 else 'no'}\n" for index in range(12)
)


@pytest.mark.parametrize(
    "data", [CSV.encode(), b"\xef\xbb\xbf" + CSV.replace("\n", "\r\n").encode(), CSV[:-1].encode()]
)
def test_a_table_knows_the_digest_of_its_file(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "grain.csv"
    path.write_bytes(data)
    table = read_table(path, "good")
    assert table.csv_sha256 == hashlib.sha256(data).hexdigest()
    assert len(table.y) == 12


def test_a_pipe_that_can_be_read_but_once_has_a_digest_too(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=(CSV,))
    writer.start()
    table = read_table(path, "good")
    writer.join(60)
    assert table.csv_sha256 == hashlib.sha256(CSV.encode()).hexdigest()

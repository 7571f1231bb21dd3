"""Blocks of the samples stream, against the dataset that holds all of it in memory."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import DataError
from core.model import Floats
from core.schema import Schema
from tests.trainer.conftest import FIRST_MS, SCHEMA, Stage
from trainer.dataset import Dataset, LabelledRows
from trainer.fit_blocks import fit_blocks
from trainer.stream_blocks import StreamBlocks, stream_blocks


def blocks_of(stage: Stage, read_bytes: int = 4096) -> StreamBlocks:
    return stream_blocks(stage.connection, stage.keys, SCHEMA, read_bytes)


def dataset_of(stage: Stage) -> LabelledRows:
    dataset = Dataset(stage.connection, stage.keys, SCHEMA, stage.settings)
    dataset.refresh()
    return dataset.labelled()


def keyed(x: Floats, *beside: Floats) -> list[list[float]]:
    """Rows in an order that does not hang on where they were; nan as a number, so that rows compare."""
    return sorted(np.nan_to_num(np.column_stack([x, *beside]), nan=-1e9).tolist())


def expect_the_rows_of_the_dataset(stage: Stage) -> StreamBlocks:
    source, whole = blocks_of(stage), dataset_of(stage)
    for _ in range(2):  # each pass starts anew
        pairs = list(source.with_before())
        x = np.concatenate([block.x for block, _ in pairs])
        y = np.concatenate([block.y for block, _ in pairs])
        before = np.concatenate([each for _, each in pairs])
        assert keyed(x, y.astype(np.float64), before) == keyed(whole.x, whole.y.astype(np.float64), whole.before)
    assert source.rows == len(whole.y)
    return source


def test_rows_and_labels_are_joined_as_the_dataset_joins_them(stage: Stage) -> None:
    x, y = stage.draw(60, seed=1)
    ids = [f"r{number}".encode() for number in range(60)]
    stage.label(ids[50:], y[50:])  # before their rows are sampled
    stage.sample(x[:40], ids[:40])
    stage.sample(x[40:], ids[40:], FIRST_MS + 40, records=[40, 41, *range(50, 68)])
    stage.label(ids[:30], y[:30])
    stage.label(ids[:10], 1 - y[:10])  # a later label counts
    stage.label(ids[38:45], y[38:45])  # across two entries, of which the second goes on where the first ends
    stage.plain_label("id", "r35", "label", "no")
    stage.plain_label("what", "ever")
    source = expect_the_rows_of_the_dataset(stage)
    assert source.rows >= 40


def test_own_labels_repeated_ids_and_rows_sampled_twice_are_joined_alike(stage: Stage) -> None:
    x, y = stage.draw(30, seed=2)
    own = [float(label) if number % 3 else np.nan for number, label in enumerate(y)]
    ids = [f"r{number % 20}".encode() for number in range(30)]  # ten ids come again
    stage.sample(x, ids, y=own, records=list(range(30)))
    stage.sample(x[25:], ids[25:], FIRST_MS + 25, y=own[25:], records=list(range(25, 30)))  # state was lost
    stage.label(ids[:15], 1 - y[:15])
    source = expect_the_rows_of_the_dataset(stage)
    assert 20 <= source.rows <= 30


def test_rows_of_another_schema_take_up_their_labels_and_are_left_out(stage: Stage) -> None:
    x, y = stage.draw(20, seed=3)
    ids = [f"r{number}".encode() for number in range(20)]
    stage.sample(x[:10], ids[:10])
    stage.sample(x[10:], ids[10:], FIRST_MS + 10, schema=Schema(("a", "c"), ("no", "yes")))
    stage.connection.call("XADD", stage.keys.samples, "*", "not", "a sample")
    stage.label(ids, y)
    assert expect_the_rows_of_the_dataset(stage).rows == 10


def test_what_comes_later_is_not_read(stage: Stage) -> None:
    stage.drifted(labels=50, n=60)
    source = blocks_of(stage)
    stage.drifted(labels=50, n=60, prefix="later", first_ms=FIRST_MS + 1000)
    assert source.rows == sum(len(block.y) for block in source) == 50


def test_rows_that_left_the_stream_between_passes_are_noticed(stage: Stage) -> None:
    for part in range(3):
        stage.drifted(labels=20, n=20, prefix=f"p{part}", first_ms=FIRST_MS + 100 * part)
    source = blocks_of(stage)
    assert sum(len(block.y) for block in source) == 60
    stage.connection.call("XTRIM", stage.keys.samples, "MAXLEN", 2)
    stage.drifted(labels=20, n=20, prefix="new", first_ms=FIRST_MS + 300)  # as many entries as before
    with pytest.raises(DataError, match="left the samples stream"):
        list(source)


def test_a_model_can_be_fitted_to_the_stream(stage: Stage) -> None:
    x, y = stage.draw(900, seed=4)
    for part in range(3):
        rows = slice(300 * part, 300 * part + 300)
        ids = [f"r{number}".encode() for number in range(rows.start, rows.stop)]
        stage.sample(x[rows], ids, FIRST_MS + rows.start)
        stage.label(ids, y[rows])
    fitted = fit_blocks(blocks_of(stage), seed=0, by_time=True)
    assert fitted.holdout_rows.tolist() == list(range(720, 900))
    assert fitted.file.model.schema == SCHEMA
    assert fitted.data.csv_sha256 is None
    assert fitted.validation.auc is not None
    assert fitted.validation.auc > 0.8

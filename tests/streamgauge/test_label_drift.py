"""A change of the labels alone, from the push to the promotion: real rows, identically distributed throughout."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from core.connection import Connection
from core.drift_window import DriftWindow, RetrainEvent
from core.entry import entries_of
from core.fields import decode_fields
from core.file_registry import FileRegistry
from core.label_entry import block_fields
from core.miniflow import MiniFlow
from core.model import Floats
from core.record_encoder import encode_block
from core.schema import Schema
from core.settings import Settings
from monitor.detectors import concept
from tests.drift_references import QUICK_BLOCKS
from tests.monitor.driver import Driver
from tests.trainer.turning import until
from trainer.fit import fit
from trainer.run_log import log_run
from trainer.service import Trainer
from trainer.table import Labels, Table, read_table

#: Rows before the outcomes turn, and in all; labels come this many rows after their records.
TURN, ROWS, BEHIND = 2_000, 5_000, 100
#: Rows a block.
BLOCK = 50
#: Share of the outcomes that are the other way round afterwards.
TURNED = 0.4


@pytest.fixture(autouse=True)
def _quick_calibration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little simulation: thresholds a few per cent off change nothing here."""
    monkeypatch.setattr("core.drift.calibration.BLOCKS", QUICK_BLOCKS)


@pytest.fixture
def settings(server_url: str, pipeline: str, tmp_path: Path) -> Settings:
    return Settings(
        redis_url=server_url,
        pipeline=pipeline,
        miniflow=str(tmp_path / "miniflow"),
        http_port=0,
        window_limit_s=3600.0,
        min_labelled_rows=300,
        takeover_idle_ms=1,
    )


@pytest.fixture
def trainer(settings: Settings) -> Iterator[Trainer]:
    made = Trainer(settings)
    yield made
    made.close()
    made.http.close()


def drawn(table: Table, seed: int) -> tuple[Floats, Labels]:
    """Rows of the table with their outcomes, of which a share turns."""
    generator = np.random.default_rng(seed)
    rows = generator.integers(0, len(table.y), ROWS)
    y = table.y[rows].copy()
    turned = (np.arange(ROWS) >= TURN) & (generator.random(ROWS) < TURNED)
    y[turned] = 1 - y[turned]
    # records of their own: what is equal to the bit is taken for a copy, and judges nothing that it trained
    return table.x[rows] * (1.0 + 1e-9 * generator.normal(size=(ROWS, 1))), y


def row_of(record_id: str) -> int:
    """The number of a pushed row."""
    return int(record_id.removeprefix("r"))


def push(connection: Connection, settings: Settings, table: Table, x: Floats, y: Labels) -> None:
    """Records in blocks, and between them the labels of earlier ones; at last those of the last ones."""
    keys, schema = settings.keys, Schema(table.features, table.classes)
    ids = [b"r%d" % number for number in range(ROWS)]
    for start in range(0, ROWS + BEHIND, BLOCK):
        part = slice(start, start + BLOCK)
        if ids[part]:
            fields = encode_block(x[part], schema, ids[part])
            connection.call("XADD", keys.partition(0).records, "*", *fields)
        if start >= BEHIND:
            known = slice(start - BEHIND, start - BEHIND + BLOCK)
            told = block_fields(list(zip(ids[known], y[known].astype(float).tolist(), strict=True)))
            connection.call("XADD", keys.labels, "*", *told)


def test_outcomes_that_turn_raise_the_concept_detector_alone_and_bring_a_new_model(
    connection: Connection, settings: Settings, trainer: Trainer, raisin_csv: Path
) -> None:
    table = read_table(raisin_csv, "Class", positive="Besni")
    fitted = fit(table, seed=0)
    miniflow = MiniFlow(settings.miniflow_path, settings.pipeline)
    first = log_run(miniflow, fitted, "fit")
    FileRegistry(settings.miniflow_path, settings.pipeline).promote(first, fitted.file, 0, "first")
    trainer.start()
    x, y = drawn(table, seed=1)
    push(connection, settings, table, x, y)
    for _ in Driver(connection, settings.keys, settings).live():
        pass

    stored = entries_of(connection.call("XRANGE", settings.keys.drift, "-", "+"))
    windows = [decode_fields(entry, DriftWindow) for entry in stored]
    alarms = [window.alarm for window in windows if window.alarm is not None]
    assert {alarm.detector for alarm in alarms} == {concept.NAME}
    first_alarm = alarms[0]
    assert TURN < row_of(first_alarm.record) < TURN + 1_000
    assert abs(row_of(first_alarm.first) - TURN) < 200  # the first suspected record
    assert not first_alarm.blame
    (event,) = entries_of(connection.call("XRANGE", settings.keys.retrain, "-", "+"))
    asked = decode_fields(event, RetrainEvent)
    assert (asked.reason, asked.model, asked.first) == ("label_drift", first, first_alarm.first)

    promotions = settings.keys.promotions
    until(trainer, lambda: connection.call("XLEN", promotions) == 2)  # the first is that of the model it brought
    runs = [miniflow.run(summary.run_id) for summary in miniflow.runs()]
    (run,) = [run for run in runs if run.run_id != first]
    assert (run.meta.outcome, run.params["reason"]) == ("promoted", "label_drift")
    new = miniflow.model(run.run_id).model
    p = new.score(table.x).probability
    assert np.ptp(p) < np.ptp(fitted.file.model.score(table.x).probability)  # it is less sure of everything

"""A reference that is quickly made, and files to judge by it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from core.file_registry import FileRegistry
from core.miniflow import MiniFlow
from core.model import Floats
from core.settings import Settings
from streamgauge.drift.reference import FittedReference, training_rows
from tests.drift_references import QUICK_BLOCKS
from trainer.fit import FittedModel, fit
from trainer.run_log import log_run
from trainer.table import Table

FEATURES = ("a", "b", "c")
#: Rows of one kind, enough of them for thresholds that a shift of one SD passes soon.
ROWS = 400
#: Between two entries of a push nothing takes so long.
LONG_S = 3600.0

WriteRows = Callable[..., Path]


def normal_rows(count: int, seed: int, shift: float = 0.0, begin: int = 0) -> Floats:
    """Correlated rows (n, 3); from row ``begin`` on, every feature is shifted by so many SD."""
    generator = np.random.default_rng(seed)
    common = generator.normal(size=(count, 1))
    x = 3.0 + 0.8 * common + 0.6 * generator.normal(size=(count, len(FEATURES)))
    x[begin:] += shift
    return x


def classes_of(x: Floats, seed: int) -> NDArray[np.bool_]:
    """Whether rows (n, 3) are of class 1."""
    above: NDArray[np.bool_] = x.sum(axis=1) + np.random.default_rng(seed).normal(size=len(x)) > 9.0
    return above


def label_texts(x: Floats, seed: int, turned: int | None = None) -> list[str]:
    """Labels of rows (n, 3), the contrary of what was from row ``turned`` on."""
    said = classes_of(x, seed)
    if turned is not None:
        said[turned:] = ~said[turned:]
    return ["yes" if each else "no" for each in said.tolist()]


@pytest.fixture(scope="session")
def table() -> Table:
    x = normal_rows(ROWS, 1)
    return Table(FEATURES, x, classes_of(x, 2).astype(np.uint8), ("no", "yes"))


@pytest.fixture(scope="session")
def fitted(table: Table) -> FittedModel:
    return fit(table, seed=0, blocks=QUICK_BLOCKS)


@pytest.fixture(scope="session")
def reference(table: Table, fitted: FittedModel) -> FittedReference:
    return FittedReference("rows.csv", "some rows", fitted.file, rows=training_rows(table, 0, ordered=True))


@pytest.fixture
def settings(server_url: str, pipeline: str) -> Settings:
    """Of a stream that is pushed without a pause."""
    return Settings(
        redis_url=server_url,
        pipeline=pipeline,
        window_records=100,
        window_min_records=30,
        window_limit_s=LONG_S,
        retrain_cooldown_s=LONG_S,
        false_alarm_records=2_000,
        label_false_alarm_records=1_000,
    )


@pytest.fixture
def quick_calibration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is fitted here is fitted with little simulation."""
    monkeypatch.setattr("core.drift.calibration.BLOCKS", QUICK_BLOCKS)


@pytest.fixture
def production(fitted: FittedModel, tmp_path: Path) -> str:
    """A run that is in production in ``tmp_path``, where the ``run`` fixture starts commands."""
    miniflow = MiniFlow(tmp_path / "miniflow", "default")
    run_id = log_run(miniflow, fitted, "test")
    FileRegistry(miniflow.root, "default").promote(run_id, fitted.file, 0, "test")
    return run_id


@pytest.fixture
def write_rows(tmp_path: Path) -> WriteRows:
    """Write rows as a CSV file, with a column that is no feature in front, and one of labels if there are some."""

    def write(name: str, x: Floats, labels: Sequence[str] = (), column: str = "_y") -> Path:
        header = ["note", *FEATURES, *[column] * bool(labels)]
        rows = [[f"row {number}", *map(repr, row)] for number, row in enumerate(x.tolist())]
        if labels:
            rows = [[*row, label] for row, label in zip(rows, labels, strict=True)]
        path = tmp_path / name
        path.write_text("\n".join(map(",".join, [header, *rows])) + "\n")
        return path

    return write

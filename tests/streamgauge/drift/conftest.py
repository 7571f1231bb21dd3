"""A reference that is quickly made, and files to judge by it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.file_registry import FileRegistry
from core.miniflow import MiniFlow
from core.model import Floats
from streamgauge.drift.reference import UNLOGGED, FittedReference, training_rows
from tests.drift_references import QUICK_BLOCKS
from trainer.fit import FittedModel, fit, log_run
from trainer.table import Table

FEATURES = ("a", "b", "c")
#: Rows of one kind, enough of them for thresholds that a shift of one SD passes soon.
ROWS = 400

WriteRows = Callable[..., Path]


def normal_rows(count: int, seed: int, shift: float = 0.0, begin: int = 0) -> Floats:
    """Correlated rows (n, 3); from row ``begin`` on, every feature is shifted by so many SD."""
    generator = np.random.default_rng(seed)
    common = generator.normal(size=(count, 1))
    x = 3.0 + 0.8 * common + 0.6 * generator.normal(size=(count, len(FEATURES)))
    x[begin:] += shift
    return x


@pytest.fixture(scope="session")
def table() -> Table:
    x = normal_rows(ROWS, 1)
    noise = np.random.default_rng(2).normal(size=ROWS)
    return Table(FEATURES, x, (x.sum(axis=1) + noise > 9.0).astype(np.uint8), ("no", "yes"))


@pytest.fixture(scope="session")
def fitted(table: Table) -> FittedModel:
    return fit(table, seed=0, blocks=QUICK_BLOCKS)


@pytest.fixture(scope="session")
def reference(table: Table, fitted: FittedModel) -> FittedReference:
    return FittedReference(UNLOGGED, "some rows", fitted.file, rows=training_rows(table, 0, ordered=True))


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
    """Write rows as a CSV file, with a column that is no feature in front."""

    def write(name: str, x: Floats) -> Path:
        lines = [",".join([f"row {number}", *map(repr, row)]) for number, row in enumerate(x.tolist())]
        path = tmp_path / name
        path.write_text("\n".join(["note," + ",".join(FEATURES), *lines]) + "\n")
        return path

    return write

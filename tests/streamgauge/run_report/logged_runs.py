"""Runs to be reported: small, and of every kind that the page has words for."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from core.miniflow import MiniFlow, Parameter, Run
from streamgauge.run_report.facts import RunFacts, read_facts
from trainer.decision import Choices
from trainer.fit import FittedModel, fit
from trainer.run_log import log_run
from trainer.solvers.base import Solver
from trainer.solvers.newton import Newton
from trainer.table import Table

HOSTILE = "<script>alert('$x_1$')</script>"


def drawn_table(
    rows: int = 300, *, names: tuple[str, ...] = ("length", "width", "still"), offset: float = 0.0
) -> Table:
    """Two features that tell something, one that never changes; ``offset`` makes class 1 rare or frequent."""
    generator = np.random.default_rng(5)
    x = generator.normal(size=(rows, 3))
    x[:, 2] = 1.0
    y = (x[:, 0] + 0.5 * x[:, 1] + offset + generator.logistic(size=rows) > 0).astype(np.uint8)
    return Table(names, x, y, ("no", "yes"))


def logged(folder: Path, table: Table, *, solver: Solver | None = None, choices: Choices | None = None) -> Run:
    """A run of a model that is fitted to a table."""
    fitted = fit(table, seed=1, solver=solver or Newton(), ordered=False, blocks=16, choices=choices or Choices())
    return log(folder, fitted)


def log(folder: Path, fitted: FittedModel, extra: dict[str, Parameter] | None = None) -> Run:
    """A run of a fitted model."""
    miniflow = MiniFlow(folder, "default")
    params: dict[str, Parameter] = {"csv": HOSTILE, "label": "good"}
    return miniflow.run(log_run(miniflow, fitted, "fit", params | (extra or {})))


def facts_of(run: Run) -> RunFacts:
    """What the page is made of."""
    return read_facts(run, MiniFlow(run.directory.parents[3], "default").model(run.run_id))

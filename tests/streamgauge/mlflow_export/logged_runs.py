"""Runs as a pipeline leaves them, to be exported."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.file_registry import FileRegistry
from core.miniflow import MiniFlow, Run
from trainer.fit import fit
from trainer.run_log import log_run
from trainer.table import Table

#: Names and values that a file store must not trip over.
ODD_NAME, ODD_VALUE = "a/b: ü", "two\nlines, 'quoted' \"twice\", \U0001f600 and: {braces}"


@dataclass(frozen=True)
class LoggedRuns:
    """Three runs of one pipeline."""

    miniflow: MiniFlow
    registry: FileRegistry
    trained: Run  #: in production, with all that a fit logs
    odd: Run  #: unfinished, with odd names and values, and no model
    failed: Run

    def at(self, root: Path) -> LoggedRuns:
        """The same runs in a copy of their directory."""
        miniflow = MiniFlow(root, self.miniflow.experiment)
        runs = (miniflow.run(run.run_id) for run in (self.trained, self.odd, self.failed))
        return LoggedRuns(miniflow, FileRegistry(root, self.registry.experiment), *runs)


def logged_runs(root: Path) -> LoggedRuns:
    """Below ``root``."""
    miniflow, registry = MiniFlow(root, "grain"), FileRegistry(root, "grain")
    x = np.random.default_rng(0).normal(size=(60, 2))
    y = (x[:, 0] + np.random.default_rng(1).normal(size=60) > 0).astype(np.uint8)
    fitted = fit(Table(("size", "weight"), x, y, csv_sha256="0" * 64), seed=0)
    trained = miniflow.run(log_run(miniflow, fitted, "fit", {"csv": "grain.csv"}))
    trained.finish("promoted", "First model.")
    registry.promote(trained.run_id, fitted.file, 0, "first")
    odd = miniflow.start_run("feature_drift")
    odd.log_params({ODD_NAME: ODD_VALUE, "none": None, "share": 0.1, "on": True, ".hidden": "x"})
    odd.log_metrics(1, {"loss": 0.7, ODD_NAME: 1.0})
    odd.log_metrics(2, {"loss": float("nan")})
    odd.log_metric_lines([(3, {"loss": 0.9}), (3, {"loss": 0.4})])
    odd.write_artifact("notes/one.txt", ODD_VALUE.encode())
    failed = miniflow.start_run("manual")
    failed.finish("failed", "Training failed: too bad.")
    return LoggedRuns(miniflow, registry, trained, odd, failed)

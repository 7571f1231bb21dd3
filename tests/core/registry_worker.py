"""Logs runs, promotes and rolls back until it is killed: ``python -m tests.core.registry_worker``."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import numpy as np

from core.errors import Superseded
from core.file_registry import FileRegistry
from core.miniflow import MODEL_ARTIFACT, MiniFlow
from core.model import LogisticModel
from core.profile import profile_rows
from core.schema import Schema
from tests.drift_references import quick_model_file


def main(root: Path, shared_run: str, worker: str) -> None:
    """Print ``epoch run_id`` after each promotion that was said to be made."""
    miniflow, registry = MiniFlow(root, "attacked"), FileRegistry(root, "attacked")
    x = np.arange(8.0).reshape(4, 2) ** 2
    profile = profile_rows(x, ("a", "b"), seed=0)
    for turn in itertools.count():
        model = LogisticModel(
            Schema(("a", "b")), np.ones(2), float(turn), profile.mean, profile.standard_deviation
        )
        file = quick_model_file(model, x)
        run = miniflow.start_run(worker)
        run.log_params({"turn": turn})
        run.log_metric_lines([(step, {"loss": 1 / step}) for step in range(1, 30)])
        run.write_artifact("card.json", b"{}" * turn)
        run.write_artifact(MODEL_ARTIFACT, file.encoded)
        miniflow.run(shared_run).write_artifact(f"{worker}/{turn}.txt", b"x" * turn)
        miniflow.run(shared_run).log_params({f"{worker}.{turn}": turn})
        production = registry.production()
        epoch = 0 if production is None else production.epoch
        back = production.previous if production and turn % 3 == 2 else None
        try:
            if back is not None:
                made = registry.promote(back, registry.model(back), epoch, "rollback")
            else:
                made = registry.promote(run.run_id, file, epoch, "better")
        except Superseded:
            run.finish("superseded")
            continue
        run.finish("promoted" if made.run_id == run.run_id else "refused")
        print(made.epoch, made.run_id, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])

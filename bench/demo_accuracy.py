"""Accuracy before, during and after the demo's drift, for many seeds: the demo's rows, the trainer's rule.

``python -m bench.demo_accuracy --data raisin.csv`` prints a line a seed and the means. The services are not run.
An answer does not depend on how its record travelled, and the rows trained on are those that the demo's monitor
would have kept by then, which are the rows of closed windows.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

from core.drift_window import RetrainEvent
from core.errors import DataError
from core.model import LogisticModel
from streamgauge.demo.stage import Pass, Stage, set_stage
from streamgauge.demo.story import WINDOW_RECORDS
from trainer.dataset import LabelledRows
from trainer.fit import fit
from trainer.retraining import retrain
from trainer.solvers.newton import Newton
from trainer.split import stratified_split

#: Passes before the drift in the demo's default telling.
NORMAL_PASSES = 2


def accuracies(stage: Stage, factor: float) -> tuple[float, float, float, bool]:
    """Accuracy on the held-out rows before, during and after, and whether the candidate was promoted."""
    table, seed = stage.table, stage.seed
    first = fit(table, seed=seed, split=stratified_split(table.y, seed)).file
    for _ in range(NORMAL_PASSES):
        normal = stage.make_pass("normal", 1.0)
    drifted = stage.make_pass("drifted", factor)
    rows = _labelled(stage, drifted)
    event = RetrainEvent(reason="drift")
    answer = retrain(event, rows, first, None, min_labelled_rows=200, seed=seed, solver=Newton())
    promoted = answer.result == "candidate" and answer.fitted is not None
    new = answer.fitted.file.model if answer.fitted is not None and promoted else first.model
    return (
        _accuracy(stage, normal, first.model),
        _accuracy(stage, drifted, first.model),
        _accuracy(stage, drifted, new),
        promoted,
    )


def _labelled(stage: Stage, made: Pass) -> LabelledRows:
    """What the trainer joins: rows of closed windows in stream order, without the held-out rows."""
    streamed = sum(len(done.ids) for done in stage.passes)
    in_open_window = streamed % WINDOW_RECORDS
    chosen = ~stage.held_out[made.rows] & (np.arange(len(made.ids)) < len(made.ids) - in_open_window)
    count = int(chosen.sum())
    ids = [record_id.encode() for record_id, kept in zip(made.ids, chosen, strict=True) if kept]
    positions = np.zeros((count, 4), dtype=np.int64)
    positions[:, 2] = np.arange(count)
    y = stage.table.y[made.rows[chosen]]
    return LabelledRows(made.x[chosen], y, ids, positions, rows_seen=len(made.ids) - in_open_window)


def _accuracy(stage: Stage, made: Pass, model: LogisticModel) -> float:
    held_out = stage.held_out[made.rows]
    predicted = model.score(made.x[held_out]).predicted
    return float((predicted == stage.table.y[made.rows[held_out]]).mean())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Accuracy before, during and after the demo's drift.")
    parser.add_argument("--data", type=Path, help="the real raisin.csv; without it rows like Raisin's are drawn")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--drift", type=float, default=1.25)
    options = parser.parse_args()
    figures = []
    with tempfile.TemporaryDirectory() as directory:
        for seed in range(options.seeds):
            try:
                stage = set_stage(options.data, seed, Path(directory))
            except DataError as error:
                sys.exit(f"streamgauge: {error}")
            before, during, after, promoted = accuracies(stage, options.drift)
            figures.append((before, during, after))
            verdict = "promoted" if promoted else "refused"
            print(f"seed {seed:2}: before {before:.3f}  during {during:.3f}  after {after:.3f}  {verdict}")
    before, during, after = np.mean(figures, axis=0)
    print(f"mean of {options.seeds}: before {before:.4f}  during {during:.4f}  after {after:.4f}")


if __name__ == "__main__":
    main()

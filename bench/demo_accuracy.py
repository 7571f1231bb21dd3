"""Accuracy before, during and after the demo's drift, for many seeds: the demo's rows, the trainer's rule.

``python -m bench.demo_accuracy --data raisin.csv`` prints a line a seed and the means. The services are not run.
An answer does not depend on how its record travelled. The monitor's engine reads the rows as they were streamed:
the rows trained on are those of closed windows, from the first suspected record on.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

from core.drift_window import RetrainEvent
from core.entry import Entry, EntryId
from core.errors import DataError
from core.merged_reader import PlacedEntry
from core.model import LogisticModel
from core.model_file import ModelFile
from core.record_encoder import encode_block
from core.record_place import place_of
from core.settings import Settings
from monitor.model_timeline import JudgingModel
from monitor.state import MonitorState
from monitor.window_engine import ClosedWindow, WindowEngine
from streamgauge.demo.pusher import BLOCK_ROWS, RATE
from streamgauge.demo.stage import Pass, Stage, set_stage
from streamgauge.demo.story import WINDOW_RECORDS
from trainer.dataset import LabelledRows
from trainer.drift_reference import rows_before
from trainer.fit import fit
from trainer.retraining import retrain
from trainer.solvers.newton import Newton
from trainer.split import stratified_split

#: Passes before the drift in the demo's default telling.
NORMAL_PASSES = 2
#: When they begin, by the ids of their entries.
START_MS = 1_700_000_000_000


def accuracies(stage: Stage, factor: float) -> tuple[float, float, float, bool]:
    """Accuracy on the held-out rows before, during and after, and whether the candidate was promoted."""
    table, seed = stage.table, stage.seed
    first = fit(table, seed=seed, split=stratified_split(table.y, seed)).file
    for _ in range(NORMAL_PASSES):
        normal = stage.make_pass("normal", 1.0)
    drifted = stage.make_pass("drifted", factor)
    windows = _windows(stage, first)
    event = next((window.retrain for window in windows if window.retrain is not None), None)
    if event is None:
        sys.exit(f"streamgauge: seed {seed}: a drift of {factor:g} raised no alarm")
    rows = _labelled(stage, drifted, windows, event)
    answer = retrain(event, rows, first, None, min_labelled_rows=200, seed=seed, solver=Newton())
    promoted = answer.result == "candidate" and answer.fitted is not None
    new = answer.fitted.file.model if answer.fitted is not None and promoted else first.model
    return (
        _accuracy(stage, normal, first.model),
        _accuracy(stage, drifted, first.model),
        _accuracy(stage, drifted, new),
        promoted,
    )


class _OneModel:
    """A timeline on which the first model stays."""

    def __init__(self, file: ModelFile) -> None:
        self._judging = JudgingModel("first", file)

    def at(self, time_ms: int) -> JudgingModel:  # noqa: ARG002  (the protocol's)
        """The model, always."""
        return self._judging


def _windows(stage: Stage, file: ModelFile) -> list[ClosedWindow]:
    """What the demo's monitor makes of all passes, without the window that is still open at their end."""
    placed: list[PlacedEntry] = []
    for made in stage.passes:
        for start in range(0, len(made.ids), BLOCK_ROWS):
            part = slice(start, start + BLOCK_ROWS)
            entry_id = EntryId(START_MS + 1000 * BLOCK_ROWS * len(placed) // RATE, 0)
            ids = [record_id.encode() for record_id in made.ids[part]]
            fields = encode_block(made.x[part], file.model.schema, ids)
            placed.append(PlacedEntry(0, entry_id, Entry(str(entry_id).encode(), fields)))
    settings = Settings(window_records=WINDOW_RECORDS)
    return list(WindowEngine(settings, MonitorState(), _OneModel(file)).feed(placed))


def _labelled(stage: Stage, made: Pass, windows: list[ClosedWindow], event: RetrainEvent) -> LabelledRows:
    """What the trainer joins: rows that the monitor kept, without the held-out ones, which get no label."""
    row_of = {record_id.encode(): row for record_id, row in zip(made.ids, made.rows.tolist(), strict=True)}
    since = place_of(event.since or "0", event.since_partition, event.since_row)
    blocks = [window.samples for window in windows if window.samples is not None]
    positions = np.concatenate([block.positions for block in blocks])
    ids = [record_id for block in blocks for record_id in block.ids]
    entry_ms, _, numbers, _ = positions.T
    behind = (entry_ms > since.ms) | ((entry_ms == since.ms) & (numbers >= since.row))
    rows = np.array([row_of.get(record_id, -1) for record_id in ids])
    chosen = np.flatnonzero(behind & (rows >= 0) & ~stage.held_out[rows])
    x = np.concatenate([block.x for block in blocks])  # of every record
    return LabelledRows(
        x[chosen],
        stage.table.y[rows[chosen]],
        [ids[place] for place in chosen],
        positions[chosen],
        rows_before(x, chosen),
        rows_seen=int(behind.sum()),
    )


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

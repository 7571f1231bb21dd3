"""The demo's stage: the data, and the passes in which its rows are streamed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.model import Floats
from streamgauge.demo import raisin_like
from streamgauge.demo.camera import magnify
from streamgauge.demo.collector import Collector
from streamgauge.demo.row_file import LABEL, POSITIVE, write_rows
from trainer.split import stratified_split
from trainer.table import Table, read_table


@dataclass(frozen=True, eq=False)
class Pass:
    """Every row once, in a random order, under ids that name phase and place."""

    phase: str
    rows: NDArray[np.intp]  #: (n,) rows of the data in the order sent
    x: Floats  #: (n, d) what was sent
    ids: list[str]


@dataclass(eq=False)
class Stage:
    """The data and what was sent of it.

    Rows in ``held_out`` are never trained on: they are the validation rows of the first model, and their labels
    are never sent.
    """

    table: Table
    csv_path: Path
    seed: int
    held_out: NDArray[np.bool_]
    passes: list[Pass] = field(default_factory=list)

    def make_pass(self, phase: str, factor: float) -> Pass:
        """The next pass of a phase, as a camera with this factor sees the rows."""
        number = sum(len(done.ids) for done in self.passes if done.phase == phase)
        generator = np.random.default_rng([self.seed, len(self.passes)])
        rows = generator.permutation(len(self.table.x))
        x = magnify(self.table.x[rows], self.table.features, factor)
        ids = [f"{phase}-{number + index:06d}" for index in range(len(rows))]
        made = Pass(phase, rows, x, ids)
        self.passes.append(made)
        return made

    def accuracy(self, collector: Collector, passes: list[Pass], run_id: str) -> tuple[float, int]:
        """Accuracy of a model on the held-out rows of some passes, and how many answers that is."""
        right = count = 0
        for made in passes:
            for row, record_id in zip(made.rows, made.ids, strict=True):
                answer = collector.predictions.get(record_id.encode())
                if self.held_out[row] and answer is not None and answer.model == run_id:
                    right += int(answer.predicted == self.table.y[row])
                    count += 1
        return (right / count if count else float("nan")), count


def set_stage(data: Path | None, seed: int, directory: Path) -> Stage:
    """Read the file, or draw rows like Raisin's into one.

    Raises
    ------
    DataError
        A file that cannot be used.
    """
    path = data
    if path is None:
        path = directory / "raisin-like.csv"
        write_rows(path, [raisin_like.draw_rows(seed)])
    table = read_table(path, LABEL, POSITIVE)
    magnify(table.x[:1], table.features, 1.0)  # refuses other columns before anything starts
    held_out = np.zeros(len(table.y), dtype=bool)
    held_out[stratified_split(table.y, seed).holdout] = True
    return Stage(table, path, seed, held_out)

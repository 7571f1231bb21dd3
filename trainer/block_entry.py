"""What ``fit --blocks`` does: a file that does not fit in memory, trained on, logged and judged as any other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from core.miniflow import Parameter
from core.model_file import ModelFile
from core.settings import Settings
from trainer.block_rest import BlockRest
from trainer.candidacy import Candidate, spread_neighbours
from trainer.commands import FIT, FitReport, enter_candidate
from trainer.csv_blocks import csv_blocks
from trainer.decision import choices_of
from trainer.fit import FittedModel
from trainer.fit_blocks import fit_blocks
from trainer.solvers.choice import chosen_block_solver
from trainer.split import SplitKind, check_order
from trainer.training_rows import TrainingRows


def fit_table_in_blocks(
    csv: Path,
    label: str,
    positive: str | None,
    settings: Settings,
    *,
    new_schema: bool = False,
    ordered: bool = True,
    split: SplitKind = "stratified",
    on_fitted: Callable[[FittedModel], None] | None = None,
) -> FitReport:
    """Train on a file that is read anew for every pass, log the run, promote it by the rule.

    As :func:`trainer.commands.fit_table`, with two differences of :func:`trainer.fit_blocks.fit_blocks`:
    calibration and threshold are found on rows of their own, and unless ``split`` is "time" the held-out rows are
    drawn without regard to their classes. Where something is in production, a pass more finds the rows
    of both holdouts that are equal to rows that this model was trained on.

    Raises
    ------
    DataError, SchemaError, UnknownModelFormat, UsageError
        As :func:`trainer.commands.fit_table`.
    SettingsError
        The same, or a setting that newton in blocks has no use for.
    """
    check_order(split, ordered=ordered)
    solver = chosen_block_solver(settings)
    source = csv_blocks(csv, label, positive)

    def candidate(alike: ModelFile | None) -> Candidate:
        fitted = fit_blocks(
            source,
            seed=settings.seed,
            solver=solver,
            balanced=settings.class_weight == "balanced",
            ordered=ordered,
            by_time=split == "time",
            choices=choices_of(settings, alike),
        )
        if on_fitted is not None:
            on_fitted(fitted)
        rest = BlockRest(source, fitted.holdout_rows)
        neighbours = spread_neighbours(fitted.holdout, ordered=ordered)
        if split == "time":
            neighbours = None if alike is None else rest.newest()
        sample = np.empty((0, len(source.features))) if fitted.sample is None else fitted.sample.x
        return Candidate(fitted, source.class_note, source.rows, TrainingRows(rest, sample), neighbours)

    params: dict[str, Parameter] = {"csv": csv.name, "label": label, "split": split}
    return enter_candidate(source.schema, candidate, settings, FIT, params, new_schema=new_schema)

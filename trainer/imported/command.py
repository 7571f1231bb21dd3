"""What ``streamgauge import`` does: a model that scikit-learn trained becomes a run, judged as any other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np

from core.calibration import CalibrationRequest
from core.errors import DataError
from core.miniflow import Parameter
from core.model_file import ModelFile
from core.profile import moments
from core.settings import Settings
from trainer.commands import FitReport, enter_model
from trainer.decision import Choices, choices_of
from trainer.fit import FittedModel, check_values, fit
from trainer.imported.document import ImportedModel, read_imported
from trainer.imported.match import read_rows
from trainer.imported.solver import Imported
from trainer.split import Split, stratified_split
from trainer.table import Table
from trainer.training_rows import row_prints

#: Why the run was started.
IMPORT = "import"
#: Said where the rows that judge are of the file that the model may have been trained on.
SEEN_BY_JUDGES = (
    "the rows that judge this model are of the file given as its data, and if it was trained on them its figures "
    "are too good; give others by --holdout, or say --unseen if it was not."
)
#: Said where a calibration or a threshold was found on such rows.
SEEN_BY_CHOICES = (
    "calibration and threshold of this model are found on the rows given as its data, and if it was trained on "
    "them they take it for surer than it is; give rows that it was not trained on as its data, and say --unseen."
)
#: Said of a model that overflows on the rows.
TOO_LARGE = (
    "the model gives some of the rows a logit that is not finite; check that its coefficients and scale_ are of "
    "columns in these units"
)
#: Said where only such rows could judge it against production.
NOTHING_UNSEEN = (
    "rows that a model was trained on cannot show that it is better than production, and nobody can see whether "
    "{} has such rows; give others by --holdout, or say --unseen if it has none"
)


def import_model(
    file: Path,
    csv: Path,
    label: str,
    positive: str | None,
    settings: Settings,
    *,
    holdout: Path | None = None,
    unseen: bool = False,
    new_schema: bool = False,
    ordered: bool = True,
    on_fitted: Callable[[Table, FittedModel], None] | None = None,
) -> FitReport:
    """Log a model that was trained elsewhere, with profile and references of a table, and promote it by the rule.

    Rows that the model was trained on cannot show that it is better than another. So over a model in production it
    is judged on rows of which the caller says that it was not.

    Parameters
    ----------
    file
        As docs/importing.md has it.
    csv
        The rows that the profile and the references are of.
    holdout
        Another file, whose rows judge the model; None: a fifth of ``csv``, drawn by the seed.
    unseen
        The model was not trained on the rows of ``csv``.
    new_schema, ordered, on_fitted
        As in :func:`trainer.commands.fit_table`.

    Raises
    ------
    DataError
        A file that cannot be used, files that do not fit each other, or no rows that the model has not seen.
    SchemaError, UnknownModelFormat, UsageError
        As :func:`trainer.commands.enter_model`.
    """
    imported = read_imported(file)
    table, split = _rows(imported, csv, label, positive, holdout, settings.seed)

    known = table.x[split.train] if holdout is not None else table.x
    known = known[:0] if unseen else known

    def made(alike: ModelFile | None) -> FittedModel:
        if alike is not None and holdout is None and not unseen:
            raise DataError(NOTHING_UNSEEN.format(csv))
        choices = _choices(settings, alike)
        fitted = described(imported, table, split, settings.seed, choices, ordered=ordered)
        notes = [SEEN_BY_JUDGES] if holdout is None else []
        if choices.anything:
            notes.append(SEEN_BY_CHOICES)
        return replace(fitted, notes=() if unseen else tuple(notes), trained_prints=row_prints(known))

    params: dict[str, Parameter] = {
        "csv": csv.name,
        "label": label,
        "imported": file.name,
        "holdout": None if holdout is None else holdout.name,
        "unseen": unseen,
    }
    return enter_model(
        table,
        made,
        settings,
        IMPORT,
        params,
        new_schema=new_schema,
        ordered=ordered,
        trained_on=known,
        on_fitted=on_fitted,
    )


def described(
    imported: ImportedModel, table: Table, split: Split, seed: int, choices: Choices, *, ordered: bool = True
) -> FittedModel:
    """The model as it is, with the profile and the references of the training rows. Raises as ``fit``."""
    check_values(table)
    with np.errstate(over="ignore", invalid="ignore"):  # coefficients of any size: what comes of them is looked at
        solver = Imported.of(imported, table, *moments(table.x[split.train]))
        finite = np.isfinite(solver.theta).all() and np.isfinite(solver.model.score(table.x).logit).all()
    if not finite:
        raise DataError(TOO_LARGE)
    return fit(
        table,
        seed=seed,
        solver=solver,
        split=split,
        ordered=ordered,
        choices=choices,
        trained=solver.model,
    )


def _rows(
    imported: ImportedModel, csv: Path, label: str, positive: str | None, holdout: Path | None, seed: int
) -> tuple[Table, Split]:
    """All rows in one table, and which of them judge."""
    table = read_rows(csv, label, positive, imported)
    if holdout is None:
        return table, stratified_split(table.y, seed)
    other = read_rows(holdout, label, table.classes[1], imported)
    if other.features != table.features:
        raise DataError(f"{holdout} has other columns than {csv}, or in another order; give the same in both")
    both = replace(table, x=np.concatenate([table.x, other.x]), y=np.concatenate([table.y, other.y]))
    n = len(table.y)
    return both, Split(np.arange(n), np.arange(n, len(both.y)))


def _choices(settings: Settings, alike: ModelFile | None) -> Choices:
    """As of a fit; but a calibration would change what the model predicts, so it must be asked for."""
    choices = choices_of(settings, alike)
    asked: CalibrationRequest = "none"
    if settings.calibrate is not None:
        asked = msgspec.convert(settings.calibrate, CalibrationRequest)
    return msgspec.structs.replace(choices, calibrate=asked)

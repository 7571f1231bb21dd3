"""What a file is judged by: training rows of another file, fitted as ``streamgauge fit`` does, or a logged run."""

from __future__ import annotations

import csv as csv_module
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from core.calibration import CalibrationRequest
from core.concept_reference import fit_concept_reference
from core.drift.reference_rows import ReferenceRows
from core.entry import parse_entry_id
from core.errors import DataError, NoProductionModel, UnknownRun
from core.file_registry import FileRegistry
from core.miniflow import MiniFlow
from core.model import Floats, LogisticModel
from core.model_file import ModelFile
from core.profile import TrainingProfile, profile_rows
from core.record_decoder import RecordDecoder
from core.schema import Schema
from core.settings import Settings
from producer.sources import check_columns
from streamgauge.drift.source import open_rows
from trainer.decision import DEFAULT_CALIBRATE, Choices
from trainer.drift_reference import drift_reference, rows_before, watched_before
from trainer.fit import fit
from trainer.kept_rows import KeptRows
from trainer.registries import Registries
from trainer.solvers.choice import chosen_solver
from trainer.split import Rows, stratified_split
from trainer.table import MAX_MAGNITUDE, Table, read_table

#: With fewer rows nothing can be said of any drift.
LEAST_ROWS = 20
#: A row of a reference may have any number of columns that a server would take.
_NO_LIMIT = 2**62


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """The rows behind a reference."""

    x: Floats  #: (N, d) raw
    order: Rows | None  #: (N,) ascending numbers in their original order; None where it means nothing
    before: Floats | None  #: (N, d) the row before each in that order, nan where there is none

    def of(self, file: ModelFile) -> ReferenceRows:
        """As the calibration of ``file``, which was fitted to them, saw them."""
        transform = file.drift.transform
        probability = file.model.score(self.x).uncalibrated
        if self.before is None or not transform.autocorrelation.any():
            return ReferenceRows(self.x, probability, transform.index)
        before = watched_before(file.model, transform.index, self.before)
        return ReferenceRows(self.x, probability, transform.index, transform.autocorrelation, before)


@dataclass(frozen=True, eq=False)
class Reference:
    """A model file with its name."""

    name: str  #: a run, or the path of the file that the model was fitted to here
    words: str  #: what it is, for a person
    file: ModelFile
    labelled: bool = True  #: its classes are known; without them there is nothing to predict
    label: str | None = None  #: the column of classes in the file that the model was fitted to, where it is known


@dataclass(frozen=True, eq=False)
class FittedReference(Reference):
    """A reference that was fitted here."""

    rows: TrainingRows = field(kw_only=True)


def logged_reference(settings: Settings, run_id: str | None) -> Reference:
    """The model of the logged run that ``run_id`` names, in the MiniFlow directory; None: of production.

    Raises
    ------
    NoProductionModel, UnknownRun, ModelFileError
        There is none, or it is not whole.
    """
    what, files = "run", FileRegistry(settings.miniflow_path, settings.pipeline)
    miniflow = MiniFlow(settings.miniflow_path, settings.pipeline)
    if run_id is None:
        production = files.production()
        if production is None:
            raise NoProductionModel(
                f"nothing is in production in {settings.miniflow}; give --reference CSV, or run `streamgauge fit`"
            )
        run_id, what = production.run_id, "production, run"
    else:
        run_id = Registries(files, files, miniflow).named(run_id)
    file = miniflow.model(run_id)
    words = f"{what} {run_id}, {file.drift.rows:,} training rows"
    return Reference(run_id, words, file, label=_label_of(miniflow, run_id))


def _label_of(miniflow: MiniFlow, run_id: str) -> str | None:
    """The column of classes that ``streamgauge fit`` was given, for this run or the one from which it descends."""
    seen: set[str] = set()
    with suppress(UnknownRun):  # a run that is lost or damaged says nothing; the model judges all the same
        while run_id not in seen:
            seen.add(run_id)
            params = miniflow.run(run_id).params
            label, before = params.get("label"), params.get("production")  # the trainer's runs name the one before
            if isinstance(label, str) or not isinstance(before, str):
                return label if isinstance(label, str) else None
            run_id = before
    return None


def fitted_reference(
    csv: Path, label: str | None, positive: str | None, settings: Settings, *, ordered: bool
) -> FittedReference:
    """The reference that ``streamgauge fit`` would make of a file; without ``label`` all rows are reference.

    Raises
    ------
    DataError
        A file that cannot be used.
    ReferenceDrifts
        Ordered rows that change in their own course.
    """
    if label is None:
        return _unlabelled(csv, settings.seed, ordered=ordered)
    _check_columns(csv)
    table = read_table(csv, label, positive)
    # the mean probability that is shown is a calibrated one; no threshold is used, so none has to be found
    choices = Choices(_calibration_asked(settings))
    fitted = fit(table, seed=settings.seed, solver=chosen_solver(settings), ordered=ordered, choices=choices)
    rows = training_rows(table, settings.seed, ordered=ordered)
    words = f"{len(rows.x):,} of the {len(table.y):,} rows of {csv}, as streamgauge fit trains on them"
    return FittedReference(str(csv), words, fitted.file, label=label, rows=rows)


def _calibration_asked(settings: Settings) -> CalibrationRequest:
    asked = settings.calibrate
    return DEFAULT_CALIBRATE if asked is None else msgspec.convert(asked, CalibrationRequest)


def training_rows(table: Table, seed: int, *, ordered: bool) -> TrainingRows:
    """The rows of a table that :func:`trainer.fit.fit` trains on."""
    return rows_trained_on(table, stratified_split(table.y, seed).holdout, ordered=ordered)


def rows_trained_on(table: Table, holdout_rows: Rows, *, ordered: bool) -> TrainingRows:
    """All rows of a table but ``holdout_rows`` (m,)."""
    train = np.delete(np.arange(len(table.y)), holdout_rows)
    if not ordered:
        return TrainingRows(table.x[train], None, None)
    return TrainingRows(table.x[train], train, rows_before(table.x, train))


def rows_sampled(sample: KeptRows, *, ordered: bool) -> TrainingRows:
    """The rows that stand for all those of a file that was trained on in blocks."""
    return TrainingRows(sample.x, sample.numbers, sample.before) if ordered else TrainingRows(sample.x, None, None)


def _check_columns(csv: Path) -> None:
    """Refuse a file without names of columns before they are looked for; whatever else is wrong waits."""
    with (
        suppress(OSError, UnicodeDecodeError, csv_module.Error),
        csv.open(encoding="utf-8-sig", newline="") as file,
    ):
        check_columns(str(csv), next(csv_module.reader(file), []))


def _unlabelled(csv: Path, seed: int, *, ordered: bool) -> FittedReference:
    """A reference without classes: the model gives every row the probability one half, and predicts nothing."""
    schema, x = _read_unlabelled(csv)
    width = schema.width
    if len(x) < LEAST_ROWS:
        raise DataError(f"{csv} has {len(x)} rows, which is too few for a reference; give {LEAST_ROWS} or more")
    if not (np.abs(x) <= MAX_MAGNITUDE).all():
        column = int(np.argmax((np.abs(x) > MAX_MAGNITUDE).any(axis=0)))
        raise DataError(
            f"{csv}: column {schema.features[column]!r} holds values beyond {MAX_MAGNITUDE:g}; rescale it"
        )
    profile = profile_rows(x, schema.features, seed)
    if not profile.varies.any():
        raise DataError(f"{csv}: every column has the same value in all rows; give rows in which one varies")
    model = LogisticModel(schema, np.zeros(width), 0.0, profile.mean, profile.standard_deviation)
    order = np.arange(len(x)) if ordered else None
    rows = TrainingRows(x, order, None if order is None else rows_before(x, order))
    file = _without_prediction(model, profile, rows, seed)
    words = f"all {len(x):,} rows of {csv}, without labels: predictions are not watched"
    return FittedReference(str(csv), words, file, labelled=False, rows=rows)


def _without_prediction(
    model: LogisticModel, profile: TrainingProfile, rows: TrainingRows, seed: int
) -> ModelFile:
    one_class = np.zeros(len(rows.x), dtype=np.uint8)
    concept = fit_concept_reference(np.zeros(2), np.array([0.0, 1.0]))  # of labels, which never come
    reference = drift_reference(model, profile, rows.x, one_class, rows.order, rows.before, seed)
    return ModelFile(model, profile, reference, concept)


def _read_unlabelled(csv: Path) -> tuple[Schema, Floats]:
    """Every column but those that begin with an underscore, all rows."""
    with open_rows(csv) as source:
        if not source.features:
            raise DataError(f"{csv} has no column that may be a feature; give a CSV file with a header")
        schema = Schema(source.features)
        width = schema.width
        reader = LogisticModel(schema, np.zeros(width), 0.0, np.zeros(width), np.ones(width))
        decoder = RecordDecoder(schema, _NO_LIMIT)
        parts: list[Floats] = []
        for entries in source.entries(reader, _NO_LIMIT, labels=False):
            batch = decoder.decode([placed.entry for placed in entries])
            if batch.rejections:
                refused = batch.rejections[0]
                line = parse_entry_id(refused.record).seq
                raise DataError(
                    f"{csv}: line {line} cannot be a reference row ({refused.detail}); mend or remove it, or name "
                    "the column of classes with --label"
                )
            parts.append(batch.x)
    return schema, np.concatenate(parts)

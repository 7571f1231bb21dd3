"""An imported model beside a table: which column is which feature, which value is which class."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from core.errors import DataError, RecordError
from core.listing import listed
from core.model import Floats, LogisticModel
from core.number import parse_number
from trainer.imported.document import ClassValue, ImportedModel
from trainer.table import Table, read_table


def read_rows(path: Path, label: str, positive: str | None, imported: ImportedModel) -> Table:
    """Rows of a CSV file with the features and the classes of a model, class 1 as the model has it.

    The features are the columns that the model names, in its order; of a model that names none, every column but
    ``label``. ``positive`` names class 1; without it, it is the second of the model's classes.

    Raises
    ------
    DataError
        A file that cannot be used, or of other features or classes than the model.
    """
    table = read_table(path, label, positive, imported.features)
    if len(table.features) != len(imported.coefficients):
        raise DataError(
            f"{path} has {len(table.features)} columns beside {label!r}, and the model has "
            f"{len(imported.coefficients)} coefficients; give the columns that it was trained on, in their order"
        )
    order = _order(path, imported.classes, table.classes)
    if positive is None and order == (1, 0):
        table = replace(table, y=(1 - table.y).astype(np.uint8), classes=(table.classes[1], table.classes[0]))
    return replace(table, positive_chosen_by="caller" if positive is not None else "model")


def model_of(imported: ImportedModel, table: Table, mean: Floats, deviation: Floats) -> LogisticModel:
    """The model for records of ``table``; its logits are those of scikit-learn, but for rounding.

    A model without a scaler is put on the scale of its rows, of ``mean`` and ``deviation`` (d,): what a feature
    contributes is then its distance from the usual, as of any other model. The intercept that comes of it is
    worked out exactly, then rounded once. Where class 1 of the table is class 0 of the model, all signs turn.
    """
    coefficients, intercept, center, scale = (
        imported.coefficients,
        imported.intercept,
        imported.center,
        imported.scale,
    )
    if not imported.scaled:
        center, scale = mean, np.where(deviation > 0, deviation, 1.0)
        try:
            intercept = _moved(coefficients, intercept, mean)
        except OverflowError as error:
            raise DataError(
                "the coefficients are too large for these rows; check the units of the columns"
            ) from error
        coefficients = coefficients * scale
    if _order(None, imported.classes, table.classes) == (1, 0):
        coefficients, intercept = -coefficients, -intercept
    return LogisticModel(table.schema, coefficients, intercept, center, scale)


def _moved(coefficients: Floats, intercept: float, mean: Floats) -> float:
    """The intercept for distances from ``mean`` (d,), rounded once. Raises OverflowError."""
    products = (Fraction(w) * Fraction(m) for w, m in zip(coefficients.tolist(), mean.tolist(), strict=True))
    return float(sum(products, Fraction(intercept)))


def _order(path: Path | None, classes: tuple[ClassValue, ClassValue], names: tuple[str, str]) -> tuple[int, int]:
    """Where the names of class 0 and 1 stand among the model's classes: (0, 1) or (1, 0)."""
    for order in ((0, 1), (1, 0)):
        if all(_same(classes[place], name) for place, name in zip(order, names, strict=True)):
            return order
    raise DataError(
        f"{path or 'the table'} has the classes {listed(names)}, and the model tells "
        f"{listed([str(each) for each in classes])} apart; name the column with its classes by --label, or spell "
        "classes_ in the model's file as that column does"
    )


def _same(value: ClassValue, name: str) -> bool:
    """Whether a class of the model is the one that a CSV file calls ``name``: by its text, or as a number."""
    if str(value) == name or (isinstance(value, bool) and str(value).lower() == name.lower()):
        return True
    try:
        number = parse_number(name.encode(), "label")
        return number == float(value)
    except (RecordError, ValueError, OverflowError):
        return False

"""A CSV file as a table of numbers with one label of two classes."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.errors import DataError, RecordError, SchemaError
from core.listing import listed
from core.model import Floats
from core.number import all_decimal, parse_number, shown
from core.schema import Schema

Labels = NDArray[np.uint8]

#: Fewest rows of each class: one fifth of five rows is the one row that validation needs.
MIN_CLASS_ROWS = 5


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of raw features with their classes.

    Raises
    ------
    DataError
        Feature names that break the rules of a schema, or shapes that do not fit together.
    """

    features: tuple[str, ...]
    x: Floats  #: (n, d)
    y: Labels  #: (n,) 0 or 1
    classes: tuple[str, str] = ("0", "1")  #: names of class 0 and class 1
    positive_chosen_by: Literal["caller", "value", "alphabet"] = "caller"  #: who said which value is class 1

    def __post_init__(self) -> None:
        try:
            _ = self.schema
        except SchemaError as error:
            raise DataError(str(error)) from error
        if self.x.shape != (len(self.y), len(self.features)):
            raise DataError(f"{len(self.y)} labels do not fit rows of shape {self.x.shape}; pass one label a row")

    @property
    def schema(self) -> Schema:
        """What a model of this table expects."""
        return Schema(self.features, self.classes)

    @property
    def class_note(self) -> str:
        """One sentence that says which value is class 1, and why."""
        why = {
            "caller": "as asked",
            "value": "by its value",
            "alphabet": "by the alphabet; --positive chooses the other",
        }[self.positive_chosen_by]
        return f"{self.classes[1]!r} is class 1 ({why}), {self.classes[0]!r} is class 0."


def read_table(path: Path, label: str, positive: str | None = None) -> Table:
    """Read a CSV file with a header; every column but ``label`` is a feature.

    UTF-8, with or without a byte order mark, any line ends. ``positive`` names class 1. Without it, class 1 is the
    value 1 where the labels are the numbers 0 and 1, else the second of the two values by the alphabet.

    Raises
    ------
    DataError
        Anything that makes the file unusable, in one sentence with the place and what to do.
    """
    header, lines, cells = _read_cells(path)
    _check_header(path, header, label)
    _check_rows(path, header, lines, cells)
    columns = dict(zip(header, zip(*cells, strict=True), strict=True))
    labels = columns.pop(label)
    y, classes, chosen_by = _classes(path, label, lines, labels, positive)
    x = np.empty((len(cells), len(columns)))
    for index, (name, column) in enumerate(columns.items()):
        x[:, index] = _numbers(path, name, lines, column)
    try:
        return Table(tuple(columns), x, y, classes, chosen_by)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def _read_cells(path: Path) -> tuple[list[str], list[int], list[list[str]]]:
    """Header, the line number of each row, and the rows; blank lines are passed over."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            numbered = list(_numbered_rows(path, file))
    except FileNotFoundError as error:
        raise DataError(f"there is no file {path}; check the path") from error
    except IsADirectoryError as error:
        raise DataError(f"{path} is a directory; give the path of a CSV file") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text; save it as a CSV file in UTF-8") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); mend it or choose another file") from error
    if not numbered:
        raise DataError(f"{path} is empty; give a CSV file with a header line and rows")
    (_, header), rows = numbered[0], numbered[1:]
    return header, [line for line, _ in rows], [cells for _, cells in rows]


def _numbered_rows(path: Path, file: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(file, strict=True)
    try:
        for cells in reader:
            if cells:
                yield reader.line_num, cells
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num} is not CSV ({error}); mend its quotes") from error


def _check_header(path: Path, header: list[str], label: str) -> None:
    for name in header:
        if header.count(name) > 1:
            raise DataError(f"{path}: column {name!r} occurs twice; rename or remove one of them")
    if label not in header:
        raise DataError(f"{path} has no column {label!r}; give --label one of {listed(header)}")
    if len(header) == 1:
        raise DataError(f"{path} has no column beside {label!r}; add the feature columns")


def _check_rows(path: Path, header: list[str], lines: list[int], cells: list[list[str]]) -> None:
    if not cells:
        raise DataError(f"{path} has a header but no rows; add the rows below it")
    for line, row in zip(lines, cells, strict=True):
        if len(row) != len(header):
            raise DataError(
                f"{path}: line {line} has {len(row)} values for {len(header)} columns; mend or remove the line"
            )


def _numbers(path: Path, name: str, lines: list[int], column: tuple[str, ...]) -> Floats:
    """One feature column (n,): all at once where it is clean, else cell by cell up to the first bad one."""
    encoded = [cell.encode() for cell in column]
    if all_decimal(encoded):
        values = np.array([float(cell) for cell in encoded])
        if np.isfinite(values).all():
            return values
    for line, cell in zip(lines, encoded, strict=True):
        try:
            parse_number(cell, name)
        except RecordError as error:
            what = "is empty" if not cell else f"holds {shown(cell)}"
            wanted = "a finite number" if error.reason == "not_finite" else "a plain decimal number"
            raise DataError(
                f"{path}: line {line}, column {name!r} {what}; write {wanted} there or remove the row"
            ) from error
    raise AssertionError(name)  # the expression over all cells and the one over each agree


def _classes(
    path: Path, label: str, lines: list[int], labels: tuple[str, ...], positive: str | None
) -> tuple[Labels, tuple[str, str], Literal["caller", "value", "alphabet"]]:
    """(n,) classes, the names of class 0 and 1, and who chose them."""
    for line, text in zip(lines, labels, strict=True):
        if not text:
            raise DataError(f"{path}: line {line} has no label in column {label!r}; add it or remove the row")
    as_numbers = [_zero_or_one(text) for text in labels]
    numeric = None not in as_numbers
    texts = [text for text in as_numbers if text is not None] if numeric else list(labels)
    values = sorted(set(texts))
    if len(values) != 2:
        advice = (
            "add rows of the other class" if len(values) == 1 else "name the column that holds the two classes"
        )
        raise DataError(
            f"{path}: column {label!r} must hold two classes, not {len(values)} ({listed(values)}); {advice}"
        )
    if positive is not None and numeric:
        positive = _zero_or_one(positive) or positive
    if positive is not None and positive not in values:
        raise DataError(f"{path}: --positive {positive!r} is no value of column {label!r}; give {listed(values)}")
    class_1 = values[1] if positive is None else positive
    class_0 = values[0] if class_1 == values[1] else values[1]
    y = np.array([text == class_1 for text in texts], dtype=np.uint8)
    for name, rows in ((class_0, int(len(y) - y.sum())), (class_1, int(y.sum()))):
        if rows < MIN_CLASS_ROWS:
            raise DataError(
                f"{path} has too few rows of class {name!r} ({rows}); add rows until it has {MIN_CLASS_ROWS}"
            )
    if positive is not None:
        return y, (class_0, class_1), "caller"
    return y, (class_0, class_1), "value" if numeric else "alphabet"


def _zero_or_one(text: str) -> str | None:
    """``0`` or ``1`` for a text that is that number in any spelling (``1.0``), else None."""
    try:
        number = parse_number(text.encode(), "label")
    except RecordError:
        return None
    return {0.0: "0", 1.0: "1"}.get(number)

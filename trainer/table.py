"""A CSV file as a table of numbers with one label of two classes."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TextIO

import numpy as np
from numpy.typing import NDArray

from core.errors import DataError, RecordError, SchemaError
from core.listing import listed
from core.model import Floats
from core.number import all_decimal, parse_number, shown
from core.schema import Schema
from trainer.digested_file import Digest, DigestedFile

Labels = NDArray[np.uint8]
#: Who said which value is class 1; ``model``: one that was trained elsewhere.
ClassOrder = Literal["caller", "value", "alphabet", "model"]

#: A feature beyond this has a variance that float64 cannot hold.
MAX_MAGNITUDE = 1e150
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
    positive_chosen_by: ClassOrder = "caller"  #: who said which value is class 1
    csv_sha256: str | None = None  #: of the whole file as it was read; None: the rows come from no file

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
        return class_note(self.classes, self.positive_chosen_by)


def class_note(classes: tuple[str, str], chosen_by: ClassOrder) -> str:
    """One sentence that says which value is class 1, and why."""
    why = {
        "caller": "as asked",
        "value": "by its value",
        "alphabet": "by the alphabet; --positive chooses the other",
        "model": "as the model has it; --positive chooses the other",
    }[chosen_by]
    return f"{classes[1]!r} is class 1 ({why}), {classes[0]!r} is class 0."


def read_table(
    path: Path, label: str, positive: str | None = None, features: Sequence[str] | None = None
) -> Table:
    """Read a CSV file with a header; every column but ``label`` is a feature, or ``features`` in their order are.

    UTF-8, with or without a byte order mark, any line ends. ``positive`` names class 1. Without it, class 1 is the
    value 1 where the labels are the numbers 0 and 1, else the second of the two values by the alphabet.

    Raises
    ------
    DataError
        Anything that makes the file unusable, in one sentence with the place and what to do.
    """
    digest = hashlib.sha256()
    header, lines, cells = _read_cells(path, digest)
    check_header(path, header, label)
    check_rows(path, header, lines, cells)
    columns = dict(zip(header, zip(*cells, strict=True), strict=True))
    labels = columns.pop(label)
    if features is not None:
        columns = {name: columns[name] for name in _found(path, features, columns)}
    y, classes, chosen_by = named_classes(path, label, lines, labels, positive)
    x = np.empty((len(cells), len(columns)))
    for index, (name, column) in enumerate(columns.items()):
        x[:, index] = column_numbers(path, name, lines, column)
    try:
        return Table(tuple(columns), x, y, classes, chosen_by, digest.hexdigest())
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def _found(path: Path, features: Sequence[str], columns: Container[str]) -> Sequence[str]:
    """The features that are asked for. Raises DataError where one is no column."""
    missing = [name for name in features if name not in columns]
    if missing:
        raise DataError(f"{path} has no column {listed(missing)}; give a file with every feature of the model")
    return features


def _read_cells(path: Path, digest: Digest) -> tuple[list[str], list[int], list[list[str]]]:
    """Header, the line number of each row, and the rows; blank lines are passed over."""
    with opened(path, digest) as file:
        numbered = list(numbered_rows(path, file))
    if not numbered:
        raise DataError(f"{path} is empty; give a CSV file with a header line and rows")
    (_, header), rows = numbered[0], numbered[1:]
    return header, [line for line, _ in rows], [cells for _, cells in rows]


@contextmanager
def opened(path: Path, digest: Digest | None = None) -> Iterator[TextIO]:
    """A CSV file, open to be read; whatever keeps it from being read within is a DataError.

    ``digest`` is given each byte as it is read: a second pass could meet another file, and a pipe has none.
    """
    try:
        with path.open("rb", buffering=0) as file:
            raw = file if digest is None else DigestedFile(file, digest)
            with io.TextIOWrapper(io.BufferedReader(raw), encoding="utf-8-sig", newline="") as text:
                yield text
    except FileNotFoundError as error:
        raise DataError(f"there is no file {path}; check the path") from error
    except IsADirectoryError as error:
        raise DataError(f"{path} is a directory; give the path of a CSV file") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text; save it as a CSV file in UTF-8") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); mend it or choose another file") from error


def numbered_rows(path: Path, file: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each row, blank lines passed over; raises DataError where it is no CSV."""
    reader = csv.reader(file, strict=True)
    try:
        for cells in reader:
            if cells:
                yield reader.line_num, cells
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num} is not CSV ({error}); mend its quotes") from error


def check_header(path: Path, header: list[str], label: str) -> None:
    """Raises DataError where a header does not name one label and at least one feature, each once."""
    for name in header:
        if header.count(name) > 1:
            raise DataError(f"{path}: column {name!r} occurs twice; rename or remove one of them")
    if label not in header:
        raise DataError(f"{path} has no column {label!r}; give --label one of {listed(header)}")
    if len(header) == 1:
        raise DataError(f"{path} has no column beside {label!r}; add the feature columns")


def check_rows(path: Path, header: list[str], lines: list[int], cells: list[list[str]]) -> None:
    """Raises DataError where there are no rows, or one of another width than the header."""
    if not cells:
        raise DataError(f"{path} has a header but no rows; add the rows below it")
    for line, row in zip(lines, cells, strict=True):
        if len(row) != len(header):
            raise DataError(
                f"{path}: line {line} has {len(row)} values for {len(header)} columns; mend or remove the line"
            )


def column_numbers(path: Path, name: str, lines: list[int], column: tuple[str, ...]) -> Floats:
    """One feature column (n,): all at once where it is clean, else cell by cell up to the first bad one.

    Raises DataError with the line of a cell that is no finite number.
    """
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
                f"{path}: line {line}, column {name!r} {what}; write {wanted} there, remove the row, "
                "or leave the column out where it is no feature"
            ) from error
    raise AssertionError(name)  # the expression over all cells and the one over each agree


def named_classes(
    path: Path, label: str, lines: list[int], labels: tuple[str, ...], positive: str | None
) -> tuple[Labels, tuple[str, str], ClassOrder]:
    """(n,) classes, the names of class 0 and 1, and who chose them; raises DataError where they are not two."""
    for line, text in zip(lines, labels, strict=True):
        if not text:
            raise DataError(f"{path}: line {line} has no label in column {label!r}; add it or remove the row")
    as_numbers = [zero_or_one(text) for text in labels]
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
        positive = zero_or_one(positive) or positive
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


def zero_or_one(text: str) -> str | None:
    """``0`` or ``1`` for a text that is that number in any spelling (``1.0``), else None."""
    try:
        number = parse_number(text.encode(), "label")
    except RecordError:
        return None
    return {0.0: "0", 1.0: "1"}.get(number)

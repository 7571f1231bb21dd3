"""A CSV file as blocks of rows, read anew for every pass: for files that do not fit in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from core.errors import DataError, SchemaError
from core.model import Floats
from core.schema import Schema
from trainer.block_parts import with_row_before
from trainer.solvers.objective import Block
from trainer.table import (
    MIN_CLASS_ROWS,
    ClassOrder,
    Labels,
    check_header,
    check_rows,
    class_note,
    column_numbers,
    named_classes,
    numbered_rows,
    opened,
)

#: Rows of a block: some megabytes of text at tens of features, and work enough for a matrix product.
BLOCK_ROWS = 20_000
#: Spellings of labels that are gathered before it is plain that the column holds no two classes.
MOST_SPELLINGS = 1_000


@dataclass(frozen=True, eq=False)
class CsvBlocks:
    """Features and classes of a file, by the rules of :func:`trainer.table.read_table`; iterate for its rows.

    Raises
    ------
    DataError
        On any pass, what :func:`trainer.table.read_table` says of such a row; or that the file has changed.
    """

    path: Path
    label: str
    features: tuple[str, ...]
    classes: tuple[str, str]
    rows: int
    label_values: dict[str, int]  #: class of each spelling in the label column
    csv_sha256: str  #: of the whole file
    block_rows: int = BLOCK_ROWS
    positive_chosen_by: ClassOrder = "caller"  #: who said which value is class 1

    @property
    def schema(self) -> Schema:
        """What a model of these rows expects."""
        return Schema(self.features, self.classes)

    @property
    def class_note(self) -> str:
        """One sentence that says which value is class 1, and why."""
        return class_note(self.classes, self.positive_chosen_by)

    def __iter__(self) -> Iterator[Block]:
        header = None
        digest = hashlib.sha256()
        with opened(self.path, digest) as file:
            numbered = numbered_rows(self.path, file)
            for _, header in islice(numbered, 1):
                self._check_unchanged(sorted(header) == sorted((*self.features, self.label)))
            rows = 0
            while chunk := list(islice(numbered, self.block_rows)):
                rows += len(chunk)
                self._check_unchanged(rows <= self.rows)
                yield self._block(header or [], [line for line, _ in chunk], [cells for _, cells in chunk])
        self._check_unchanged(digest.hexdigest() == self.csv_sha256)

    def with_before(self) -> Iterator[tuple[Block, Floats]]:
        """Each block with (k, d) the row before each of its rows in the file; nan before the first."""
        return with_row_before(self)

    def _block(self, header: list[str], lines: list[int], cells: list[list[str]]) -> Block:
        check_rows(self.path, header, lines, cells)
        columns = dict(zip(header, zip(*cells, strict=True), strict=True))
        labels = columns.pop(self.label)
        self._check_unchanged(self.label_values.keys() >= set(labels))
        y: Labels = np.array([self.label_values[text] for text in labels], dtype=np.uint8)
        x: Floats = np.empty((len(lines), len(self.features)))
        for index, name in enumerate(self.features):
            x[:, index] = column_numbers(self.path, name, lines, columns[name])
        return Block(x, y)

    def _check_unchanged(self, unchanged: bool) -> None:
        if not unchanged:
            raise DataError(f"{self.path} changed while it was read; leave it as it is and start again")


def csv_blocks(path: Path, label: str, positive: str | None = None, block_rows: int = BLOCK_ROWS) -> CsvBlocks:
    """Read the header and the label column, in one pass, and keep neither rows nor labels.

    Raises
    ------
    DataError
        As :func:`trainer.table.read_table`, of the header, the width of rows and the labels; or something that can
        be read once only.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise DataError(
            f"{path} can be read once only; save its rows as a file, which is read anew for every pass"
        )
    spellings: dict[str, tuple[int, int]] = {}  # first line and number of rows
    rows = 0
    digest = hashlib.sha256()
    with opened(path, digest) as file:
        numbered = numbered_rows(path, file)
        _, header = next(numbered, (0, None))
        if header is None:
            raise DataError(f"{path} is empty; give a CSV file with a header line and rows")
        check_header(path, header, label)
        place = header.index(label)
        for line, cells in numbered:
            check_rows(path, header, [line], [cells])
            first, count = spellings.get(cells[place], (line, 0))
            spellings[cells[place]] = (first, count + 1)
            rows += 1
            if len(spellings) > MOST_SPELLINGS:
                break
    if not rows:
        check_rows(path, header, [], [])
    # as many rows of each spelling as the rules look at
    lines, labels = [], []
    for text, (line, count) in spellings.items():
        kept = min(count, MIN_CLASS_ROWS)
        lines += [line] * kept
        labels += [text] * kept
    y, classes, chosen_by = named_classes(path, label, lines, tuple(labels), positive)
    features = tuple(name for name in header if name != label)
    values = {text: int(each) for text, each in zip(labels, y, strict=True)}
    source = CsvBlocks(path, label, features, classes, rows, values, digest.hexdigest(), block_rows, chosen_by)
    try:
        _ = source.schema
    except SchemaError as error:
        raise DataError(f"{path}: {error}") from error
    return source

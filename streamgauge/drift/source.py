"""Rows of a CSV file as the entries that ``streamgauge produce`` would have written of them.

Rows that are plain to see are read many at once and become blocks; all others take the way that a produced row
takes, one by one. What is said of a row is the same either way.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from core.entry import Entry, EntryId
from core.errors import DataError, RecordError
from core.listing import listed
from core.merged_reader import PlacedEntry
from core.model import Floats, LogisticModel
from core.number import parse_json_numbers
from core.record_encoder import encode_block
from core.record_fields import check_id, parse_label
from producer.lines import Lines
from producer.record import plain_fields
from producer.sources import Columns, Source, SourceRow, check_columns, check_line_ends

#: All rows are entries of this millisecond, so that no time limit cuts a window. The sequence number of an entry
#: is the number of its first line.
TIME_MS = 1
#: Bytes looked at together. The csv module takes no longer cell, so none of them is too long for it.
CHUNK_BYTES = 128 * 1024
#: Columns that make a row more than its features and its label; such rows are looked at one by one.
_RESERVED = frozenset({"_id", "_ts"})
#: The column of labels that needs no naming, as ``streamgauge produce`` reads it.
LABEL = "_y"


def line_of(record_id: str) -> int:
    """The line of a row, by the id that it has as a record without one of its own.

    >>> line_of("0-1-120-3")
    123
    """
    _, _, first, row = record_id.split("-")
    return int(first) + int(row)


class RowSource:
    """The rows of one open CSV file; read them once.

    Labels stand in the column ``_y``, or else in the one called ``label``, where the file has it.
    """

    def __init__(
        self, file: io.BufferedReader[io.FileIO], name: str, size_bytes: int | None, label: str | None
    ) -> None:
        self.size_bytes = size_bytes  #: None where it cannot be known
        self.name = name
        self._file = file
        self._lines = Lines(file, name)
        header = self._lines.peek()
        if not header:
            raise DataError(f"{name} is empty; give a CSV file with a header line and rows")
        self._header = _columns(name, header)
        self._header_bytes = self._lines.bytes_read
        self.rows_read = 0
        self.unknown_labels = 0  #: rows that cannot be used since their label is no class of the model
        #: name of the column of labels, None where there is none
        self.label_column = next((each for each in (LABEL, label) if each in self._header), None)
        named = None if self.label_column == LABEL else self.label_column
        self._source = Source(self._lines, "csv", Columns(label=named), size_bytes)

    @property
    def bytes_read(self) -> int:
        """How far the reading has come."""
        return self._lines.bytes_read

    @property
    def features(self) -> tuple[str, ...]:
        """Names of all columns that may be features."""
        return tuple(name for name in self._header if name and name[0] != "_")

    def check_features(self, features: tuple[str, ...]) -> None:
        """Raise DataError where the file lacks a column of the reference."""
        missing = [name for name in features if name not in self._header]
        if missing:
            raise DataError(
                f"{self.name} has no column {listed(missing)}, as the reference has; add it or rename one to it"
            )

    def entries(
        self, model: LogisticModel, max_entry_bytes: int, *, labels: bool = True
    ) -> Iterator[list[PlacedEntry]]:
        """All rows as entries for ``model``, in their order; without ``labels`` their column is passed over.

        Raises
        ------
        DataError
            A file that is not what it says, as for ``streamgauge produce``.
        """
        label_column = self.label_column if labels else None
        classes = model.schema.classes if labels else None
        blocks = _Blocks(self._header, model, label_column, max_entry_bytes, self._header_bytes)
        rows = iter(self._source)
        yield [self._plain(next(rows), classes)]  # the first row says what is wrong with the header
        while True:
            chunk = self._whole_lines()
            block = blocks.read(chunk, self._lines.number + 1)
            if block is not None:
                self._file.read(len(chunk))
                rows_read = chunk.count(b"\n")
                self.rows_read += rows_read
                self._lines.number += rows_read
                self._lines.bytes_read += len(chunk)
                yield [block]
                continue
            stop = self._lines.bytes_read + max(1, len(chunk))
            plain: list[PlacedEntry] = []
            while self._lines.bytes_read < stop:
                row = next(rows, None)
                if row is None:
                    yield plain
                    return
                plain.append(self._plain(row, classes))
            yield plain

    def _whole_lines(self) -> bytes:
        """The lines that lie ready; none at the end of the file, or where one is longer than what lies ready."""
        try:
            ready = self._file.peek()
        except OSError as error:
            raise DataError(
                f"{self.name} cannot be read ({error.strerror}); mend it or give another file"
            ) from error
        return ready[: ready.rfind(b"\n") + 1]

    def _plain(self, row: SourceRow, classes: tuple[str, str] | None) -> PlacedEntry:
        """The entry of one row, with its label where the classes are given.

        A usable id is left out, so that the record is named by its line.
        """
        self.rows_read += 1
        record_id = row.id
        if record_id is not None:
            with suppress(RecordError):  # one that cannot be used stays: the record is refused for it
                check_id(record_id)
                record_id = None
        label = None if classes is None else row.label
        if label is not None and classes is not None and not _is_label(label, classes):
            self.unknown_labels += 1  # it stays: the record is refused for it
        try:
            fields = plain_fields(row.values, record_id, row.event_time, label)
        except DataError as error:
            raise DataError(f"{self.name}: line {row.line}: {error}") from error
        return _placed(row.line, fields)


class _Blocks:
    """Reads lines of unquoted, finite numbers at once, with their labels where their column is named."""

    def __init__(
        self,
        header: list[str],
        model: LogisticModel,
        label_column: str | None,
        max_entry_bytes: int,
        header_bytes: int,
    ) -> None:
        self._width = len(header)
        self._model = model
        self._most_entry_bytes = max_entry_bytes
        self._most_bytes = max_entry_bytes - header_bytes  # so none of the rows would be too large an entry
        self._places = [header.index(name) for name in model.schema.features]
        self._label_place = None if label_column is None else header.index(label_column)
        self._labels: dict[bytes, float] = {b"": math.nan}  # by text; there are few that say something
        self._possible = not _RESERVED.intersection(header)

    def read(self, lines: bytes, first_line: int) -> PlacedEntry | None:
        """The block of some whole lines; None where a row of them has to be looked at by itself."""
        if not lines or not self._possible or b'"' in lines or len(lines) > self._most_bytes:
            return None
        text = lines.replace(b"\r\n", b"\n")
        if b"\r" in text or not _is_utf8(text):
            return None
        count, stride = text.count(b"\n"), self._width + 1
        cells = text.replace(b"\n", b",\n,").split(b",")
        if len(cells) != count * stride + 1 or cells[self._width :: stride] != [b"\n"] * count:
            return None
        x = self._rows(cells, count)
        fields = None if x is None else self._fields(x, cells)
        return None if fields is None else _placed(first_line, fields)

    def _rows(self, cells: list[bytes], count: int) -> Floats | None:
        """(n, d) features; None where one of them is not plainly a number, or a row is beyond the model."""
        width = len(self._places)
        values = [b""] * (count * width)
        for column, place in enumerate(self._places):
            values[column::width] = cells[place : -1 : self._width + 1]
        numbers = parse_json_numbers(values)
        if numbers is None:
            return None
        x = np.array(numbers, dtype=np.float64).reshape(count, width)
        # nor is a logit finite where a number is not
        return x if np.isfinite(self._model.score(x).logit).all() else None

    def _fields(self, x: Floats, cells: list[bytes]) -> list[bytes] | None:
        """The block; None where one of the labels is none, or no server would take so large an entry."""
        labels = None
        if self._label_place is not None:
            labels = self._labels_of(cells[self._label_place : -1 : self._width + 1])
            if labels is None:
                return None
        fields = encode_block(x, self._model.schema, labels=labels)
        # float64 takes more room than short numbers
        return fields if sum(map(len, fields)) <= self._most_entry_bytes else None

    def _labels_of(self, texts: list[bytes]) -> Floats | None:
        """(n,) 0, 1, or nan where nothing is said; None where one of them is no label."""
        known = self._labels
        for text in set(texts).difference(known):
            if not _is_label(text, self._model.schema.classes):
                return None
            known[text] = parse_label(text, self._model.schema.classes)
        return np.array([known[text] for text in texts])


@contextmanager
def open_rows(path: Path, label: str | None = None) -> Iterator[RowSource]:
    """Open a CSV file; ``label`` is the column of its labels where it has no ``_y``, and where it has that one.

    Raises
    ------
    DataError
        A file that is missing, unreadable or empty.
    """
    try:
        file = io.BufferedReader(path.open("rb", buffering=0), CHUNK_BYTES)
    except FileNotFoundError as error:
        raise DataError(f"there is no file {path}; check the path") from error
    except IsADirectoryError as error:
        raise DataError(f"{path} is a directory; give the path of a CSV file") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}); mend it or give another file") from error
    with file:
        size_bytes = file.seek(0, io.SEEK_END) if file.seekable() else None
        if file.seekable():
            file.seek(0)
        yield RowSource(file, str(path), size_bytes, label)


def _columns(name: str, header: str) -> list[str]:
    """Names of the columns, by the first line that is not blank."""
    check_line_ends(name, header)
    if header.count('"') % 2:
        raise DataError(f"{name}: the header goes on over several lines; write it on one")
    try:
        names = next(csv.reader([header], strict=True))
    except csv.Error as error:
        raise DataError(f"{name}: the header is not CSV ({error}); mend the line") from error
    check_columns(name, names)
    return names


def _placed(line: int, fields: list[bytes]) -> PlacedEntry:
    entry_id = EntryId(TIME_MS, line)
    return PlacedEntry(0, entry_id, Entry(str(entry_id).encode(), fields))


def _is_label(text: bytes, classes: tuple[str, str]) -> bool:
    try:
        parse_label(text, classes)
    except RecordError:
        return False
    return True


def _is_utf8(text: bytes) -> bool:
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True

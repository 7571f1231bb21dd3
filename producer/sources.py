"""Rows from a CSV or JSON-lines file, or from standard input, one at a time: nothing is ever loaded whole.

What can be sent is sent as it stands, so that the scorer rejects what is wrong with its reason; only a file that
is not what it says ends the reading, with the number of the line.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from core.errors import DataError
from core.listing import listed
from core.number import all_decimal
from producer.lines import Lines

Format = Literal["csv", "jsonl"]

#: Formats by file ending; any other is told by its first byte, as standard input is.
ENDINGS: dict[str, Format] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl"}

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


class SourceRow(NamedTuple):
    """One row: feature values as the text that stood there, and what is known beside them."""

    line: int  #: 1 is the first line of the file
    values: dict[str, bytes]
    id: bytes | None = None
    event_time: bytes | None = None  #: milliseconds since 1970, as text
    label: bytes | None = None


class Columns(NamedTuple):
    """Which columns are no features; ``_id``, ``_ts`` and ``_y`` always are theirs."""

    id: str | None = None
    label: str | None = None


class Source:
    """The rows of one open file; iterate once. Iteration raises DataError."""

    def __init__(self, lines: Lines, format: Format, columns: Columns, size_bytes: int | None) -> None:  # noqa: A002
        self.format = format
        self.size_bytes = size_bytes  #: None where it cannot be known
        self._lines = lines
        self._columns = columns

    @property
    def name(self) -> str:
        """The path, or what standard input is called in messages."""
        return self._lines.name

    @property
    def id_column(self) -> str | None:
        """The column of ids, where one was named."""
        return self._columns.id

    @property
    def bytes_read(self) -> int:
        """How far the reading has come."""
        return self._lines.bytes_read

    def __iter__(self) -> Iterator[SourceRow]:
        return (
            _csv_rows(self._lines, self._columns)
            if self.format == "csv"
            else _json_rows(self._lines, self._columns)
        )


@contextmanager
def open_source(
    path: str,
    *,
    format: Format | None = None,  # noqa: A002  (the name of the option)
    id_column: str | None = None,
    label_column: str | None = None,
) -> Iterator[Source]:
    """Open a file, or standard input for ``-``.

    The format is the one given, else what the file's ending says, else JSON lines where the first byte that is not
    blank is a brace, and CSV otherwise.

    Raises
    ------
    DataError
        A file that is missing, unreadable or empty.
    """
    columns = Columns(id_column, label_column)
    if path == "-":
        yield _source(Lines(sys.stdin.buffer, "standard input"), format, columns, None)
        return
    try:
        file = Path(path).open("rb")  # noqa: SIM115  (closed below; only the opening is explained here)
    except FileNotFoundError as error:
        raise DataError(f"there is no file {path}; check the path") from error
    except IsADirectoryError as error:
        raise DataError(f"{path} is a directory; give the path of a CSV or JSON-lines file") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}); mend it or give another file") from error
    with file:
        size_bytes = file.seek(0, io.SEEK_END) if file.seekable() else None
        if file.seekable():
            file.seek(0)
        yield _source(Lines(file, path), format or ENDINGS.get(Path(path).suffix.lower()), columns, size_bytes)


def _source(lines: Lines, format: Format | None, columns: Columns, size_bytes: int | None) -> Source:  # noqa: A002
    first = lines.peek()
    if not first:
        raise DataError(f"{lines.name} is empty; give a CSV file with a header, or one JSON object a line")
    sniffed: Format = "jsonl" if first.lstrip().startswith("{") else "csv"
    if (format or sniffed) == "csv":
        check_line_ends(lines.name, first)
    return Source(lines, format or sniffed, columns, size_bytes)


def check_line_ends(name: str, first: str) -> None:
    """Raise DataError for the first line of a CSV file that goes on behind a CR, which ends no line here."""
    before, bare, _ = first.rstrip("\r\n").partition("\r")
    if bare and not before.count('"') % 2:
        raise DataError(f"{name} ends its lines with CR alone; save it with LF or CRLF at the end of each line")


def check_columns(name: str, header: list[str]) -> None:
    """Raise DataError for a first line that holds no names of columns: its cells are not told apart, or numbers.

    Columns numbered from 0 are named so, as pandas does where they have no names.
    """
    if len(header) == 1:
        for sign, called in ((";", "semicolons"), ("\t", "tabs")):
            if sign in header[0]:
                raise DataError(f"{name} separates its columns by {called}; separate them by commas")
    cells = [cell.strip() for cell in header if cell.strip()]
    numbered = cells == [str(number) for number in range(len(cells))]
    if cells and not numbered and all_decimal([cell.encode() for cell in cells]):
        raise DataError(
            f"{name} has numbers in its first line; put a header line with the names of the columns there"
        )


def _csv_rows(lines: Lines, columns: Columns) -> Iterator[SourceRow]:
    reader = csv.reader(iter(lines), strict=True)
    try:
        header = next(reader)
        _check_header(lines, header, columns)
        features = [
            (index, name)
            for index, name in enumerate(header)
            if name and name[0] != "_" and name not in {columns.id, columns.label}
        ]
        reserved = (columns.id or "_id", "_ts", columns.label or "_y")
        at_id, at_time, at_label = (header.index(name) if name in header else -1 for name in reserved)
        rows = 0
        for cells in reader:
            if not cells:
                continue
            rows += 1
            if len(cells) > len(header):
                raise DataError(
                    f"{lines.at} has {len(cells)} values for {len(header)} columns; mend or remove the line"
                )
            yield SourceRow(
                lines.number,
                {name: cells[index].encode() for index, name in features if index < len(cells)},
                _cell(cells, at_id),
                _cell(cells, at_time),
                _cell(cells, at_label),
            )
    except csv.Error as error:
        raise DataError(f"{lines.at} is not CSV ({error}); mend the line") from error
    if not rows:
        raise DataError(f"{lines.name} has a header but no rows; add the rows below it")


def _check_header(lines: Lines, header: list[str], columns: Columns) -> None:
    check_columns(lines.name, header)
    repeated = next((name for name in header if name and header.count(name) > 1), None)
    if repeated is not None:
        raise DataError(f"{lines.name}: column {repeated!r} occurs twice; rename or remove one of them")
    for option, name in (("--id", columns.id), ("--label", columns.label)):
        if name is not None and name not in header:
            raise DataError(f"{lines.name} has no column {name!r}; give {option} one of {listed(header)}")


def _cell(cells: list[str], index: int) -> bytes | None:
    """A cell that is no feature; empty means that nothing is known."""
    return cells[index].encode() or None if 0 <= index < len(cells) else None


def _json_rows(lines: Lines, columns: Columns) -> Iterator[SourceRow]:
    id_name, label_name = columns.id or "_id", columns.label or "_y"
    first = True
    for line in lines:
        if not line.strip():
            continue
        values = _json_values(lines, line)
        if first:
            first = False
            _check_first(lines, values, columns)
        known = [values.pop(name, None) for name in (id_name, "_ts", label_name)]
        yield SourceRow(
            lines.number,
            {name: value for name, value in values.items() if name and name[0] != "_"},
            *(value if value not in {b"null", b""} else None for value in known),
        )


def _check_first(lines: Lines, values: dict[str, bytes], columns: Columns) -> None:
    """A name that the first object lacks is mistyped, or a record without it should say null."""
    for option, name in (("--id", columns.id), ("--label", columns.label)):
        if name is not None and name not in values:
            raise DataError(
                f"{lines.at} has no {name!r}; give {option} one of {listed(list(values))}, or write null there"
            )


def _json_values(lines: Lines, line: str) -> dict[str, bytes]:
    """Values as text: numbers as they were written, strings without quotes, anything else as its JSON."""
    try:
        raw = _object.decode(line)
        return {name: _text(bytes(value)) for name, value in raw.items()}
    except (msgspec.MsgspecError, RecursionError) as error:
        values = _lenient_values(line)
        if values is None:
            raise DataError(f"{lines.at} is no JSON object ({error}); write one object a line") from error
        return values


def _text(raw: bytes) -> bytes:
    return msgspec.json.decode(raw, type=str).encode() if raw[:1] == b'"' else raw


def _lenient_values(line: str) -> dict[str, bytes] | None:
    """An object with NaN or Infinity, which many programs write, so that the scorer can reject it by name."""
    try:
        # every number and constant stays text, so nothing is rounded
        values: Any = json.loads(line, parse_float=str, parse_int=str, parse_constant=str)
        if not isinstance(values, dict):
            return None
        return {
            name: (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)).encode()
            for name, value in values.items()
        }
    except (ValueError, RecursionError):
        return None

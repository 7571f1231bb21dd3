"""Lines of text from a binary file: UTF-8 with or without a byte order mark, numbered, of bounded length."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from core.errors import DataError

#: A longer line is no record, and is not read into memory.
MAX_LINE_BYTES = 16 * 1024 * 1024


class Lines:
    """Lines of a binary file with their numbers; the first that is not blank can be looked at beforehand."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self.name = name
        self.number = 0
        self.bytes_read = 0
        self._ahead: str | None = None

    def peek(self) -> str:
        """The first line that is not blank, or an empty text at the end."""
        line = self._read()
        while line and not line.strip():
            line = self._read()
        self._ahead = line
        return line

    def __iter__(self) -> Iterator[str]:
        line = self._read() if self._ahead is None else self._ahead
        while line:
            yield line
            line = self._read()

    def _read(self) -> str:
        try:
            data = self._file.readline(MAX_LINE_BYTES + 1)
        except OSError as error:
            raise DataError(
                f"{self.name} cannot be read ({error.strerror}); mend it or give another file"
            ) from error
        self.number += 1
        self.bytes_read += len(data)
        if len(data) > MAX_LINE_BYTES:
            raise DataError(f"{self.at} is longer than {MAX_LINE_BYTES} bytes; write one record a line")
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            raise DataError(f"{self.at} is not UTF-8 text; save the file in UTF-8") from error
        return text.removeprefix("\ufeff") if self.number == 1 else text

    @property
    def at(self) -> str:
        """The place of the line read last, as a message begins."""
        return f"{self.name}: line {self.number}"

"""A file whose bytes are digested as they are read."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer


class Digest(Protocol):
    """What :mod:`hashlib` makes."""

    def update(self, data: ReadableBuffer, /) -> None:
        """Take in bytes."""

    def hexdigest(self) -> str:
        """Of all that was taken in."""


class DigestedFile(io.RawIOBase):
    """Reads from ``file``, which stays open."""

    def __init__(self, file: io.FileIO, digest: Digest) -> None:
        self._file = file
        self._digest = digest

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int | None:
        """Fill ``buffer``; how many bytes it was, zero at the end."""
        with memoryview(buffer) as view:
            count = self._file.readinto(view)
            self._digest.update(view[:count])
        return count

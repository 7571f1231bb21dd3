"""Files that are either wholly the old or wholly the new content, whenever the writer dies."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import UsageError


@contextmanager
def explained_failure(path: Path) -> Iterator[None]:
    """Turn what the operating system refuses (permissions, a full disk) into one sentence.

    Raises
    ------
    UsageError
        In place of any OSError of the body.
    """
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"cannot write {path} ({error.strerror or error}); "
            "free the disk, mend its permissions, or choose another directory with --miniflow"
        ) from error


def write_atomically(path: Path, data: bytes, *, private: bool = False) -> None:
    """Replace ``path`` by ``data``, making its directory where there is none; ``private``: for its owner alone.

    Steps: write a neighbour under a hidden random name, flush it to the disk, rename it over ``path``, flush the
    directory. A kill before the rename leaves the old content and a hidden file that no reader looks at.

    Raises
    ------
    UsageError
        The directory cannot be written.
    """
    with explained_failure(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        neighbour = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
        try:
            neighbour.touch(mode=0o600 if private else 0o666, exist_ok=False)
            with neighbour.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            neighbour.replace(path)
        except BaseException:
            neighbour.unlink(missing_ok=True)
            raise
        _flush_directory(path.parent)


def append_line(path: Path, data: bytes) -> None:
    """Append whole lines in one write, and flush them to the disk.

    Half a line that a killed writer or a full disk left at the end is closed first, so that it costs only itself.

    Raises
    ------
    UsageError
        The file cannot be written.
    """
    with explained_failure(path), path.open("a+b") as file:
        end = file.seek(0, os.SEEK_END)
        if end and os.pread(file.fileno(), 1, end - 1) != b"\n":
            data = b"\n" + data
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _flush_directory(directory: Path) -> None:
    """Make a rename survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

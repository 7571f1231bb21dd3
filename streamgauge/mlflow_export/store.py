"""MLflow's file store: a directory for each experiment, in it one for each run."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from core.errors import UsageError
from streamgauge.mlflow_export.yaml_text import Value, document, scalar_text, top_level_lines

META = "meta.yaml"
#: Where MLflow keeps what was deleted in its UI.
_TRASH = ".trash"
#: MLflow's own first experiment, which it makes in a store that it begins.
_DEFAULT_ID, _DEFAULT_NAME = "0", "Default"
#: Longer names are folded over two lines by MLflow's YAML writer, and MLflow's own limit is 500.
_EXPERIMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./ -]{0,62}[A-Za-z0-9_]|[A-Za-z0-9_]")


@dataclass(frozen=True)
class Experiment:
    """An experiment of the store, active."""

    directory: Path

    @property
    def experiment_id(self) -> str:
        """Digits."""
        return self.directory.name

    @property
    def name(self) -> str:
        """As MLflow shows it now."""
        return scalar_text(read_meta(self.directory).get("name", ""))


@dataclass(frozen=True)
class MlflowStore:
    """The store below ``root``."""

    root: Path

    def experiment(self, name: str, started_ts_ms: int) -> Experiment:
        """The experiment of that name, made where there is none.

        One that was made here and renamed in MLflow since is still the one. The store is begun where the directory
        is missing or empty.

        Raises
        ------
        UsageError
            A name that MLflow would not keep, a directory that holds something else, an experiment that was
            deleted in MLflow, or files that cannot be written.
        """
        if not _EXPERIMENT.fullmatch(name):
            raise UsageError(
                f"experiment {name[:80]!r} must be 1 to 64 letters, digits, dots, slashes, hyphens, spaces or "
                "underscores, with a letter, digit or underscore at each end"
            )
        with explained(self.root):
            self._begin(started_ts_ms)
            directory = self.root / experiment_id(name)
            for kept in _experiments(self.root / _TRASH):
                if kept.name == directory.name or _name(kept) == name:
                    raise UsageError(
                        f"experiment {name!r} is deleted in {self.root}; restore it with `mlflow experiments "
                        f"restore --experiment-id {kept.name}`, or choose another name with --experiment"
                    )
            named = [found for found in _experiments(self.root) if _name(found) == name]
            if named:
                return Experiment(named[0])
            if not (directory / META).is_file():
                self._make(directory, name, started_ts_ms)
            return Experiment(directory)

    def _begin(self, started_ts_ms: int) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        if any(_experiments(self.root)) or (self.root / _TRASH).is_dir():
            return
        if any(not path.name.startswith(".") for path in self.root.iterdir()):
            raise UsageError(
                f"{self.root} holds files and no MLflow experiment; name an empty directory, a new one, or a store"
            )
        self._make(self.root / _DEFAULT_ID, _DEFAULT_NAME, started_ts_ms)

    def _make(self, directory: Path, name: str, started_ts_ms: int) -> None:
        directory.mkdir(exist_ok=True)
        values: dict[str, Value] = {
            "artifact_location": directory.resolve().as_uri(),
            "creation_time": started_ts_ms,
            "experiment_id": directory.name,
            "last_update_time": started_ts_ms,
            "lifecycle_stage": "active",
            "name": name,
        }
        put_text(directory / META, document(values), directory)


def experiment_id(name: str) -> str:
    """18 digits, as MLflow's own ids: the same for the same name, so that two exports at once agree."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) % 900_000_000_000_000_000
    return str(100_000_000_000_000_000 + number)


def read_meta(directory: Path) -> dict[str, str]:
    """The lines of a ``meta.yaml`` by name, each value as it is written; empty where there is none."""
    try:
        return top_level_lines((directory / META).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        return {}


def put_text(path: Path, text: str, scratch: Path) -> bool:
    """Make ``path`` hold ``text``; whether it did not yet. See :func:`put`."""
    return put(path, text.encode(), scratch)


def put(path: Path, data: bytes, scratch: Path) -> bool:
    """Make ``path`` hold ``data``, whole or not at all; whether it did not yet.

    MLflow takes every file below a run's ``params``, ``metrics`` and ``tags`` for one of them, also what a kill
    leaves behind. So the new file is written in ``scratch``, where MLflow looks for no files. It is not flushed to
    the disk: an export can be made again.
    """
    try:
        if path.read_bytes() == data:
            return False
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
    neighbour = scratch / f".new.{secrets.token_hex(6)}"
    try:
        neighbour.write_bytes(data)
        neighbour.replace(path)
    except BaseException:
        neighbour.unlink(missing_ok=True)
        raise
    return True


@contextmanager
def explained(root: Path) -> Iterator[None]:
    """Turn what the operating system refuses into one sentence. Raises UsageError in place of any OSError."""
    try:
        yield
    except OSError as error:
        what = error.filename or root
        raise UsageError(
            f"cannot write {what} ({error.strerror or error}); free the disk, mend its permissions, or name "
            "another directory"
        ) from error


def _experiments(directory: Path) -> Iterator[Path]:
    if directory.is_dir():
        yield from (path for path in sorted(directory.iterdir()) if (path / META).is_file())


def _name(directory: Path) -> str:
    return Experiment(directory).name

"""The registry as one file, ``<root>/registry.json``: all that the small system needs, a copy where Redis runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from core.atomic_file import append_line, explained_failure, write_atomically
from core.errors import RegistryError, Superseded, UsageError
from core.file_lock import locked
from core.miniflow import RUN_ID, MiniFlow, checked_run_id, wall_clock_ms
from core.model_file import ModelFile
from core.registry import Production, Registry


class Entry(msgspec.Struct, frozen=True):
    """One experiment in ``registry.json``; there the run id is called ``production``."""

    production: str
    previous: str | None
    epoch: int
    updated_ts_ms: int

    def __post_init__(self) -> None:
        if not RUN_ID.fullmatch(self.production) or self.epoch < 1:
            raise ValueError("a production run needs an id of 12 hex digits and an epoch from 1")


class Promotion(msgspec.Struct, frozen=True):
    """One line of ``promotions.jsonl``: the file's counterpart of the promotions stream."""

    experiment: str
    run_id: str
    previous: str | None
    epoch: int
    ts_ms: int
    reason: str
    decision: msgspec.Raw = msgspec.Raw(b"null")  #: as in Redis; null: there is none


@dataclass(frozen=True)
class FileRegistry:
    """Which run of ``experiment`` is in production, kept beside the runs of ``root``.

    Processes on one machine exclude each other by a lock on ``registry.lock``; readers need no lock, because the
    file is replaced whole.
    """

    root: Path
    experiment: str

    @property
    def path(self) -> Path:
        """The file."""
        return self.root / "registry.json"

    @property
    def _miniflow(self) -> MiniFlow:
        return MiniFlow(self.root, self.experiment)

    def production(self) -> Production | None:
        """The pointer, or None where nothing has been promoted. Raises RegistryError for a damaged file."""
        entry = self._entries().get(self.experiment)
        if entry is None:
            return None
        return Production(entry.production, entry.previous, entry.epoch, entry.updated_ts_ms)

    def model(self, run_id: str) -> ModelFile:
        """The model file of a run, digest checked. Raises UnknownRun, ModelFileError."""
        return self._miniflow.model(run_id)

    def promote(
        self, run_id: str, model: ModelFile, expected_epoch: int, reason: str, decision: bytes = b""
    ) -> Production:
        """Make a run production if the epoch is still ``expected_epoch`` (0: none yet).

        Steps: check that the run's own model is ``model``; under the lock, compare the epoch, note the change in
        ``promotions.jsonl``, replace the file. Where the disk refuses one of them, neither stands. A kill between
        them leaves a note of what did not happen: of two notes of one epoch the later counts, and the last only if
        the file agrees. A run promoted over itself keeps its ``previous``: a rollback still leads away.

        Raises
        ------
        UnknownRun, ModelFileError
            The run has no readable model here.
        RegistryError
            ``model`` is not the run's model, or the file is damaged.
        Superseded
            Production changed since the caller looked; nothing was changed.
        """
        if self._miniflow.model(run_id).sha256 != model.sha256:
            raise RegistryError(f"run {run_id} holds another model than the one to promote; log the run again")
        with self._locked():
            entries = self._entries()
            current = entries.get(self.experiment)
            epoch = current.epoch if current else 0
            if epoch != expected_epoch:
                raise Superseded(
                    f"production changed meanwhile (epoch {epoch}, not {expected_epoch}); look again and decide"
                )
            previous = current.production if current else None
            if current and current.production == run_id:
                previous = current.previous
            production = Production(run_id, previous, epoch + 1, wall_clock_ms())
            with self._noted(production, reason, decision):
                self._write(entries, production)
        return production

    def history(self, count: int) -> list[Promotion]:
        """The newest ``count`` promotions of the experiment, newest first; of an epoch the one that counts.

        Raises
        ------
        RegistryError
            The file of notes cannot be read.
        """
        path = self.root / "promotions.jsonl"
        try:
            lines = path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise RegistryError(f"{path} cannot be read ({error.strerror}); mend its permissions") from error
        production = self.production()
        notes: dict[int, Promotion] = {}
        for line in lines:
            with suppress(msgspec.MsgspecError):  # half a line, which a kill left
                note = msgspec.json.decode(line, type=Promotion)
                if note.experiment == self.experiment and production and note.epoch <= production.epoch:
                    notes[note.epoch] = note
        return [notes[epoch] for epoch in sorted(notes, reverse=True)[:count]]

    def mirror(self, production: Production) -> None:
        """Copy the pointer of the authoritative registry, whatever stands here; its model may live elsewhere.

        Raises
        ------
        UnknownRun
            A run id that is not 12 hex digits.
        """
        checked_run_id(production.run_id)
        with self._locked():
            self._copy(production)

    def follow(self, authority: Registry) -> None:
        """Copy the pointer of the authoritative registry as it stands now.

        It is read under the lock: of two that promoted and copy at once, the later one to write has read later.

        Raises
        ------
        UsageError
            The file cannot be written.
        """
        with self._locked():
            production = authority.production()
            if production is not None:
                self._copy(production)

    def _copy(self, production: Production) -> None:
        try:
            entries = self._entries()
        except RegistryError:
            entries = {}  # the copy must not be what stops the pipeline: the authority repairs it
        self._write(entries, production)

    def _entries(self) -> dict[str, Entry]:
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise RegistryError(
                f"{self.path} cannot be read ({error.strerror}); mend its permissions or choose another --miniflow"
            ) from error
        try:
            entries = msgspec.json.decode(data, type=dict[str, Entry])
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise RegistryError(f"{self.path} is damaged ({error}); delete it and promote a run again") from error
        return entries

    def _write(self, entries: dict[str, Entry], ours: Production) -> None:
        for left in self.root.glob(f".{self.path.name}.*"):  # by a kill: who holds the lock is alone
            left.unlink(missing_ok=True)
        entry = Entry(ours.run_id, ours.previous, ours.epoch, ours.updated_ts_ms)
        data = msgspec.json.encode(entries | {self.experiment: entry})
        write_atomically(self.path, msgspec.json.format(data, indent=2) + b"\n")

    @contextmanager
    def _noted(self, production: Production, reason: str, decision: bytes) -> Iterator[None]:
        """Note a promotion; where the disk refuses that or the body, the note is taken back."""
        note = Promotion(
            self.experiment,
            production.run_id,
            production.previous,
            production.epoch,
            production.updated_ts_ms,
            reason,
            msgspec.Raw(decision or b"null"),
        )
        path = self.root / "promotions.jsonl"
        before = path.stat().st_size if path.exists() else 0
        try:
            append_line(path, msgspec.json.encode(note) + b"\n")
            yield
        except UsageError:
            if self.production() != production:
                with suppress(OSError):
                    os.truncate(path, before)
            raise

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time, of all that promote here."""
        with explained_failure(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
        with locked(self.root / "registry.lock"):
            yield

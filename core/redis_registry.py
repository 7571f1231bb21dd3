"""The registry in Redis: authoritative where a pipeline runs."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from core.connection import Connection
from core.entry import Entry, entries_of, field_map
from core.errors import ModelFileError, RegistryError, UnknownRun
from core.keys import PipelineKeys
from core.model_file import MAX_BYTES, ModelFile, read_model_file
from core.registry import Production
from core.retention import MODELS
from core.scripts.promote import AnsweredEvent, promote
from core.scripts.prune_models import prune_models


class Promotion(msgspec.Struct, frozen=True):
    """One entry of the promotions stream."""

    entry_id: str
    run_id: str
    previous: str | None
    epoch: int
    reason: str
    ts_ms: int
    decision: bytes = b""  #: JSON as the trainer recorded it; see :mod:`core.own_figures` where a person decided


@dataclass(frozen=True)
class RedisRegistry:
    """Which run is in production in one pipeline, and the model files of the newest runs."""

    connection: Connection
    keys: PipelineKeys

    def production(self) -> Production | None:
        """The pointer, or None where nothing has been promoted. Raises RegistryError for a damaged hash."""
        fields = field_map(self.connection.call("HGETALL", self.keys.production))
        if not fields:
            return None
        try:
            return Production(
                fields[b"run_id"].decode(),
                fields[b"previous"].decode() or None,
                int(fields[b"epoch"]),
                int(fields[b"updated_ts_ms"]),
            )
        except (KeyError, ValueError) as error:
            raise RegistryError(
                f"{self.keys.production} is damaged ({error}); delete the key and promote a run again"
            ) from error

    def model(self, run_id: str) -> ModelFile:
        """The model file of a run, digest checked. Raises UnknownRun, ModelFileError."""
        size_bytes = self.connection.call("HSTRLEN", self.keys.models, run_id)
        if size_bytes > MAX_BYTES:  # not even read: the services have little memory
            raise ModelFileError(
                f"the model of run {run_id!r} has {size_bytes} bytes; at most {MAX_BYTES} are accepted, promote "
                "another run"
            )
        data, digest = self.connection.call("HMGET", self.keys.models, run_id, f"{run_id}:sha256")
        if data is None:
            raise UnknownRun(
                f"run {run_id!r} has no model in pipeline {self.keys.pipeline!r}; promote it there first"
            )
        if digest is None:
            raise ModelFileError(f"the model of run {run_id!r} has no SHA-256 beside it; promote the run again")
        return read_model_file(data, digest.decode(errors="replace"))

    def promote(
        self,
        run_id: str,
        model: ModelFile,
        expected_epoch: int,
        reason: str,
        decision: bytes = b"",
        event: AnsweredEvent | None = None,
    ) -> Production:
        """Make a run production if the epoch is still ``expected_epoch`` (0: none yet).

        One step on the server stores the model, moves the pointer, tells the promotions stream (with the
        ``decision``, where there is one) and acknowledges the retrain ``event`` that led here, where one did.
        Raises Superseded, changing nothing, also where another trainer has answered that event.
        """
        return promote(self.connection, self.keys, run_id, model, expected_epoch, reason, event, decision)

    def history(self, count: int) -> list[Promotion]:
        """The newest ``count`` promotions, newest first. Raises RegistryError for an entry that is none."""
        reply = self.connection.call("XREVRANGE", self.keys.promotions, "+", "-", "COUNT", count)
        return [self._promotion(entry) for entry in entries_of(reply)]

    def prune(self, keep: int = MODELS) -> int:
        """Delete model files but production's, previous' and the newest ``keep`` promotions'; returns how many."""
        return prune_models(self.connection, self.keys, keep)

    def _promotion(self, entry: Entry) -> Promotion:
        fields = field_map(entry.fields)
        try:
            return Promotion(
                entry.id.decode(),
                fields[b"run_id"].decode(),
                fields[b"previous"].decode() or None,
                int(fields[b"epoch"]),
                fields[b"reason"].decode(),
                int(fields[b"ts"]),
                fields.get(b"decision", b""),
            )
        except (KeyError, ValueError) as error:
            raise RegistryError(
                f"entry {entry.id.decode()} of {self.keys.promotions} is no promotion ({error}); delete it"
            ) from error

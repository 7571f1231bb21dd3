"""Candidates that are scored beside production: since when, the tests made of them, and their models.

The registry of production would prune such models.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.connection import Connection
from core.errors import ModelFileError, UnknownRun
from core.keys import PipelineKeys
from core.miniflow import RUN_ID
from core.model_file import MAX_BYTES, ModelFile, read_model_file

_DIGEST, _SINCE = ":sha256", ":since_ms"


@dataclass(frozen=True)
class ShadowRegistry:
    """The shadows of one pipeline, in Redis."""

    connection: Connection
    keys: PipelineKeys

    def begin(self, run_id: str, model: ModelFile) -> int:
        """Let scorers shadow with a run; since when (ms by the server), which stays for a known one."""
        shadows, call = self.keys.shadows, self.connection.call
        call("HSET", shadows, run_id, model.encoded, f"{run_id}{_DIGEST}", model.sha256)
        call("HSETNX", shadows, f"{run_id}{_SINCE}", self.connection.now_ms(shadows))
        return self.since_ms(run_id)

    def end(self, run_id: str) -> bool:
        """Forget a shadow; whether there was one."""
        tests = (_test(run_id, number) for number in range(1, len(self.tests(run_id)) + 1))
        fields = (run_id, f"{run_id}{_DIGEST}", f"{run_id}{_SINCE}", *tests)
        return bool(self.connection.call("HDEL", self.keys.shadows, *fields))

    def tests(self, run_id: str) -> list[bytes]:
        """The tests that were made of it, in order, as :meth:`add_test` was given them."""
        found: list[bytes] = []
        while True:
            data = self.connection.call("HGET", self.keys.shadows, _test(run_id, len(found) + 1))
            if data is None:
                return found
            found.append(bytes(data))

    def add_test(self, run_id: str, number: int, data: bytes) -> bool:
        """Keep a test as the one of that number, from 1; False where there is one already, which stays."""
        return bool(self.connection.call("HSETNX", self.keys.shadows, _test(run_id, number), data))

    def run_ids(self) -> list[str]:
        """The runs that are shadows, in order."""
        names = [name.decode(errors="replace") for name in self.connection.call("HKEYS", self.keys.shadows)]
        return sorted(name for name in names if RUN_ID.fullmatch(name))

    def since_ms(self, run_id: str) -> int:
        """When a shadow began (ms, the server's clock). Raises UnknownRun where the run is no shadow."""
        text = self.connection.call("HGET", self.keys.shadows, f"{run_id}{_SINCE}")
        if text is None or not text.isdigit():
            raise self._unknown(run_id)
        return int(text)

    def model(self, run_id: str) -> ModelFile:
        """Its model, digest checked. Raises UnknownRun, ModelFileError."""
        size_bytes = self.connection.call("HSTRLEN", self.keys.shadows, run_id)
        if size_bytes > MAX_BYTES:  # not even read: the services have little memory
            raise ModelFileError(
                f"the model of shadow {run_id} has {size_bytes} bytes; at most {MAX_BYTES} are accepted, end it"
            )
        data, digest = self.connection.call("HMGET", self.keys.shadows, run_id, f"{run_id}{_DIGEST}")
        if data is None:
            raise self._unknown(run_id)
        if digest is None:
            raise ModelFileError(f"the model of shadow {run_id} has no SHA-256 beside it; begin the shadow again")
        return read_model_file(data, digest.decode(errors="replace"))

    def _unknown(self, run_id: str) -> UnknownRun:
        return UnknownRun(
            f"run {run_id} is no shadow in pipeline {self.keys.pipeline!r}; begin it with "
            f"`streamgauge shadow {run_id}`"
        )


def _test(run_id: str, number: int) -> str:
    return f"{run_id}:test:{number}"

"""Which run is in production: one interface, with a file and a Redis backend."""

from __future__ import annotations

from typing import Protocol

import msgspec

from core.model_file import ModelFile


class Production(msgspec.Struct, frozen=True):
    """The production pointer; ``epoch`` counts its changes and is what promotions compare."""

    run_id: str
    previous: str | None
    epoch: int
    updated_ts_ms: int


class Registry(Protocol):
    """The two backends do the same; the file serves one machine, Redis a pipeline."""

    def production(self) -> Production | None:
        """The pointer, or None where nothing has been promoted."""

    def model(self, run_id: str) -> ModelFile:
        """The model file of a run, digest checked. Raises UnknownRun, ModelFileError."""

    def promote(
        self, run_id: str, model: ModelFile, expected_epoch: int, reason: str, decision: bytes = b""
    ) -> Production:
        """Make a run production if the epoch is still ``expected_epoch`` (0: none yet). Raises Superseded.

        ``reason`` is a sentence or a word, ``decision`` the record of the decision that led here, as JSON; where
        a person decided the model's own figures alone, or empty.
        """

"""A worker that a test turns by hand, so that it can be stopped between any two of its steps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from core.connection import Connection
from core.keys import PartitionKeys, PipelineKeys
from core.log import logger
from core.model_file import ModelFile
from core.record_encoder import encode_block
from core.settings import Settings
from core.telemetry import Telemetry
from scorer.lane import Lane
from scorer.model_watcher import ProductionModel
from scorer.worker import Worker
from tests.scorer.conftest import FIRST_RUN
from tests.scorer.streams import Streams

#: Long enough that nobody takes anything over while a test runs.
NEVER_MS = 600_000


class TurnedWorker:
    """A joined worker with a model."""

    def __init__(
        self,
        connection: Connection,
        keys: PipelineKeys,
        model_file: ModelFile,
        consumer: str = "w",
        partitions: tuple[PartitionKeys, ...] | None = None,
        **changes: int,
    ) -> None:
        settings = Settings(**({"pipeline": keys.pipeline, "takeover_idle_ms": NEVER_MS} | changes))  # type: ignore[arg-type]  # one field is text
        self.telemetry = Telemetry(keys.pipeline)
        self._pipeline = keys.pipeline
        self.while_scoring: Callable[[], None] = lambda: None
        self._model = ProductionModel(FIRST_RUN, 1, 0, model_file)
        self.worker = Worker(
            connection,
            partitions or (keys.partition(0),),
            consumer,
            settings,
            self.telemetry,
            logger("scorer", keys.pipeline),
        )
        self.worker.join()

    def close(self) -> None:
        for lane in self.worker._lanes:
            lane.close()

    @property
    def lane(self) -> Lane:
        """The first lane."""
        return self.worker._lanes[0]

    def turn(self, times: int = 1, block_ms: int = 1) -> None:
        for _ in range(times):
            self.worker.work(self._current, block_ms)

    def _current(self) -> ProductionModel:
        """Asked for before each batch is scored."""
        self.while_scoring()
        return self._model

    def scored(self) -> float:
        """Records that it says it scored."""
        labels = {"pipeline": self._pipeline, "model": FIRST_RUN}
        return self.telemetry.registry.get_sample_value("streamgauge_records_scored_total", labels) or 0.0


def add_blocks(streams: Streams, model_file: ModelFile, count: int, rows: int = 4, seed: int = 0) -> list[bytes]:
    """Blocks in the records stream; their ids."""
    generator = np.random.default_rng(seed)
    model = model_file.model
    commands: list[list[str | bytes | int | float]] = [
        [
            "XADD",
            streams.partition.records,
            "*",
            *encode_block(generator.normal(size=(rows, model.schema.width)), model.schema),
        ]
        for _ in range(count)
    ]
    return list(streams.connection.pipeline(commands))


def answered(streams: Streams) -> list[bytes]:
    """The record of each prediction, in the order of publication."""
    return [prediction.record for prediction in streams.predictions()]

"""A pipeline with a model in production and rejected records; commands run in this process."""

from __future__ import annotations

import contextlib
import json
from typing import Any, NamedTuple

import numpy as np
from redis.exceptions import ResponseError
from typer.testing import CliRunner

from core.connection import Connection
from core.entry import Entry, entries_of, field_map
from core.keys import SCORERS, PipelineKeys
from core.model import LogisticModel
from core.pipeline_config import agree
from core.record_decoder import RecordDecoder
from core.redis_registry import RedisRegistry
from core.rejection import Rejection, decode_rejection
from core.schema import Schema
from core.scoring import score_batch
from core.settings import Settings
from streamgauge.app import app
from tests.drift_references import quick_model_file

FEATURES = ("Area", "Extent")
RUN = "0123456789ab"


class Said(NamedTuple):
    """What a command said."""

    status: int
    out: str
    err: str
    error: BaseException | None

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Stage:
    """One pipeline."""

    def __init__(self, connection: Connection, keys: PipelineKeys, partitions: int = 1) -> None:
        self.connection = connection
        self.keys = keys
        self.settings = Settings(pipeline=keys.pipeline, partitions=partitions)
        self.partitions = agree(connection, self.settings).partitions
        self.registry = RedisRegistry(connection, keys)

    def promote(self, features: tuple[str, ...] = FEATURES, run_id: str = RUN) -> Schema:
        """Put a model of these features into production."""
        model = LogisticModel(
            Schema(features, ("no", "yes")),
            np.ones(len(features)),
            0.5,
            np.zeros(len(features)),
            np.full(len(features), 1e-3),  # so that 1e308 overflows
        )
        production = self.registry.production()
        epoch = 0 if production is None else production.epoch
        rows = np.random.default_rng(1).normal(size=(20, len(features)))
        self.registry.promote(run_id, quick_model_file(model, rows, 1), epoch, "first")
        return model.schema

    def add(self, *fields: str | bytes | int, partition: int = 0) -> bytes:
        return bytes(self.connection.call("XADD", self.partitions[partition].records, "*", *fields))

    def rejected(self, *fields: str | bytes | int, partition: int = 0, reason: str | None = None) -> bytes:
        """Write a record and do with it what a scorer does; the record's entry id."""
        with contextlib.suppress(ResponseError):  # the group is there
            self.group(SCORERS, partition)
        record = self.add(*fields, partition=partition)
        self.read(SCORERS, partition=partition)
        self.connection.call("XACK", self.partitions[partition].records, SCORERS, record)
        rejections = [found for found in self.judge(record, partition) if reason in {None, found.reason}]
        assert rejections, "production takes this record"
        for rejection in rejections:
            self.reject(rejection, partition)
        return record

    def judge(self, record: bytes, partition: int = 0) -> list[Rejection]:
        production = self.registry.production()
        assert production is not None
        model = self.registry.model(production.run_id).model
        (entry,) = [entry for entry in self.records(partition) if entry.id == record]
        batch = RecordDecoder(model.schema, self.settings.max_entry_bytes).decode([entry])
        return score_batch(model, batch).batch.rejections

    def reject(self, rejection: Rejection, partition: int = 0) -> bytes:
        stream = self.partitions[partition].rejected
        return bytes(self.connection.call("XADD", stream, "*", *rejection.encode(), "ts", "1"))

    def records(self, partition: int = 0) -> list[Entry]:
        return self.entries(self.partitions[partition].records)

    def newest(self, partition: int = 0) -> dict[bytes, bytes]:
        return field_map(self.records(partition)[-1].fields)

    def rejections(self, partition: int = 0) -> list[Rejection]:
        return [decode_rejection(entry) for entry in self.entries(self.partitions[partition].rejected)]

    def entries(self, stream: str) -> list[Entry]:
        return entries_of(self.connection.call("XRANGE", stream, "-", "+"))

    def group(self, name: str = SCORERS, partition: int = 0, at: str = "0") -> None:
        self.connection.call("XGROUP", "CREATE", self.partitions[partition].records, name, at, "MKSTREAM")

    def read(self, name: str = SCORERS, count: int = 100, consumer: str = "c", partition: int = 0) -> None:
        """Take entries and acknowledge none."""
        stream = self.partitions[partition].records
        self.connection.call("XREADGROUP", "GROUP", name, consumer, "COUNT", count, "STREAMS", stream, ">")

    @staticmethod
    def run_as_given(*arguments: str, stdin: str | bytes = b"") -> Said:
        """Run a command."""
        result = CliRunner(env={"COLUMNS": "200", "TERM": "dumb"}).invoke(app, arguments, input=stdin)
        error = None if isinstance(result.exception, SystemExit) else result.exception
        return Said(result.exit_code, result.stdout, result.stderr, error)

    def run(self, *arguments: str, stdin: str | bytes = b"") -> Said:
        """Run a command on this pipeline."""
        place = ("--redis-url", self.connection.url, "--pipeline", self.keys.pipeline)
        return self.run_as_given(*arguments, *place, stdin=stdin)

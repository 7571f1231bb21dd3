"""The shadow: scores what production scores with a candidate, in a group and streams of its own.

It follows production's records from the newest one on, and nothing waits for it: what is trimmed before it came
that far is missed, and counted. It writes to its own streams and nowhere else.
"""

from __future__ import annotations

import time
from pathlib import Path

from core.connection import Connection
from core.errors import GroupMissing, ServerUnavailable, StreamError, StreamgaugeError
from core.group_reader import consumer_name
from core.keys import PartitionKeys, ShadowKeys, shadow_group
from core.pipeline_config import PipelineConfig, look_up
from core.redis_registry import RedisRegistry
from core.scripts.script import Script
from core.scripts.trim import trim
from core.service import Service
from core.settings import Settings
from core.shadow_progress import ShadowProgress, shadow_progress
from core.shadow_registry import ShadowRegistry
from scorer.model_watcher import ProductionModel
from scorer.worker import Worker

#: Port where http_port is unset: the scorer's, as each runs in a container of its own.
DEFAULT_HTTP_PORT = 8000
#: Longest wait for a record in one step; short, so that a stop is prompt.
BLOCK_MS = 500
#: What a shadow that ended has written is kept for at least so long: somebody may want to look at it.
ENDED_KEEP_MS = 24 * 3_600_000

_join = Script("join_shadow", Path(__file__).parent)
_leave = Script("leave_shadow", Path(__file__).parent)


class ShadowWorker(Worker):
    """A worker whose group begins with the newest record, and goes with its last consumer."""

    kept_ms = ENDED_KEEP_MS  #: what it wrote stays so long when nobody refreshes it

    def _join_group(self, partition: PartitionKeys) -> None:
        if not isinstance(partition, ShadowKeys):
            raise TypeError(f"{partition} are not the keys of a shadow")
        keys = (partition.records, partition.start, partition.predictions, partition.rejected)
        if _join.run(self._connection, keys, (self._group, self.kept_ms)):
            self._log.info("group created", group=self._group, stream=partition.records)

    def _leave_group(self, partition: PartitionKeys) -> None:
        if isinstance(partition, ShadowKeys):
            keys = (partition.records, partition.start)
            _leave.run(self._connection, keys, (self._group, self._consumer))


class ShadowScorer(Service):
    """A scorer beside production.

    It rests, its group gone, while there is nothing to shadow: the run is no shadow (any more), is in production
    itself, or is of another schema than production.
    """

    name = "shadow"
    metrics_prefix = "streamgauge_shadow"

    def __init__(self, settings: Settings, run_id: str) -> None:
        url = settings.required_redis_url("shadow")
        self._connection, self._probe = Connection(url), Connection(url)
        self._run_id = run_id
        self._registry = RedisRegistry(self._connection, settings.keys)
        self._shadows = ShadowRegistry(self._connection, settings.keys)
        self._config: PipelineConfig | None = None
        self._model: ProductionModel | None = None
        self._worker: Worker | None = None
        self._resting: str | None = "Redis has not answered yet"
        self._production: str | None = None
        self._missed_entries = 0  #: as last said
        self._next_look_s = 0.0
        super().__init__(settings, DEFAULT_HTTP_PORT)

    def start(self) -> None:
        """Look what the pipeline agreed on, and whether there is something to shadow.

        Raises
        ------
        StreamError
            No service of the pipeline has started yet.
        """
        self._config = look_up(self._connection, self.settings)
        if self._config is None:
            raise StreamError(f"nothing has started in pipeline {self.settings.pipeline!r} yet; start its scorers")
        self._look(self._config)

    def step(self) -> None:
        """Answer the next entries; look after what was written, and after production, now and then."""
        if self._config is None:
            raise StreamError("the shadow has not started")
        if self._worker is None or self._model is None:
            self.stopping.wait(BLOCK_MS / 1000)
        else:
            model = self._model
            try:
                self._worker.work(lambda: model, BLOCK_MS)
            except GroupMissing as error:
                self.log.warning("group lost", error=str(error))
                self._next_look_s = 0.0
                self._look(self._config)
                if self._worker is not None:
                    self._worker.join()
        if time.monotonic() >= self._next_look_s:
            self._look(self._config)
            self._next_look_s = time.monotonic() + self.settings.trim_every_ms / 1000

    def not_ready(self) -> str | None:
        """While it rests, or without Redis."""
        if self._resting is not None:
            return self._resting
        try:
            self._probe.require()
        except ServerUnavailable as error:
            return str(error)
        return None

    def close(self) -> None:
        """Commit what is open, leave the group, close the connections."""
        try:
            self._rest("the shadow ends")
        finally:
            self._connection.close()
            self._probe.close()

    def _look(self, config: PipelineConfig) -> None:
        """Work or rest, as it is now; trim what was written, and let it go some time after the shadow's end."""
        obstacle = self._obstacle()
        if obstacle is not None:
            self._rest(obstacle)
        elif self._worker is None:
            self._work(config)
        if self._worker is None:
            return
        partitions = _of_shadow(config, self._run_id)
        for partition in partitions:
            for stream in (partition.predictions, partition.rejected):
                trim(self._connection, stream, config.records_keep_ms, config.records_keep_bytes)
            for key in (partition.predictions, partition.rejected, partition.start):
                self._connection.call("PEXPIRE", key, _kept_ms(config))
        self._tell(shadow_progress(self._connection, partitions, self._run_id))

    def _obstacle(self) -> str | None:
        """Why there is nothing to shadow; None where there is."""
        production = self._registry.production()
        if production is None:
            return "there is no model in production yet to shadow; run streamgauge fit"
        if production.run_id == self._run_id:
            self._production = None
            return f"run {self._run_id} is in production itself"
        try:
            if self._model is None:
                file = self._shadows.model(self._run_id)
                self._model = ProductionModel(self._run_id, 0, self._shadows.since_ms(self._run_id), file)
            self._shadows.since_ms(self._run_id)
            if self._production != production.run_id:
                other = self._registry.model(production.run_id).model.schema
                if other != self._model.file.model.schema:
                    return (
                        f"run {self._run_id} is of another schema than production {production.run_id}, so there "
                        "is nothing to compare; shadow a run of its schema"
                    )
                self._production = production.run_id
        except StreamgaugeError as error:
            self._model = self._production = None
            return str(error)
        return None

    def _work(self, config: PipelineConfig) -> None:
        worker = ShadowWorker(
            self._connection,
            _of_shadow(config, self._run_id),
            consumer_name(),
            self.settings,
            self.telemetry,
            self.log,
            shadow_group(self._run_id),
            self.tracer,
        )
        worker.kept_ms = _kept_ms(config)
        worker.join()
        self._worker, self._resting = worker, None
        self.log.info("shadowing", model=self._run_id, production=self._production)

    def _rest(self, why: str) -> None:
        before, self._resting = self._resting, why
        worker, self._worker = self._worker, None
        try:
            if worker is not None:
                worker.leave()
        finally:
            if why != before:
                self.log.info("resting", reason=why)

    def _tell(self, progress: ShadowProgress) -> None:
        """Say once that records were missed, and how many by now."""
        missed = progress.missed_entries
        if missed is not None and missed > self._missed_entries:
            self.log.warning("records missed, they were trimmed before the shadow came to them", entries=missed)
            self._missed_entries = missed


def _of_shadow(config: PipelineConfig, run_id: str) -> tuple[ShadowKeys, ...]:
    return tuple(partition.shadow(run_id) for partition in config.partitions)


def _kept_ms(config: PipelineConfig) -> int:
    return max(config.records_keep_ms, ENDED_KEEP_MS)

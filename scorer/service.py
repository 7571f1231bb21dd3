"""The scorer: workers share the records stream; each also answers POST /predict.

With no ``redis_url`` it serves HTTP alone, from the MiniFlow directory.
"""

from __future__ import annotations

import time
from pathlib import Path

from core.connection import Connection
from core.errors import GroupMissing, ServerUnavailable
from core.file_registry import FileRegistry
from core.group_reader import consumer_name
from core.http import Routes
from core.keys import SCORERS
from core.pipeline_config import PipelineConfig, agree, with_agreed
from core.redis_registry import RedisRegistry
from core.required_groups import required_groups
from core.retention import REJECTED
from core.scripts.trim import trim, trim_results
from core.service import Service
from core.settings import Settings
from scorer.model_watcher import LOOK_EVERY_S, ModelWatcher, ProductionModel, PromotionsWait
from scorer.predict_api import predict_handler
from scorer.worker import Worker

#: Port where http_port is unset.
DEFAULT_HTTP_PORT = 8000
#: Longest wait for a record in one step; short, so that a stop is prompt.
BLOCK_MS = 500


class StreamScorer(Service):
    """A scorer on a pipeline's streams."""

    name = "scorer"

    def __init__(self, settings: Settings) -> None:
        url = settings.required_redis_url("scorer of a stream")
        self._connection, self._watch_connection = Connection(url), Connection(url)
        keys = settings.keys
        self._worker: Worker | None = None
        self._config: PipelineConfig
        self._next_trim_s = 0.0
        super().__init__(settings, DEFAULT_HTTP_PORT)
        self._watcher = ModelWatcher(
            RedisRegistry(self._watch_connection, keys),
            PromotionsWait(self._watch_connection, keys.promotions),
            self._model_arrived,
            self.log,
        )
        self._watcher_started = False

    def routes(self) -> Routes:
        """The prediction API."""
        return {
            ("POST", "/predict"): predict_handler(lambda: self._watcher.current, lambda: self._watcher.obstacle)
        }

    def start(self) -> None:
        """Agree on the pipeline's set-up, join the group, watch production."""
        self._config = agree(self._connection, self.settings)
        consumer = consumer_name()
        worker = Worker(
            self._connection,
            self._config.partitions,
            consumer,
            self.settings,
            self.telemetry,
            self.log,
            tracer=self.tracer,
        )
        worker.join()
        self._worker = worker
        if not self._watcher_started:
            self._watcher.start()
            self._watcher_started = True

    def step(self) -> None:
        """Answer the next entries; with no model, read nothing."""
        model = self._watcher.current
        if model is None or self._worker is None:
            self._watcher.arrived.wait(BLOCK_MS / 1000)
            return
        try:
            self._worker.work(lambda: self._watcher.current or model, BLOCK_MS)
        except GroupMissing as error:
            self._start_again(self._worker, error)
        if time.monotonic() >= self._next_trim_s:
            self._trim()
            self._next_trim_s = time.monotonic() + self.settings.trim_every_ms / 1000

    def not_ready(self) -> str | None:
        """Without a model, or without Redis."""
        if self._worker is None:
            return "Redis has not answered yet"
        if self._watcher.current is None:
            return self._watcher.obstacle or "there is no model in production yet; run streamgauge fit"
        try:
            self._watch_connection.require()
        except ServerUnavailable as error:
            return str(error)
        return None

    def close(self) -> None:
        """Commit what is open, leave the group, close the connections."""
        try:
            if self._worker is not None:
                self._worker.leave()
        finally:
            if self._watcher_started:
                self._watcher.stop()
            self._connection.close()
            self._watch_connection.close()

    def _model_arrived(self, model: ProductionModel) -> None:
        self.telemetry.set_production(model.run_id, model.updated_ts_ms)
        self.log.info("model in use", model=model.run_id, epoch=model.epoch)

    def _start_again(self, worker: Worker, error: GroupMissing) -> None:
        """The group is gone, perhaps with all the server held: write down again what was agreed, and join."""
        self.log.warning("group lost", error=str(error))
        known = self._config
        self._config = agree(self._connection, with_agreed(self.settings, known), known.required_groups)
        worker.join()

    def _trim(self) -> None:
        keep = (self._config.records_keep_ms, self._config.records_keep_bytes)
        required = required_groups(self._connection, self.settings.keys, self._config.required_groups)
        for partition in self._config.partitions:
            trim(
                self._connection,
                partition.records,
                *keep,
                required_groups=required,
                remember=(SCORERS, partition.floor),
            )
            results = (partition.floor, partition.records)
            trim_results(self._connection, partition.predictions, *keep, *results)
            trim_results(self._connection, partition.rejected, *REJECTED, *results)


class HttpScorer(Service):
    """A scorer without Redis: POST /predict with the production model of the MiniFlow directory."""

    name = "scorer"

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, DEFAULT_HTTP_PORT)
        registry = FileRegistry(Path(settings.miniflow), settings.pipeline)
        self._watcher = ModelWatcher(registry, self._wait, self._model_arrived, self.log)

    def routes(self) -> Routes:
        """The prediction API."""
        return {
            ("POST", "/predict"): predict_handler(lambda: self._watcher.current, lambda: self._watcher.obstacle)
        }

    def start(self) -> None:
        """Nothing to prepare."""

    def step(self) -> None:
        """Look whether production changed, once a second."""
        self._watcher.look()
        self._wait()

    def not_ready(self) -> str | None:
        """Without a model."""
        if self._watcher.current is None:
            return (
                self._watcher.obstacle or f"there is no model in {self.settings.miniflow} yet; run streamgauge fit"
            )
        return None

    def close(self) -> None:
        """Nothing is held."""

    def _wait(self) -> None:
        self.stopping.wait(LOOK_EVERY_S)

    def _model_arrived(self, model: ProductionModel) -> None:
        self.telemetry.set_production(model.run_id, model.updated_ts_ms)
        self.log.info("model in use", model=model.run_id, epoch=model.epoch)


def make_scorer(settings: Settings) -> Service:
    """The scorer that the settings ask for."""
    if settings.shadow is not None:
        from scorer.shadow import ShadowScorer  # noqa: PLC0415  (production's scorers start without it)

        return ShadowScorer(settings, settings.shadow)
    return HttpScorer(settings) if settings.redis_url is None else StreamScorer(settings)

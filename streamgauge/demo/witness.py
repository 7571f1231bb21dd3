"""What the services made of it: event, alarm, promotion, as the streams and the runs tell."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import msgspec

from core.connection import MAX_BLOCK_MS, Connection
from core.drift_window import Alarm, DriftWindow, RetrainEvent
from core.entry import entries_of, streams_of
from core.errors import UsageError
from core.fields import decode_fields
from core.keys import PipelineKeys
from core.miniflow import MiniFlow, RunMeta
from core.redis_registry import RedisRegistry
from streamgauge.demo.pusher import PATIENCE_S
from streamgauge.local_pipeline import LocalPipeline

#: Pause between two looks at a file or an HTTP answer.
LOOK_S = 0.05


class Witness:
    """Reads what came of the drift; nothing here changes anything."""

    def __init__(
        self, connection: Connection, keys: PipelineKeys, miniflow_directory: Path, pipeline: LocalPipeline
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._miniflow = MiniFlow(miniflow_directory, keys.pipeline)
        self._pipeline = pipeline
        self._pace = threading.Event()

    def newest_event(self) -> RetrainEvent | None:
        """The retrain event, waiting a while for the window that the newest records may have closed."""
        reply = self._connection.call(
            "XREAD", "COUNT", 1, "BLOCK", MAX_BLOCK_MS, "STREAMS", self._keys.retrain, "0-0"
        )
        entries = [entry for found in streams_of(reply).values() for entry in found]
        return decode_fields(entries[0], RetrainEvent) if entries else None

    def alarm(self, number: int | None) -> Alarm:
        """The alarm in one window of the drift stream. Raises UsageError where it is not there."""
        for entry in entries_of(self._connection.call("XRANGE", self._keys.drift, "-", "+")):
            window = decode_fields(entry, DriftWindow)
            if window.window == number and window.alarm is not None:
                return window.alarm
        raise UsageError(f"window {number} of the drift stream has no alarm; see the monitor's log")

    def await_promotion(self, first_run: str) -> RunMeta:
        """The run that replaced the first one.

        Raises
        ------
        UsageError
            The trainer refused its candidate, with its reason; or it gave no answer in time.
        """
        registry = RedisRegistry(self._connection, self._keys)
        deadline_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline_s and self.alive():
            production = registry.production()
            newest = self._miniflow.runs()[0].meta
            if newest.outcome == "refused":
                raise UsageError(
                    f"the gate did its work and production is unchanged, so the story ends here: {newest.detail}"
                )
            if production is not None and production.run_id != first_run and newest.outcome == "promoted":
                return self._miniflow.run(production.run_id).meta
            self._pace.wait(LOOK_S)
        raise UsageError("the trainer did not answer; see its log")

    def await_new_model(self, run_id: str) -> None:
        """Ask every scorer over HTTP until it answers with the new model. Raises UsageError if one does not."""
        features = RedisRegistry(self._connection, self._keys).model(run_id).model.schema.features
        record = dict.fromkeys(features, 1.0)
        deadline_s = time.monotonic() + PATIENCE_S
        for service in self._pipeline.services:
            while service.module == "scorer" and _predict(service.http, record).get("model") != run_id:
                if time.monotonic() > deadline_s:
                    raise UsageError(f"a scorer does not take the new model; see its log {service.log_path}")
                self._pace.wait(LOOK_S)

    def alive(self) -> bool:
        """Whether every service still runs."""
        return all(service.running() for service in self._pipeline.services)


def _predict(url: str, record: dict[str, float]) -> dict[str, object]:
    request = urllib.request.Request(f"{url}/predict", msgspec.json.encode(record), method="POST")  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310  (our own scorer on loopback)
            return dict(json.loads(answer.read()))
    except (urllib.error.URLError, TimeoutError):
        return {}

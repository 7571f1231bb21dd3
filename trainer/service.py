"""The trainer: answers retrain events, keeps the labels stream, and brings production back where Redis lost it.

Several may run. An event belongs to one of them; promotion is compare-and-set, so of two candidates one wins.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import get_args

from core.connection import Connection
from core.entry import Entry
from core.errors import GroupMissing, RecordError, ServerUnavailable, StreamError, UnknownModelFormat
from core.file_registry import FileRegistry
from core.group_reader import GroupReader, consumer_name
from core.keys import TRAINERS
from core.label_entry import set_aside, unmatched_fields
from core.miniflow import MiniFlow
from core.model_file import ModelFile
from core.pipeline_config import PipelineConfig, agree_again
from core.redis_registry import RedisRegistry
from core.registry import Production
from core.retention import DECISIONS
from core.scripts.commit import EntryResult, commit
from core.scripts.trim import trim
from core.service import Service
from core.settings import Settings
from core.traceparent import traceparent_of
from core.tracing import span_around
from trainer.alert_event import as_of_drift
from trainer.answer import Answer, Answering, answered_events
from trainer.attempt import claim_request, last_attempt
from trainer.dataset import Dataset
from trainer.label_intake import LabelIntake
from trainer.open_request import OpenRequest, RetrainRequest, due_again, find_open_request, holder, read_event
from trainer.retraining import Outcome
from trainer.schedule import schedule_retrain
from trainer.seeding import mirror, production_model, record_promotion, seed_production

#: Port where http_port is unset.
DEFAULT_HTTP_PORT = 8002
#: Longest wait for a retrain event in one step; labels are looked at once in a step.
BLOCK_MS = 500
#: How often production, an open request and the schedule are looked at.
LOOK_EVERY_S = 1.0
#: Names the stream in an unmatched entry.
SOURCE = "retrain"

_POISON = RecordError("poison", "each trainer that processed this event died; look at it before asking again")


class Trainer(Service):
    """The trainer of one pipeline."""

    name = "trainer"

    def __init__(self, settings: Settings) -> None:
        url = settings.required_redis_url(self.name)
        self._connection, self._probe = Connection(url), Connection(url)
        self._keys = settings.keys
        self._registry = RedisRegistry(self._connection, self._keys)
        self._files = FileRegistry(settings.miniflow_path, settings.pipeline)
        self._miniflow = MiniFlow(settings.miniflow_path, settings.pipeline)
        super().__init__(settings, DEFAULT_HTTP_PORT)
        for outcome in get_args(Outcome):  # from 0 on, so that an increase shows
            self.telemetry.training_runs.labels(settings.pipeline, outcome)
        self.telemetry.retrain_events.labels(settings.pipeline, "scheduled")
        self.telemetry.entries_claimed.labels(settings.pipeline)
        consumer = consumer_name()
        self._events = GroupReader(
            self._connection,
            (self._keys.retrain,),
            TRAINERS,
            consumer,
            takeover_idle_ms=settings.takeover_idle_ms,
            read_bytes=settings.read_bytes,
            poison_deliveries=settings.poison_deliveries,
            poison_lone_deaths=settings.poison_lone_deaths,
        )
        self._intake = LabelIntake(self._connection, self._keys, consumer, settings, self.log)
        self._answering = Answering(settings, self._registry, self._miniflow, consumer)
        self._held: deque[_Held] = deque()
        self._answered: frozenset[bytes] = frozenset()  # before the group was made, in case it had been lost
        self._production: Production | None = None
        self._model: ModelFile | None = None
        self._obstacle: str | None = None  # why what is in production cannot be retrained
        self._dataset: Dataset | None = None
        self._open: OpenRequest | None = None
        self._labels_dropped = 0  #: as last said
        self._next_look_s = self._next_trim_s = 0.0
        self._agreed: PipelineConfig | None = None
        self._started = False

    def start(self) -> None:
        """Agree on the pipeline's set-up, create the groups, bring production back; also after a flush.

        Nothing in memory outlives it: what is held, sampled or open is read again from the streams.
        """
        self._agreed = agree_again(self._connection, self.settings, self._agreed)
        if self._events.create_group(self._keys.retrain):
            self._answered = answered_events(self._miniflow)
            self.log.info("group created", group=TRAINERS, stream=self._keys.retrain, answered=len(self._answered))
        if self._intake.join():
            self.log.info("group created", group=TRAINERS, stream=self._keys.labels)
        self._held.clear()
        self._dataset = self._open = self._model = self._production = None
        self._started = True
        self._see_production()

    def step(self) -> None:
        """Take the labels forward, look after open requests and the schedule, answer one event."""
        try:
            looking = time.monotonic() >= self._next_look_s
            if looking:
                self._see_production()  # first: who cannot read production leaves the events to who can
                self._next_look_s = time.monotonic() + LOOK_EVERY_S
            if self._production is not None and self._model is not None and self._dataset is not None:
                self._take_labels(self._dataset)
                if looking:
                    self._look_after(self._dataset, self._production)
            self._answer_next()
        except GroupMissing as error:
            self.log.warning("group lost", error=str(error))
            self.start()

    def not_ready(self) -> str | None:
        """Without Redis, or with a production model of a format that is not known here."""
        if not self._started:
            return "Redis has not answered yet"
        if self._obstacle is not None:
            return self._obstacle
        try:
            self._probe.require()
        except ServerUnavailable as error:
            return str(error)
        return None

    def close(self) -> None:
        """Leave the groups; an event that is still held is taken over by another trainer."""
        try:
            if self._started:
                self._events.leave()
                self._intake.leave()
        finally:
            self._connection.close()
            self._probe.close()

    def _see_production(self) -> None:
        """Follow the pointer, whoever moved it; bring it back where Redis lost it."""
        production, brought_back = seed_production(self._registry, self._files)
        if brought_back and production is not None:
            self.log.warning("production seeded from MiniFlow", model=production.run_id)
        if production == self._production and (production is None or self._model is not None):
            return
        self._production, self._model, self._obstacle = production, None, None
        if production is None:
            return
        mirror(self._files, production, self.log)
        self._registry.prune()
        record_promotion(self._registry, self._miniflow, production)
        self.telemetry.set_production(production.run_id, production.updated_ts_ms)
        try:
            self._model = production_model(self._registry, self._files, production.run_id, self.log)
        except UnknownModelFormat as error:
            self._obstacle = f"run {production.run_id} is in production, and its {error}"
            raise
        schema = self._model.model.schema
        if self._dataset is None or self._dataset.schema != schema:
            self._dataset = Dataset(self._connection, self._keys, schema, self.settings)
        self.log.info("production", model=production.run_id, epoch=production.epoch)

    def _take_labels(self, dataset: Dataset) -> None:
        self._intake.take(dataset.schema.classes)
        if time.monotonic() >= self._next_trim_s:
            dataset.refresh()
            self._intake.retire(dataset)
            trim(self._connection, self._keys.decisions, *DECISIONS)
            if dataset.dropped_labels > self._labels_dropped:
                self.log.warning("labels without a row dropped, there are too many", labels=dataset.dropped_labels)
            self._labels_dropped = dataset.dropped_labels
            self._next_trim_s = time.monotonic() + self.settings.trim_every_ms / 1000

    def _look_after(self, dataset: Dataset, production: Production) -> None:
        """The schedule, and the request that more labels may have made answerable."""
        if self.settings.retrain_every_s is not None:
            self._schedule(production, self.settings.retrain_every_s)
        request = find_open_request(self._connection, self._keys, production)
        before, self._open = self._open, request
        if request is None:
            if before is not None and before.event.model == production.run_id and not self._taken_up(before):
                self.log.info("request dropped", request=before.entry.id.decode(), reason="the episode is over")
            return
        attempt = last_attempt(self._connection, self._keys)
        dataset.refresh()
        attempted_rows = attempt.rows(request.entry.id)
        if not due_again(dataset.labelled_count(request.since), attempted_rows, self.settings.min_labelled_rows):
            return
        consumer, epoch = self._events.consumer, production.epoch
        if claim_request(self._connection, self._keys, consumer, request.entry.id, attempt, epoch):
            self._held.append(_Held(request.entry, 1, poison=False))
            self._open = None

    def _taken_up(self, request: OpenRequest) -> bool:
        """Whether another trainer answers it again."""
        return holder(self._connection, self._keys, request.entry.id) is not None

    def _schedule(self, production: Production, every_s: float) -> None:
        event_id = schedule_retrain(self._connection, self._keys, production.run_id, every_s)
        if event_id is not None:
            self.telemetry.retrain_events.labels(self.settings.pipeline, "scheduled").inc()
            self.log.info("retraining scheduled", request=event_id.decode())

    def _answer_next(self) -> None:
        """Answer the oldest event held; with none, wait for one. It is let go only once it is answered."""
        if not self._held:
            before = self._events.taken_over_entries
            for batch in self._events.read(BLOCK_MS):
                self._held += [
                    _Held(entry, batch.deliveries.get(entry.id, 1), batch.poison)
                    for entry in batch.entries
                    if entry.id in batch.deliveries or not self._answered_before(entry)
                ]
            taken_over = self._events.taken_over_entries - before
            if taken_over:
                self.telemetry.entries_claimed.labels(self.settings.pipeline).inc(taken_over)
                self.log.info(
                    "taken over",
                    stream=self._keys.retrain,
                    entries=taken_over,
                    record=self._held[0].entry.id.decode(),
                    id=None,
                    deliveries=self._held[0].deliveries,
                    model=None if self._production is None else self._production.run_id,
                )
        if self._held:
            held = self._held[0]
            if self._still_ours(held.entry.id):
                self._answer_held(held)
            self._held.popleft()

    def _answered_before(self, entry: Entry) -> bool:
        """Whether a new entry of the group was answered when there was another group; it is acknowledged then."""
        if entry.id not in self._answered:
            return False
        self._answering.acknowledge(entry.id, 1)
        return True

    def _still_ours(self, event_id: bytes) -> bool:
        """Whether an event was neither answered nor taken over meanwhile; then its idle time starts anew."""
        keys, consumer = self._keys, self._events.consumer
        if holder(self._connection, keys, event_id) != consumer.encode():
            return False
        self._connection.call("XCLAIM", keys.retrain, TRAINERS, consumer, 0, event_id, "JUSTID")
        return True

    def _answer_held(self, held: _Held) -> None:
        try:
            if held.poison:
                raise _POISON
            event = as_of_drift(self._connection, self._keys, held.entry.id, read_event(held.entry))
        except RecordError as error:
            self._set_aside(held, error)
            return
        attributes = {
            "messaging.operation.name": "answer",
            "messaging.operation.type": "process",
            "messaging.destination.name": self._keys.retrain,
            "messaging.consumer.group.name": TRAINERS,
            "messaging.client.id": self._events.consumer,
            "messaging.message.id": held.entry.id.decode(),
            "streamgauge.reason": event.reason,
        }
        name, parent = f"answer {self._keys.retrain}", traceparent_of(held.entry)
        with span_around(self.tracer, name, attributes, parent) as span:
            answer = self._answer(RetrainRequest(held.entry.id, event, held.deliveries))
            if span is not None:
                span.set_attribute("streamgauge.outcome", answer.outcome)
                span.set_attribute("streamgauge.run", answer.run_id or "")
                span.set_attribute("streamgauge.labelled_rows", answer.labelled_rows)

    def _set_aside(self, held: _Held, error: RecordError) -> None:
        """A damaged event goes to unmatched and is acknowledged, in one step."""
        fields = unmatched_fields(set_aside(held.entry, error), SOURCE)
        commit(
            self._connection,
            self._keys.retrain,
            TRAINERS,
            self._events.consumer,
            (self._keys.unmatched,),
            [EntryResult(held.entry.id, held.deliveries, [(1, fields)])],
        )
        self.log.warning(
            "event unusable",
            reason=error.reason,
            stream=self._keys.retrain,
            record=held.entry.id.decode(),
            id=None,
            model=None if self._production is None else self._production.run_id,
            detail=error.detail,
        )

    def _answer(self, request: RetrainRequest) -> Answer:
        self._see_production()
        if self._production is None or self._model is None or self._dataset is None:
            raise StreamError("there is no production model to retrain; run streamgauge fit")
        self._dataset.refresh()
        answer = self._answering.answer(request, self._production, self._model, self._dataset)
        self._tell(request, answer)
        if answer.production is not None:
            self._see_production()
        return answer

    def _tell(self, request: RetrainRequest, answer: Answer) -> None:
        self.telemetry.training_runs.labels(self.settings.pipeline, answer.outcome).inc()
        self.log.info(
            "retraining answered",
            outcome=answer.outcome,
            verdict=answer.verdict,
            reason=request.event.reason,
            request=request.event_id.decode(),
            run=answer.run_id,
            labelled_rows=answer.labelled_rows,
        )


@dataclass(frozen=True)
class _Held:
    """An event that was read and is not answered yet."""

    entry: Entry
    deliveries: int
    poison: bool

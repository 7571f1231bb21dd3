"""The producer: push records as they come; it batches, retries and never writes one twice."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Literal, Self

import numpy as np

from core.connection import Connection, RedisError
from core.errors import DataError, NoProductionModel, StreamError, StreamgaugeError
from core.keys import PartitionKeys
from core.model import Floats
from core.pipeline_config import agree
from core.redis_registry import RedisRegistry
from core.schema import Schema
from core.settings import Settings
from producer.batcher import Batcher, pack_blocks
from producer.delivery import Delivery, DeliveryLimits
from producer.labels import Label, label_fields, pack_labels
from producer.lanes import Lane, Lanes
from producer.record import RecordId, Value, block_row, checked_ids, class_numbers, id_bytes, plain_fields
from producer.waiting import Waiter

#: How long the linger thread leaves a server alone that refused a batch; send() and flush() try at once.
RETRY_S = 0.5
#: How long leaving a ``with`` block by an exception may still flush.
EXIT_FLUSH_S = 5.0

_log = logging.getLogger(__name__)


class Producer:
    """Push records into a pipeline, and labels when they become known. Thread-safe.

    ``send`` gathers records; a batch goes out when it has ``batch_rows`` records or its first one is ``linger_ms``
    old, whichever comes first, whether or not anybody sends again. A batch whose answer is lost is sent again
    under its sequence number, so that the server writes it once. A call that raises because of the server has
    taken its records: they stay buffered, and ``flush`` tries them again. Close it, or use it in a ``with`` block.

    Parameters
    ----------
    server
        The Redis URL, or an open connection, which then is not closed here.
    pipeline
        Its name.
    partitions
        How many the pipeline has; None adopts what it has, or makes it with one.
    batch_rows
        Records in a batch, and rows in a block.
    linger_ms
        How long a record may wait for company; 0 sends each at once.
    block
        Pack rows into blocks: many times faster to score, and answered as a block. A record that does not fit the
        schema goes in plain form, where the scorer rejects it with its reason.
    schema
        The features of a block; None takes those of the model in production.
    on_full
        When the readers are too far behind: "wait" until there is room, or "raise" :class:`BacklogFull`.
    max_backlog_entries, max_backlog_bytes
        How far behind is too far, for each partition.
    max_entry_bytes
        Larger blocks are split; a larger entry would be rejected.
    give_up_s
        A server that is away for longer is an error.
    settings
        What this producer proposes where it is the first to start in its pipeline.
    notify
        Told, once a trouble, why this producer waits; None logs a warning.

    Raises
    ------
    ServerUnavailable, SettingsError
        No server answers, or the pipeline has another number of partitions.
    NoProductionModel
        ``block`` without ``schema``, and nothing is in production.
    """

    def __init__(
        self,
        server: str | Connection,
        pipeline: str = "default",
        *,
        partitions: int | None = None,
        batch_rows: int = 500,
        linger_ms: float = 5.0,
        block: bool = False,
        schema: Schema | None = None,
        on_full: Literal["wait", "raise"] = "wait",
        max_backlog_entries: int = 1_000_000,
        max_backlog_bytes: int = 256 * 1024 * 1024,
        max_entry_bytes: int = 1024 * 1024,
        give_up_s: float = 120.0,
        settings: Settings | None = None,
        notify: Callable[[str], None] | None = None,
    ) -> None:
        if batch_rows < 1 or linger_ms < 0:
            raise DataError(
                f"batch_rows is {batch_rows} and linger_ms {linger_ms}; choose at least 1 and at least 0"
            )
        agreed_settings = settings or Settings(pipeline=pipeline, partitions=partitions)
        self._keys = agreed_settings.keys
        self._connection = Connection(server) if isinstance(server, str) else server
        self._owns_connection = isinstance(server, str)
        self._batch_rows = batch_rows
        self._linger_s = linger_ms / 1000
        self._max_entry_bytes = max_entry_bytes
        self._waiter = Waiter(notify or _log.warning)
        self._limits = DeliveryLimits(max_backlog_entries, max_backlog_bytes, on_full, give_up_s)
        self._condition = threading.Condition(threading.RLock())
        self._thread: threading.Thread | None = None
        self._closed = False
        try:
            config = agree(self._connection.require(), agreed_settings)
            self._schema = schema
            self._block_schema = self.schema if block else None
        except BaseException:
            self._release()
            raise
        self._lanes = Lanes(
            [self._lane(keys, keys.records, config.required_groups) for keys in config.partitions],
            # labels have no cap, and their sequence lies on their own slot
            self._lane(PartitionKeys(self._keys.pipeline, 0), self._keys.labels, ()),
            self._linger_s,
        )

    @property
    def schema(self) -> Schema:
        """The features and classes of blocks. Raises NoProductionModel where none was given and none is known."""
        if self._schema is None:
            registry = RedisRegistry(self._connection, self._keys)
            production = registry.production()
            if production is None:
                raise NoProductionModel(
                    f"pipeline {self._keys.pipeline!r} has no model in production, whose features a block needs; "
                    "promote one, pass a schema, or send plain records"
                )
            self._schema = registry.model(production.run_id).model.schema
        return self._schema

    @property
    def partitions(self) -> int:
        """How many partitions the pipeline has."""
        return len(self._lanes.partitions)

    @property
    def sent_records(self) -> int:
        """Records that the server has acknowledged; labels are not among them."""
        return sum(lane.delivery.sent_records for lane in self._lanes.partitions)

    @property
    def sent_entries(self) -> int:
        """Stream entries that they were packed into."""
        return sum(lane.delivery.sent_entries for lane in self._lanes.partitions)

    @property
    def sent_labels(self) -> int:
        """Labels that the server has acknowledged."""
        return self._lanes.labels.delivery.sent_records

    @property
    def unsent(self) -> int:
        """Records and labels that are buffered here."""
        return sum(lane.unsent for lane in self._lanes)

    @property
    def waited_s(self) -> float:
        """Time spent waiting for room or for a lost server."""
        return self._waiter.waited_s

    def send(
        self,
        features: Mapping[str, Value],
        id: RecordId = None,  # noqa: A002  (the name of the field on the wire)
        event_time_ms: int | str | bytes | None = None,
        label: Value = None,
    ) -> None:
        """Push one record of feature values: numbers, or text that is passed on as it is.

        A record with an id goes to the partition that its hash names, one without to the next in turn.

        Raises
        ------
        DataError
            A feature name or value that cannot travel; the record was not taken.
        BacklogFull, ServerUnavailable, StreamError
            The batch could not be published; the record stays buffered, do not send it again.
        """
        record_id = id_bytes(id)
        row = fields = None
        if self._block_schema is not None:
            row = block_row(self._block_schema, features, record_id, event_time_ms, label)
        if row is None:
            fields = plain_fields(features, record_id, event_time_ms, label)
        with self._condition:
            self._require_open()
            lane = self._lanes.of(record_id)
            if row is not None:
                lane.batcher.add_row(row)
            elif fields is not None:
                lane.batcher.add_plain(fields)
            self._after_add(lane)

    def send_rows(
        self,
        x: Floats,
        ids: Sequence[RecordId] | None = None,
        labels: Sequence[float | str | None] | Floats | None = None,
        event_time_ms: int | None = None,
    ) -> None:
        """Push rows ``x`` (n, d) in schema order as blocks of ``batch_rows``; they go out at once.

        ``labels`` are 0, 1 or class names; None, nan and empty text mean unknown.

        Raises
        ------
        DataError
            A shape, id or label that does not fit; no row was taken.
        NoProductionModel
            No schema was given and nothing is in production.
        BacklogFull, ServerUnavailable, StreamError
            As for :meth:`send`.
        """
        schema = self.schema
        rows = np.asarray(x, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != schema.width:
            raise DataError(
                f"rows have shape {rows.shape}; give (n, {schema.width}), one column a feature in order"
            )
        row_ids = None if ids is None else checked_ids(ids, len(rows))
        y = None if labels is None else class_numbers(labels, len(rows), schema)
        with self._condition:
            self._require_open()
            for lane, chosen in self._lanes.shares(len(rows), row_ids, self._batch_rows):
                lane.seal()
                for entry in pack_blocks(
                    rows[chosen],
                    schema,
                    self._max_entry_bytes,
                    None if row_ids is None else [row_ids[row] for row in chosen],
                    event_time_ms,
                    None if y is None else y[chosen],
                ):
                    lane.add(entry)
            self._lanes.deliver()

    def send_label(self, id: RecordId, y: Label) -> None:  # noqa: A002  (the name of the field on the wire)
        """Push the true outcome of one record: 0, 1 or a class name. Raises DataError; batched as records are."""
        fields = label_fields(id, y)
        with self._condition:
            self._require_open()
            self._lanes.labels.batcher.add_plain(fields)
            self._after_add(self._lanes.labels)

    def send_labels(self, ids: Sequence[RecordId], y: Sequence[Label] | Floats) -> None:
        """Push the true outcomes of many records at once. Raises DataError, having taken none."""
        entries = list(pack_labels(ids, list(y), self._max_entry_bytes))
        with self._condition:
            self._require_open()
            labels = self._lanes.labels
            labels.seal()
            for entry in entries:
                labels.add(entry)
            labels.delivery.deliver()

    def flush(self, timeout_s: float | None = None) -> int:
        """Publish everything now, records before labels; returns how many are still unsent.

        That is 0 unless ``timeout_s`` passed, be it in another thread's wait for room, or :meth:`interrupt` was
        called.

        Raises
        ------
        BacklogFull, ServerUnavailable, StreamError
            As for :meth:`send`; what is unsent stays buffered.
        """
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        # another thread may hold the lock for as long as it waits for room
        if not self._condition.acquire(timeout=-1 if timeout_s is None else max(0.0, timeout_s)):
            return self.unsent
        try:
            self._waiter.interrupted = False
            for lane in self._lanes:
                self._lanes.seal(lane)
            self._lanes.deliver(deadline_s)
            return self.unsent
        finally:
            self._condition.release()

    def interrupt(self) -> None:
        """End any wait, in whichever thread, until the next flush: what is unsent stays buffered.

        Safe in a signal handler.
        """
        self._waiter.interrupted = True

    def close(self, timeout_s: float | None = None) -> int:
        """Flush and let go of the server; returns how many records and labels were left unsent.

        A send that still waits in another thread ends then, its records unsent. Where the flush raises, the
        producer stays open: flush or close it again.
        """
        if self._closed:
            return 0
        unsent = self.flush(timeout_s)
        self._release()
        return unsent

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.close(None if kind is None else EXIT_FLUSH_S)
        finally:
            self._release()

    def _lane(self, keys: PartitionKeys, stream: str, groups: tuple[str, ...]) -> Lane:
        delivery = Delivery(self._connection, stream, keys.producer, groups, self._limits, self._waiter)
        return Lane(Batcher(self._block_schema, self._max_entry_bytes), delivery)

    def _after_add(self, lane: Lane) -> None:
        if lane.batcher.rows >= self._batch_rows or not self._linger_s:
            self._lanes.seal(lane)
            lane.delivery.deliver()
        elif lane.batcher.rows == 1:
            if self._thread is None:
                self._thread = threading.Thread(target=self._linger, name="streamgauge-producer", daemon=True)
                self._thread.start()
            self._condition.notify()

    def _linger(self) -> None:
        """Publish batches whose first record has waited long enough, until closed.

        It never waits for room while it holds the lock, so that ``flush`` keeps its time limit.
        """
        not_before_s = 0.0
        with self._condition:
            while not self._closed:
                due_s = self._lanes.due_s()
                if due_s is None:
                    self._condition.wait()
                    continue
                delay_s = max(due_s, not_before_s) - time.monotonic()
                if delay_s > 0:
                    self._condition.wait(delay_s)
                    continue
                try:
                    published = self._lanes.publish_due()
                except (StreamgaugeError, RedisError) as error:
                    # the records stay buffered, and the next send or flush meets the same error in its caller
                    _log.debug("a batch could not be published yet: %s", error)
                    published = False
                not_before_s = 0.0 if published else time.monotonic() + RETRY_S

    def _require_open(self) -> None:
        if self._closed:
            raise StreamError("the producer is closed; make a new one")

    def _release(self) -> None:
        self._waiter.interrupted = True  # a send that waits in another thread leaves its records unsent
        with self._condition:
            self._closed = True
            self._condition.notify_all()
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()
        if self._owns_connection:
            self._connection.close()

"""The producer: push records as they come; it batches, retries and never writes one twice."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Literal, Self

import numpy as np

from core.connection import Connection
from core.errors import DataError, SettingsError, StreamError, StreamgaugeError
from core.keys import PartitionKeys
from core.model import Floats
from core.pipeline_config import agree
from core.required_groups import required_groups
from core.schema import Schema
from core.settings import Settings
from producer.backlog import BacklogGroups, DeliveryLimits
from producer.batcher import Batcher, check_batching, pack_blocks
from producer.caller_trace import caller_trace
from producer.delivery import Delivery
from producer.durability import Durability, checked_durability
from producer.labels import Label, label_fields, pack_labels
from producer.lanes import Lane, Lanes
from producer.linger import Linger
from producer.number_rows import Forms
from producer.production_schema import production_schema
from producer.record import RecordId, Value, block_row, checked_ids, class_numbers, id_bytes, plain_fields
from producer.waiting import Waiter

#: How long leaving a ``with`` block by an exception may still flush.
EXIT_FLUSH_S = 5.0

_log = logging.getLogger(__name__)


class Producer:
    """Push records into a pipeline, and labels when they become known. Thread-safe; docs/producing.md tells more.

    ``send`` gathers records; a batch goes out when it has ``batch_rows`` records or its first one is ``linger_ms``
    old, whichever comes first, whether or not anybody sends again. A batch whose answer is lost is sent again
    under its sequence number, so that the server writes it once. With a linger, ``send`` returns while its last
    batches are on their way: their answers, and what goes wrong with them, come with a later ``send`` or
    ``flush``. A call that raises because of the server has taken its records: they stay buffered, and ``flush``
    tries them again. Close it, or use it in a ``with`` block.

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
        How long a record may wait for company; 0 sends each at once, and returns when it is written.
    block
        Pack rows into blocks: many times faster to score, and answered as a block. A record that does not fit the
        schema goes in plain form, where the scorer rejects it with its reason.
    schema
        The features of a block; None takes those of the model in production.
    on_full
        When the readers are too far behind: "wait" until there is room, or "raise" :class:`BacklogFull` from the
        very ``send`` whose batch was refused, which then waits for each answer.
    max_backlog_entries, max_backlog_bytes
        How far behind is too far, for each partition.
    max_entry_bytes
        Larger blocks are split; a larger entry would be rejected.
    give_up_s
        A server that is away, or does not get its writes to disk, for longer is an error.
    durability
        When a record counts as sent: "server", as the server persists by itself; "fsync", on its disk; "replica",
        on the disk of a replica as well, which survives a failover.
    partition_by
        Where a record goes that has an id and no key: "id", by the id's hash, or "turn", batch by batch in turn.
    settings
        What this producer proposes where it is the first to start in its pipeline.
    notify
        Told, once a trouble, why this producer waits; None logs a warning.
    tracing
        Records carry the caller's OpenTelemetry span on; needs the extra ``tracing``.

    Raises
    ------
    ServerUnavailable, SettingsError
        No server answers, the pipeline has another number of partitions, or the server cannot promise the
        durability.
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
        durability: Durability = "server",
        partition_by: Literal["id", "turn"] = "id",
        settings: Settings | None = None,
        notify: Callable[[str], None] | None = None,
        tracing: bool = False,
    ) -> None:
        check_batching(batch_rows, linger_ms)
        if partition_by not in {"id", "turn"}:
            raise SettingsError(f"partition_by is {partition_by!r}; choose id or turn")
        agreed_settings = settings or Settings(pipeline=pipeline, partitions=partitions)
        self._keys = agreed_settings.keys
        self._connection = Connection(server) if isinstance(server, str) else server
        self._owns_connection = isinstance(server, str)
        self._batch_rows = batch_rows
        self._linger_s = linger_ms / 1000
        self._sends_ahead = linger_ms > 0 and on_full == "wait"
        self._by_id = partition_by == "id"
        self._max_entry_bytes = max_entry_bytes
        self._forms = Forms()
        self._trace = caller_trace() if tracing else None
        self._limits = DeliveryLimits(
            max_backlog_entries, max_backlog_bytes, on_full, give_up_s, checked_durability(durability)
        )
        self._lock = threading.RLock()
        # whoever waits for one stream leaves the others to other threads
        self._waiter = Waiter(notify or _log.warning, threading.Condition(self._lock).wait)
        self._closed = False
        try:
            config = agree(self._connection.require(), agreed_settings)
            self._schema = schema
            self._block_schema = self.schema if block else None
        except BaseException:
            self._close_connection()
            raise
        known = config.required_groups
        groups = BacklogGroups(known, lambda: required_groups(self._connection, self._keys, known))
        self._lanes = Lanes(
            [self._lane(keys, keys.records, groups) for keys in config.partitions],
            # labels have no cap, and their sequence lies on their own slot
            self._lane(PartitionKeys(self._keys.pipeline, 0), self._keys.labels, BacklogGroups((), tuple)),
            self._linger_s,
        )
        self._linger = Linger(self._lanes, self._lock)
        try:
            self._lanes.require_durability(self._limits.durability)
        except BaseException:
            self._release()
            raise

    @property
    def schema(self) -> Schema:
        """The features and classes of blocks. Raises NoProductionModel where none was given and none is known."""
        if self._schema is None:
            self._schema = production_schema(self._connection, self._keys)
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
        key: RecordId = None,
    ) -> None:
        """Push one record of feature values: numbers, or text that is passed on as it is.

        Records of one ``key`` go to one partition, in order. Without a key the id is the key (``partition_by``);
        without either, batches go to the partitions in turn.

        Raises
        ------
        DataError
            A feature name or value that cannot travel; the record was not taken.
        BacklogFull, ServerUnavailable, StreamError
            A batch could not be published; the record stays buffered, do not send it again.
        """
        record_id = None if id is None else id_bytes(id)
        place = id_bytes(key) if key is not None else record_id if self._by_id else None
        numbers = row = fields = None
        trace = None if self._trace is None else self._trace()
        if self._block_schema is not None:
            row = block_row(self._block_schema, features, record_id, event_time_ms, label, trace)
        elif event_time_ms is None and label is None and trace is None:
            numbers = self._forms.row(features, record_id is not None)
        if numbers is None and row is None:
            fields = plain_fields(features, record_id, event_time_ms, label, trace)
            self._forms.learn(features)
        with self._lock:
            if self._closed:
                self._require_open()
            lane = self._lanes.of(place)
            if numbers is not None:
                lane.batcher.add_numbers(numbers, record_id)
            elif row is not None:
                lane.batcher.add_row(row)
            elif fields is not None:
                lane.batcher.add_plain(fields)
            rows = lane.batcher.rows
            if rows == 1 or rows >= self._batch_rows:
                self._after_add(lane)

    def send_rows(
        self,
        x: Floats,
        ids: Sequence[RecordId] | None = None,
        labels: Sequence[float | str | None] | Floats | None = None,
        event_time_ms: int | None = None,
        keys: Sequence[RecordId] | None = None,
    ) -> None:
        """Push rows ``x`` (n, d) in schema order as blocks of ``batch_rows``; they go out at once.

        ``labels`` are 0, 1 or class names; None, nan and empty text mean unknown. ``keys`` are as for
        :meth:`send`, one a row.

        Raises
        ------
        DataError
            A shape, id, key or label that does not fit; no row was taken.
        NoProductionModel
            No schema was given and nothing is in production.
        BacklogFull, ServerUnavailable, StreamError
            As for :meth:`send`.
        """
        schema = self.schema
        rows, trace = np.asarray(x, dtype=np.float64), None if self._trace is None else self._trace()
        if rows.ndim != 2 or rows.shape[1] != schema.width:
            raise DataError(
                f"rows have shape {rows.shape}; give (n, {schema.width}), one column a feature in order"
            )
        row_ids = None if ids is None else checked_ids(ids, len(rows))
        places = checked_ids(keys, len(rows), "a key") if keys is not None else row_ids if self._by_id else None
        y = None if labels is None else class_numbers(labels, len(rows), schema)
        with self._lock:
            self._require_open()
            failed: StreamgaugeError | None = None
            for lane, chosen in self._lanes.shares(len(rows), places, self._batch_rows):
                share_ids = None
                if row_ids is not None:
                    share_ids = row_ids[chosen] if isinstance(chosen, slice) else [row_ids[row] for row in chosen]
                share_y = None if y is None else y[chosen]
                share = (rows[chosen], schema, self._max_entry_bytes, share_ids, event_time_ms, share_y, trace)
                lane.add(pack_blocks(*share))
                if self._sends_ahead and failed is None:
                    try:
                        self._lanes.send_ahead(lane)
                    except StreamgaugeError as error:
                        failed = error  # raised once every row is taken
            if failed is not None:
                raise failed
            self._lanes.deliver()

    def send_label(self, id: RecordId, y: Label) -> None:  # noqa: A002  (the name of the field on the wire)
        """Push the true outcome of one record: 0, 1 or a class name. Raises DataError; batched as records are."""
        fields = label_fields(id, y)
        with self._lock:
            self._require_open()
            self._lanes.labels.batcher.add_plain(fields)
            self._after_add(self._lanes.labels)

    def send_labels(self, ids: Sequence[RecordId], y: Sequence[Label] | Floats) -> None:
        """Push the true outcomes of many records at once. Raises DataError, having taken none."""
        entries = list(pack_labels(ids, list(y), self._max_entry_bytes))
        with self._lock:
            self._require_open()
            self._lanes.labels.add(entries)
            self._lanes.labels.delivery.deliver()

    def flush(self, timeout_s: float | None = None) -> int:
        """Publish everything now, records before labels; returns how many are still unsent.

        That is 0 unless ``timeout_s`` passed, :meth:`interrupt` was called, or the producer is closed.

        Raises
        ------
        BacklogFull, ServerUnavailable, StreamError
            As for :meth:`send`; what is unsent stays buffered.
        """
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        # another thread may hold the lock while it connects
        if not self._lock.acquire(timeout=-1 if timeout_s is None else max(0.0, timeout_s)):
            return self.unsent
        try:
            if self._closed:
                return self.unsent
            self._waiter.interrupted = False
            for lane in self._lanes:
                self._lanes.seal(lane)
            self._lanes.deliver(deadline_s)
            return self.unsent
        finally:
            self._lock.release()

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

    def _lane(self, keys: PartitionKeys, stream: str, groups: BacklogGroups) -> Lane:
        def meanwhile() -> None:  # one lane waits, the others go on; trouble there meets the next send or flush
            self._lanes.publish_due()

        delivery = Delivery(self._connection, stream, keys.producer, groups, self._limits, self._waiter, meanwhile)
        return Lane(Batcher(self._block_schema, self._max_entry_bytes), delivery)

    def _after_add(self, lane: Lane) -> None:
        """A lane has its first row, or all rows of a batch."""
        if lane.batcher.rows < self._batch_rows and self._linger_s:
            self._linger.expect(lane.batcher.first_row_s + self._linger_s)
            return
        self._lanes.seal(lane)
        if self._sends_ahead:
            self._lanes.send_ahead(lane)
            due_s = self._lanes.due_s()
            if due_s is not None:
                self._linger.expect(due_s)
        else:
            lane.delivery.deliver()

    def _require_open(self) -> None:
        if self._closed:
            raise StreamError("the producer is closed; make a new one")

    def _release(self) -> None:
        self._closed = True
        self._waiter.interrupted = True  # a send that waits in another thread leaves its records unsent
        self._linger.close()
        self._lanes.close()
        self._close_connection()

    def _close_connection(self) -> None:
        if self._owns_connection:
            self._connection.close()

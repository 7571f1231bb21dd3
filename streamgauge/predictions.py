"""Read results: an iterator over predictions in either form, from now, from the start, or as a consumer group."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from types import TracebackType
from typing import Self

import msgspec

from core.connection import CONNECTION_ERRORS, MAX_BLOCK_MS, Connection, RedisError, without_password
from core.entry import default_record_id
from core.errors import GroupMissing, SettingsError
from core.keys import PartitionKeys
from core.pipeline_config import look_up
from core.prediction import Prediction, PredictionBlock, decode_prediction
from core.settings import Settings
from streamgauge.prediction_reader import (
    Found,
    GroupSource,
    PositionSource,
    PredictionSource,
    Start,
    parse_start,
)

#: First and longest pause before another attempt at a lost server.
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 2.0

_log = logging.getLogger(__name__)


class Predictions:
    """Results of a pipeline, row by row, from all its partitions; in the order of publication within each.

    A for loop ends when ``timeout_s`` passed without a result; another one goes on where it stopped. A row of a
    block without ids gets the default id, ``<partition>-<entry id>-<row>``. A lost connection is made again, and
    reading goes on after the last result. Not thread-safe.

    Parameters
    ----------
    server
        The Redis URL, or an open connection, which then is not closed here.
    pipeline
        Its name.
    start
        "now" (results published after this object was made), "start" (all that are kept), or an entry id of the
        predictions stream, after which to go on. A group that exists has a position of its own.
    group
        Read as one of the consumers of this group: each result goes to one of them, and is acknowledged when the
        caller asks for the one after its last row. What a consumer held when it died is handed out again, so
        a result may come twice, never not at all.
    consumer
        This consumer's name; one that comes back under its name gets first what it had not acknowledged.
    partitions
        How many the pipeline has; None adopts what it has.
    timeout_s
        None waits for ever.
    takeover_idle_s
        What another consumer of the group has held for longer is taken over; longer than the slowest result takes.

    Raises
    ------
    ServerUnavailable, SettingsError
        No server answers; a start that is none, or another number of partitions than the pipeline's.
    """

    def __init__(
        self,
        server: str | Connection,
        pipeline: str = "default",
        *,
        start: str = "now",
        group: str | None = None,
        consumer: str | None = None,
        partitions: int | None = None,
        timeout_s: float | None = None,
        takeover_idle_s: float = 60.0,
    ) -> None:
        self._settings = Settings(pipeline=pipeline, partitions=partitions)
        start_at = parse_start(start)
        if consumer is not None and group is None:
            raise SettingsError(f"consumer is {consumer!r} without a group; name the group too")
        self._connection = Connection(server) if isinstance(server, str) else server
        self._owns_connection = isinstance(server, str)
        self._timeout_s = timeout_s
        self._partitions_agreed = False
        self._numbers: dict[str, int] = {}  #: partition of each stream that is read
        self._rows: Iterator[Prediction] | None = None
        self._queue: deque[Found] = deque()
        self._handed_out: Found | None = None
        self.unreadable_entries = 0  #: entries of the streams that are no predictions; skipped
        try:
            self._connection.require()
            self._source: PredictionSource = (
                PositionSource(self._connection)
                if group is None
                else GroupSource(self._connection, group, consumer, takeover_idle_s)
            )
            self._learn_partitions(start_at)
            if not self._numbers:  # no service has started yet: the first partition is there in any case
                self._add_partitions(self._settings.keys.partitions(partitions or 1), start_at)
        except BaseException:
            self._close_connection()
            raise

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Prediction:
        if self._rows is None:
            self._rows = self._each_row()
        try:
            return next(self._rows)
        except BaseException:
            self._rows = None
            raise

    def batches(self) -> Iterator[Prediction | PredictionBlock]:
        """Results in the form they were published in: blocks as arrays, without default ids."""
        while (found := self._next_result()) is not None:
            yield found[1]

    def close(self) -> None:
        """Acknowledge what was handled, leave the group, and let go of the server."""
        try:
            self._source.close()
        except RedisError as error:
            _log.debug("the group could not be left in order: %s", error)
        self._close_connection()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _each_row(self) -> Iterator[Prediction]:
        while (found := self._next_result()) is not None:
            partition, result = found
            if isinstance(result, Prediction):
                yield result
                continue
            for row in result.predictions():
                if row.id is None:
                    yield replace(row, id=default_record_id(partition, row.record, row.row))
                else:
                    yield row

    def _next_result(self) -> tuple[int, Prediction | PredictionBlock] | None:
        """The next result and its partition; asking for it says that the one before was handled."""
        while True:
            if self._handed_out is not None:
                self._source.done(self._handed_out)
                self._handed_out = None
            if not self._queue and not self._fill():
                return None
            found = self._queue.popleft()
            self._handed_out = found
            try:
                return self._numbers[found.stream], decode_prediction(found.entry)
            except (KeyError, ValueError, msgspec.MsgspecError) as error:
                self.unreadable_entries += 1
                _log.warning(
                    "entry %s of %s is no prediction (%r) and is skipped",
                    found.entry.id.decode(),
                    found.stream,
                    error,
                )

    def _fill(self) -> bool:
        """Read until there is something; False once ``timeout_s`` passed without."""
        began_s = time.monotonic()
        failures = 0
        group_lost = False
        while not self._queue:
            left_s = float("inf") if self._timeout_s is None else began_s + self._timeout_s - time.monotonic()
            try:
                if failures or group_lost:
                    self._source.resume(group_lost=group_lost)
                    group_lost = False
                self._queue += self._source.read(max(1, int(min(left_s * 1000, MAX_BLOCK_MS))))
                failures = 0
                if not self._queue:
                    self._learn_partitions("start")
            except GroupMissing as error:
                _log.warning("%s; it is made again, from the start of what is kept", error)
                group_lost = True
            except CONNECTION_ERRORS as error:
                if not failures:
                    where = without_password(self._connection.url)
                    _log.warning("the connection to %s is lost (%s); trying again until it is back", where, error)
                time.sleep(max(0.0, min(left_s, LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(failures, 10))))
                failures += 1
            if not self._queue and self._timeout_s is not None and time.monotonic() - began_s >= self._timeout_s:
                return False
        return True

    def _learn_partitions(self, start: Start) -> None:
        """Adopt what the pipeline agreed on; a reader may be there before any service that decides it."""
        if self._partitions_agreed:
            return
        config = look_up(self._connection, self._settings)
        if config is not None:
            self._partitions_agreed = True
            self._add_partitions(config.partitions, start)

    def _add_partitions(self, partitions: Iterable[PartitionKeys], start: Start) -> None:
        for partition in partitions:
            if partition.predictions not in self._numbers:
                self._source.add(partition.predictions, start)
                self._numbers[partition.predictions] = partition.number

    def _close_connection(self) -> None:
        if self._owns_connection:
            self._connection.close()

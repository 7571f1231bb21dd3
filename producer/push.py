"""Push a source through a producer, at a pace, until its end or a signal."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

import msgspec

from core.errors import DataError
from producer.client import Producer
from producer.labels import label_fields
from producer.sources import Source, SourceRow
from producer.traced_sends import TracedSends

#: How long a stopped push may still publish what is buffered.
STOP_FLUSH_S = 2.0
#: Pauses below this are not worth a system call; the pace evens out over the next records.
SHORTEST_PAUSE_S = 0.001
#: Records between two progress reports, unless they come more slowly than this a second.
_REPORT_ROWS = 200
#: Labels gathered into one call.
_LABELS = 1_000


class PushCounts(msgspec.Struct, frozen=True):
    """What one push did."""

    read: int  #: rows read from the source
    sent: int  #: records, or labels, that the server acknowledged
    unsent: int  #: left in the buffer; more than 0 only after a signal
    skipped: int  #: rows without a label, where labels were pushed
    entries: int  #: stream entries of records
    seconds: float
    waited_s: float  #: of that, for readers that are behind or a lost server
    stopped: bool  #: ended by a signal


@dataclass
class _Progress:
    """How far a push has come; what a signal handler touches is a plain attribute."""

    producer: Producer
    began_s: float
    read: int = 0
    skipped: int = 0
    stopped: bool = False
    _reading: bool = False

    def stop(self, _signal: int, _frame: FrameType | None) -> None:
        """The signal handler: end waits at once, and a read that may never come."""
        self.stopped = True
        self.producer.interrupt()
        if self._reading:
            raise KeyboardInterrupt

    def rows(self, source: Source) -> Iterator[SourceRow]:
        """Rows until the source or a signal ends it; a line that is half read then was not taken."""
        rows = iter(source)
        while not self.stopped:
            row = None
            try:
                self._reading = True
                row = next(rows, None)
            except KeyboardInterrupt:
                self.stopped = True
            finally:
                self._reading = False
            if row is None:
                return
            self.read += 1
            yield row

    def wait_until(self, due_s: float) -> None:
        """Wait in slices, so that a signal is noticed."""
        while not self.stopped:
            ahead_s = due_s - time.monotonic()
            if ahead_s < SHORTEST_PAUSE_S:
                return
            time.sleep(min(ahead_s, 0.05))

    def counts(self, sent: int, unsent: int) -> PushCounts:
        """The result so far."""
        return PushCounts(
            self.read,
            sent,
            unsent,
            self.skipped,
            self.producer.sent_entries,
            time.monotonic() - self.began_s,
            self.producer.waited_s,
            self.stopped,
        )


Report = Callable[[PushCounts], None]


def push_records(
    source: Source,
    producer: Producer,
    *,
    rate: float | None = None,
    report: Report | None = None,
    traced: TracedSends | None = None,
) -> PushCounts:
    """Push every row as a record; ``rate`` is in records a second, ``traced`` puts spans around the sends.

    SIGINT and SIGTERM end it early: what is buffered is flushed, and the counts say what was sent. Where reading
    fails in the middle, the rows before it are sent before the error is raised.

    Raises
    ------
    DataError
        The source cannot be read on, or a row cannot travel; the sentence says how many records were sent.
    BacklogFull, ServerUnavailable, StreamError
        As for :meth:`Producer.send`.
    """
    sent_before = producer.sent_records
    with _stoppable(producer) as progress:
        try:
            for row in progress.rows(source):
                if rate is not None:
                    progress.wait_until(progress.began_s + (progress.read - 1) / rate)
                if traced is None:
                    _send(source, row, producer)
                else:
                    with traced.around():
                        _send(source, row, producer)
                if report is not None and (
                    progress.read % _REPORT_ROWS == 0 or (rate or _REPORT_ROWS) < _REPORT_ROWS
                ):
                    report(progress.counts(producer.sent_records, producer.unsent))
        except DataError as error:
            producer.flush()
            if not progress.read:
                raise
            raise _with_count(error, producer.sent_records - sent_before, "records") from error
        finally:
            if traced is not None:
                traced.end()
        unsent = producer.flush(STOP_FLUSH_S if progress.stopped else None)
        return progress.counts(producer.sent_records, unsent)


def push_labels(source: Source, producer: Producer, *, report: Report | None = None) -> PushCounts:
    """Push every row's label; rows whose label is not known yet are skipped and counted.

    Raises
    ------
    DataError
        A row whose id is missing or cannot be one, or a source that cannot be read on; the labels before it are
        sent, and the sentence says how many.
    ServerUnavailable, StreamError
        As for :meth:`Producer.send`.
    """
    ids: list[bytes] = []
    labels: list[float | str | bytes] = []
    sent_before = producer.sent_labels

    def send() -> None:
        taken = list(ids), list(labels)
        ids.clear()
        labels.clear()
        producer.send_labels(*taken)
        if report is not None:
            report(progress.counts(producer.sent_labels, producer.unsent))

    with _stoppable(producer) as progress:
        try:
            for row in progress.rows(source):
                if row.label is None:
                    progress.skipped += 1
                    continue
                record_id, label = _label(source, row)
                ids.append(record_id)
                labels.append(label)
                if len(ids) >= _LABELS:
                    send()
        except DataError as error:
            send()
            producer.flush()
            if not progress.read:
                raise
            raise _with_count(error, producer.sent_labels - sent_before, "labels") from error
        send()
        unsent = producer.flush(STOP_FLUSH_S if progress.stopped else None)
        return progress.counts(producer.sent_labels, unsent)


_NUMBERS: dict[bytes, float | bytes] = {b"0": 0.0, b"1": 1.0, b"0.0": 0.0, b"1.0": 1.0}


def _label(source: Source, row: SourceRow) -> tuple[bytes, float | bytes]:
    """The id and the label of a row that has a label."""
    place = f"{source.name}: line {row.line}"
    if row.id is None and source.id_column is None:
        raise DataError(f"{place} has no id; name the column that holds it (--id)")
    if row.id is None or row.label is None:
        raise DataError(f"{place} is empty in column {source.id_column!r}; write the record's id there")
    label = _NUMBERS.get(row.label, row.label)
    try:
        label_fields(row.id, label)
    except DataError as error:
        raise DataError(f"{place}: {error}") from error
    return row.id, label


def _with_count(error: DataError, sent: int, what: str) -> DataError:
    """An error in mid-source, and what was sent of the rows before it."""
    return DataError(f"{error} ({sent:,} {what} before it were sent)")


def _send(source: Source, row: SourceRow, producer: Producer) -> None:
    try:
        producer.send(row.values, row.id, row.event_time, row.label)
    except DataError as error:
        raise DataError(f"{source.name}: line {row.line}: {error}") from error


@contextmanager
def _stoppable(producer: Producer) -> Iterator[_Progress]:
    """Let SIGINT and SIGTERM end a push in order, where this is the main thread."""
    progress = _Progress(producer, time.monotonic())
    if threading.current_thread() is not threading.main_thread():
        yield progress
        return
    before = {number: signal.signal(number, progress.stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield progress
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

"""Collects every answer of the pipeline, so that the demo can count what was lost or doubled."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from core.connection import MAX_BLOCK_MS, Connection
from core.entry import Entry, streams_of
from core.errors import UsageError
from core.keys import PartitionKeys
from core.prediction import Prediction, PredictionBlock, decode_prediction
from core.rejection import decode_rejection


class Collector:
    """Follows predictions and rejections of one partition from the beginning, on a thread of its own."""

    def __init__(self, redis_url: str, partition: PartitionKeys) -> None:
        self._connection = Connection(redis_url)
        self._predictions = partition.predictions.encode()
        self._streams = (partition.predictions, partition.rejected)
        self._changed = threading.Condition()
        self._stopping = False
        self._last = ["0-0", "0-0"]
        self.predictions: dict[bytes, Prediction] = {}
        self.rejected: dict[bytes, str] = {}  #: reason by record id
        self.answers: Counter[bytes] = Counter()  #: answers by record id
        self._thread = threading.Thread(target=self._run, name="collector", daemon=True)

    def wait_for_answers(self, count: int, timeout_s: float, alive: Callable[[], bool]) -> None:
        """Wait until so many records have an answer.

        Raises
        ------
        UsageError
            They did not come in time, or a service died.
        """
        with self._changed:
            done = self._changed.wait_for(lambda: len(self.answers) >= count or not alive(), timeout_s)
            if not done or len(self.answers) < count:
                raise UsageError(
                    f"only {len(self.answers)} of {count} records were answered; see the scorers' log"
                )

    def catch_up(self) -> None:
        """Take what is there to the last entry; for when nobody writes any more, so that a late double shows."""
        self._stopping = True
        self._thread.join()
        while self._take_next(block_ms=1):
            pass

    @property
    def duplicated(self) -> int:
        """Answers beyond the first of their record."""
        return sum(count - 1 for count in self.answers.values())

    def _run(self) -> None:
        while not self._stopping:
            self._take_next(block_ms=500)

    def _take_next(self, block_ms: int) -> bool:
        """Take the next answers; False where there were none."""
        reply = self._connection.call(
            "XREAD", "COUNT", 500, "BLOCK", min(block_ms, MAX_BLOCK_MS), "STREAMS", *self._streams, *self._last
        )
        found = streams_of(reply)
        for stream, entries in found.items():
            with self._changed:
                for entry in entries:
                    self._take(stream == self._predictions, entry)
                self._changed.notify_all()
            self._last[0 if stream == self._predictions else 1] = entries[-1].id.decode()
        return bool(found)

    def _take(self, is_prediction: bool, entry: Entry) -> None:
        if is_prediction:
            for prediction in _rows(decode_prediction(entry)):
                record_id = prediction.id or b""
                self.predictions[record_id] = prediction
                self.answers[record_id] += 1
            return
        rejection = decode_rejection(entry)
        ids = rejection.block_rows.ids if rejection.block_rows is not None else (rejection.id,)
        for rejected_id in ids or ():
            self.rejected[rejected_id or rejection.record] = rejection.reason
            self.answers[rejected_id or rejection.record] += 1

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopping = True
        self._thread.join(timeout=5)
        self._connection.close()


def _rows(result: Prediction | PredictionBlock) -> Iterator[Prediction]:
    if isinstance(result, PredictionBlock):
        yield from result.predictions()
    else:
        yield result

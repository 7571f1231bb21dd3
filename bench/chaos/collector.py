"""The witness: reads records and results with plain XREAD, and keeps the books.

It moves its position only after it has booked an entry, so an error or a restart of the server never counts twice.
"""

from __future__ import annotations

import threading

from redis.exceptions import RedisError

from bench.chaos.books import Books, Place
from bench.chaos.server import RawClient
from bench.chaos.workload import Workload

#: Entries of one read.
READ_ENTRIES = 400


class Collector:
    """Reads all streams of a pipeline from a thread and keeps the books."""

    def __init__(self, url: str, pipeline: str, partitions: int, workload: Workload) -> None:
        self.books = Books(workload)
        self.lock = threading.Lock()
        self.failure: BaseException | None = None
        self._client = RawClient(url)
        self._after: dict[bytes, bytes] = {}
        self._kinds: dict[bytes, tuple[str, int]] = {}
        for number in range(partitions):
            for kind in ("records", "predictions", "rejected"):
                stream = b"sg:{%b:%d}:%b" % (pipeline.encode(), number, kind.encode())
                self._after[stream] = b"0-0"
                self._kinds[stream] = (kind, number)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="collector", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """End, and raise what ended it before its time."""
        self._stopping.set()
        self._thread.join()
        self._client.close()
        if self.failure is not None:
            raise self.failure

    def level(self) -> bool:
        """Whether all that was seen of the records is answered."""
        with self.lock:
            return not self.books.unanswered()

    def unanswered(self) -> list[Place]:
        """What is still open."""
        with self.lock:
            return self.books.unanswered()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._turn()
        except Exception as error:  # noqa: BLE001  (raised again where the run stops it)
            self.failure = error

    def _turn(self) -> None:
        positions = dict(self._after)
        try:
            reply = self._client.call(
                "XREAD", "COUNT", READ_ENTRIES, "BLOCK", 200, "STREAMS", *positions, *positions.values()
            )
        except RedisError:
            self._stopping.wait(0.05)  # away, loading, or a key of a wrong type: later
            return
        with self.lock:
            for stream, entries in reply or ():
                kind, partition = self._kinds[stream]
                book = {
                    "records": self.books.record,
                    "predictions": self.books.prediction,
                    "rejected": self.books.rejection,
                }[kind]
                for entry_id, fields in entries:
                    book(partition, entry_id, fields)
                    self._after[stream] = entry_id

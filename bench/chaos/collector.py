"""The witness: reads records and results with plain XREAD and decodes ids itself; shares no code with them.

It moves its position only after it has booked an entry, so an error or a restart of the server never counts twice.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from redis.exceptions import RedisError

from bench.chaos.garbage import MARK
from bench.chaos.server import RawClient
from bench.chaos.workload import Workload

#: Entries of one read.
READ_ENTRIES = 400
#: A records entry: number of its partition, and its id.
Place = tuple[int, bytes]
#: Stands for the rows of an entry that was answered as a whole.
WHOLE = -1


@dataclass
class Books:
    """What was seen, by record id and by entry."""

    workload: Workload
    #: (records,) how often each record of the workload was answered
    answers_by_id: Any = None
    #: rows of each entry of a records stream; 1 for a plain record or what is no block
    rows: dict[Place, int] = field(default_factory=dict)
    #: ids of blocks, for those that are rejected as a whole
    block_ids: dict[Place, bytes] = field(default_factory=dict)
    #: rows answered of each entry, in the order in which they were seen
    answered: dict[Place, list[int]] = field(default_factory=lambda: defaultdict(list))
    stray_results: list[str] = field(default_factory=list)
    #: entries that a scorer gave up because of deaths around it, not because of what they hold
    poisoned: set[Place] = field(default_factory=set)
    predicted_rows: int = 0
    rejected_rows: int = 0
    garbage_seen: int = 0

    def __post_init__(self) -> None:
        self.answers_by_id = np.zeros(self.workload.records, dtype=np.int32)

    def record(self, partition: int, entry_id: bytes, fields: list[bytes]) -> None:
        """Book an entry of a records stream."""
        place = (partition, entry_id)
        named = dict(zip(fields[::2], fields[1::2], strict=False))
        count = named.get(b"_n", b"")
        self.rows[place] = int(count) if count.isdigit() and len(count) < 10 else 1
        if b"_ids" in named:
            self.block_ids[place] = named[b"_ids"]

    def prediction(self, partition: int, entry_id: bytes, fields: list[bytes]) -> None:
        """Book an entry of a predictions stream."""
        named = dict(zip(fields[::2], fields[1::2], strict=False))
        if MARK in named:
            self.garbage_seen += 1
            return
        place = (partition, named.get(b"record", b"none"))
        if b"_n" in named:
            packed = named.get(b"_rows")
            rows = range(int(named[b"_n"])) if packed is None else np.frombuffer(packed, "<i4").tolist()
            ids = named[b"_ids"].split(b"\n") if b"_ids" in named else []
        else:
            rows, ids = [int(named[b"row"])], [named[b"id"]]
        self._book(place, rows, ids, f"prediction {entry_id.decode()}")
        self.predicted_rows += len(rows)

    def rejection(self, partition: int, entry_id: bytes, fields: list[bytes]) -> None:
        """Book an entry of a rejected stream."""
        named = dict(zip(fields[::2], fields[1::2], strict=False))
        if MARK in named:
            self.garbage_seen += 1
            return
        place = (partition, named.get(b"record", b"none"))
        rows: Sequence[int] = [WHOLE]
        ids = [named[b"id"]] if b"id" in named else []  # those of a whole block are settled at the end
        if b"_rows" in named:
            rows = np.frombuffer(named[b"_rows"], "<i4").tolist()
            ids = named[b"_ids"].split(b"\n") if b"_ids" in named else []
        if named.get(b"reason") == b"poison":
            self.poisoned.add(place)
        self._book(place, rows, ids, f"rejection {entry_id.decode()}")
        self.rejected_rows += len(rows)

    def settle(self) -> None:
        """Count the ids of blocks that were rejected as a whole; once, when all is read."""
        for place, block_ids in self.block_ids.items():
            for record_id in block_ids.split(b"\n") * self.answered.get(place, []).count(WHOLE):
                index = self.workload.index_of(record_id)
                if index is not None:
                    self.answers_by_id[index] += 1

    def unanswered(self) -> list[Place]:
        """Entries that are not answered in full, in the order of the streams."""
        return [place for place, count in self.rows.items() if not self._complete(place, count)]

    def records_in_windows(self) -> tuple[int, int]:
        """The least and the most records that windows hold or skip: an unusable entry is one."""
        least = most = 0
        for place, count in self.rows.items():
            whole = self.answered.get(place, []) == [WHOLE]
            least += 1 if whole else count
            most += 1 if whole and place not in self.poisoned else count  # the monitor may well read it
        return least, most

    def wrong(self) -> list[tuple[Place, str]]:
        """Entries that were not answered exactly once, and results of entries that nobody pushed."""
        found = [
            (place, f"{count} rows, answered as {self.answered.get(place, [])[:20]}")
            for place, count in self.rows.items()
            if not self._exact(place, count)
        ]
        unknown = self.answered.keys() - self.rows
        return found + [(place, "answered, but never seen in records") for place in unknown]

    def _book(self, place: Place, rows: Sequence[int], ids: list[bytes], what: str) -> None:
        self.answered[place].extend(rows)
        for record_id in ids:
            index = self.workload.index_of(record_id)
            if index is not None:
                self.answers_by_id[index] += 1
        if ids and rows != [WHOLE] and len(ids) != len(rows):
            self.stray_results.append(f"{what} has {len(ids)} ids for {len(rows)} rows")

    def _complete(self, place: Place, count: int) -> bool:
        rows = self.answered.get(place)
        return rows is not None and (rows[0] == WHOLE or len(rows) >= count)

    def _exact(self, place: Place, count: int) -> bool:
        rows = self.answered.get(place, [])
        if rows == [WHOLE]:
            return True
        return len(rows) == count and sorted(rows) == list(range(count))


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

"""The books of a run: what was pushed and what was answered, decoded here; shares no code with the services."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.chaos.garbage import MARK
from bench.chaos.workload import FIRST_RUN, SCHEMA, Batch, Workload, bare_index, first_logits
from core.model import Floats

#: A records entry: number of its partition, and its id.
Place = tuple[int, bytes]
#: Stands for the rows of an entry that was answered as a whole.
WHOLE = -1
#: Batches of the workload that are kept, for entries of several may come in turn.
KEPT_BATCHES = 32


class Result(NamedTuple):
    """A prediction or rejection, until its record is known, too."""

    name: str
    place: Place
    rows: list[int]
    ids: list[bytes]  #: none where it names none
    logits: Floats | None  #: where they are of the run's first model
    rejected: bool


@dataclass
class Books:
    """What was seen, by record id and by entry."""

    workload: Workload
    #: (records,) how often each record of the workload was predicted, and rejected
    predicted_by_id: Any = None
    rejected_by_id: Any = None
    #: (records,) those whose entry was given up because of deaths around it
    poisoned_by_id: Any = None
    #: rows of each entry of a records stream; 1 for a plain record or what is no block
    rows: dict[Place, int] = field(default_factory=dict)
    #: ids that an entry brought, joined by newlines
    own_ids: dict[Place, bytes] = field(default_factory=dict)
    #: number of the first record of an entry that brought no ids
    bare: dict[Place, int] = field(default_factory=dict)
    #: rows answered of each entry, in the order in which they were seen
    answered: dict[Place, list[int]] = field(default_factory=lambda: defaultdict(list))
    stray_results: list[str] = field(default_factory=list)
    wrong_logits: list[str] = field(default_factory=list)
    #: entries that a scorer gave up because of deaths around it, not because of what they hold
    poisoned: set[Place] = field(default_factory=set)
    predicted_rows: int = 0
    rejected_rows: int = 0
    checked_logits: int = 0
    _results: list[Result] = field(default_factory=list)
    _batches: dict[int, Batch] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = self.workload.records
        self.predicted_by_id, self.rejected_by_id = np.zeros(count, np.int32), np.zeros(count, np.int32)
        self.poisoned_by_id = np.zeros(count, np.bool_)

    @property
    def answers_by_id(self) -> NDArray[np.int32]:
        """(records,) how often each record was answered, once the books are settled."""
        return np.asarray(self.predicted_by_id + self.rejected_by_id)

    def record(self, partition: int, entry_id: bytes, fields: list[bytes]) -> None:
        """Book an entry of a records stream."""
        place = (partition, entry_id)
        named = dict(zip(fields[::2], fields[1::2], strict=False))
        count = named.get(b"_n", b"")
        self.rows[place] = int(count) if count.isdigit() and len(count) < 10 else 1
        own = named.get(b"_ids" if b"_n" in named else b"_id")
        if own is not None:
            self.own_ids[place] = own
        elif (first := self._bare_index(named, self.rows[place])) is not None:
            self.bare[place] = first

    def prediction(self, partition: int, entry_id: bytes, fields: list[bytes]) -> None:
        """Book an entry of a predictions stream."""
        named = dict(zip(fields[::2], fields[1::2], strict=False))
        if MARK in named:
            return
        place = (partition, named.get(b"record", b"none"))
        logits = None
        if b"_n" in named:
            packed = named.get(b"_rows")
            rows = list(range(int(named[b"_n"]))) if packed is None else np.frombuffer(packed, "<i4").tolist()
            ids = named[b"_ids"].split(b"\n") if b"_ids" in named else []
            if named.get(b"model") == FIRST_RUN.encode():
                logits = np.frombuffer(named[b"_logit"], "<f8")
        else:
            rows, ids = [int(named[b"row"])], [named[b"id"]]
            if named.get(b"model") == FIRST_RUN.encode():
                logits = np.array([float(named[b"logit"])])
        self._book(Result(f"prediction {entry_id.decode()}", place, rows, ids, logits, False))
        self.predicted_rows += len(rows)

    def rejection(self, partition: int, entry_id: bytes, fields: list[bytes]) -> None:
        """Book an entry of a rejected stream."""
        named = dict(zip(fields[::2], fields[1::2], strict=False))
        if MARK in named:
            return
        place = (partition, named.get(b"record", b"none"))
        rows = [WHOLE]
        ids = [named[b"id"]] if b"id" in named else []
        if b"_rows" in named:
            rows = np.frombuffer(named[b"_rows"], "<i4").tolist()
            ids = named[b"_ids"].split(b"\n") if b"_ids" in named else []
        if named.get(b"reason") == b"poison":
            self.poisoned.add(place)
        self._book(Result(f"rejection {entry_id.decode()}", place, rows, ids, None, True))
        self.rejected_rows += len(rows)

    def settle(self) -> None:
        """Count answers by record, and look whether they fit; once, when all is read."""
        for result in self._results:
            indices = self._indices(result)
            counts = self.rejected_by_id if result.rejected else self.predicted_by_id
            ours = np.array([index for index in indices if index is not None], dtype=np.int64)
            np.add.at(counts, ours, 1)
            self.poisoned_by_id[ours] |= result.place in self.poisoned
            if result.logits is not None and 0 < len(ours) == len(indices):
                self._check_logits(result.name, result.logits, ours)
        self._results.clear()

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

    def _book(self, result: Result) -> None:
        self.answered[result.place].extend(result.rows)
        self._results.append(result)

    def _indices(self, result: Result) -> list[int | None]:
        """Numbers of the records that a result answers; the ids that it names have to be those of its rows."""
        place, whole = result.place, result.rows == [WHOLE]
        rows = list(range(self.rows.get(place, 1))) if whole else result.rows
        if place in self.bare:
            default = b"%d-%b-0" % place
            if result.ids not in ([], [default]):
                self.stray_results.append(f"{result.name} has ids {result.ids[:3]}, its records brought none")
            return [self.bare[place] + row for row in rows]
        own = self.own_ids.get(place, b"").split(b"\n")
        wanted = [own[row] for row in rows if row < len(own)]
        if not whole and place in self.own_ids and result.ids != wanted:
            self.stray_results.append(f"{result.name} has ids {result.ids[:3]}, its rows have {wanted[:3]}")
        return [self.workload.index_of(record_id) for record_id in (result.ids or wanted)]

    def _check_logits(self, name: str, logits: Floats, indices: NDArray[np.int64]) -> None:
        """Compare with what the first model makes of the records, which are all of one batch."""
        number, row = self.workload.place_of(int(indices[0]))
        x = self._batch(number).x[row + indices - indices[0]]
        self.checked_logits += len(x)
        if not np.allclose(logits, first_logits(x), rtol=1e-9, atol=1e-9):
            self.wrong_logits.append(f"{name} of {self.workload.id_at(int(indices[0])).decode()}")

    def _bare_index(self, named: dict[bytes, bytes], count: int) -> int | None:
        """Number of the first record of an entry without ids; None where the workload has no such one."""
        try:
            if b"_n" in named:
                x = np.frombuffer(named.get(b"_x", b""), "<f8").reshape(count, SCHEMA.width)
            else:
                x = np.array([[float(named[name]) for name in SCHEMA.features_encoded[1:]]])
        except (KeyError, ValueError):
            return None
        index = bare_index(x[0]) if len(x) else None
        if index is None or index + count > self.workload.records:
            return None
        number, row = self.workload.place_of(index)
        batch = self._batch(number)
        expected = batch.x[row : row + count, SCHEMA.width - x.shape[1] :]
        return index if batch.bare and expected.tobytes() == x.tobytes() else None

    def _batch(self, number: int) -> Batch:
        """A batch of the workload; the newest few are kept, as entries of one batch come together."""
        if number not in self._batches:
            if len(self._batches) >= KEPT_BATCHES:
                self._batches.pop(next(iter(self._batches)))
            self._batches[number] = self.workload.batch(number)
        return self._batches[number]

    def _complete(self, place: Place, count: int) -> bool:
        rows = self.answered.get(place)
        return rows is not None and (rows[0] == WHOLE or len(rows) >= count)

    def _exact(self, place: Place, count: int) -> bool:
        rows = self.answered.get(place, [])
        if rows == [WHOLE]:
            return True
        return len(rows) == count and sorted(rows) == list(range(count))

"""A sliding sample of recent probabilities of the model in production, in bounded reads."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from core.connection import Connection
from core.keys import PartitionKeys
from core.model import Floats
from core.scripts.entry_fields import EntryFields, EntryQuery, each_entry_fields
from monitor.live.numbers import finite, id_ms, whole
from monitor.live.training_shares import EDGES

#: Records in the sample.
SAMPLE_ROWS = 2_000
#: Records that a look adds at most, once there are some, so that the sample is of several looks.
LOOK_ROWS = 400
#: Probabilities that are read of a block: 2 KB.
BLOCK_ROWS = 256
_FLOAT_BYTES = 8
_FIELDS = ("model", "_n", "p_class1", "p_raw", "_p", "_p_raw", "#_contrib")


class NewestEntry(NamedTuple):
    """A new entry of a predictions stream."""

    partition: int
    id: bytes
    rows: int
    width: int  #: features of a block; 0: it is a plain prediction


class _Chunk(NamedTuple):
    """Probabilities of one entry."""

    ms: int
    probability: Floats  #: (k,)


class PredictionSample:
    """Follows the predictions streams from look to look. What is sampled are the newest entries of each look."""

    def __init__(self) -> None:
        self._last: dict[int, bytes] = {}
        self._chunks: deque[_Chunk] = deque()
        self._of: tuple[str, bool] | None = None
        self.rows = 0
        self.shares: list[float] = []  #: (10,) empty while there is nothing
        self.since_ms: int | None = None
        self.newest: list[NewestEntry] = []  #: entries of the last look, newest first

    def look(
        self,
        connection: Connection,
        partitions: Sequence[tuple[PartitionKeys, float]],
        run_id: str | None,
        *,
        raw: bool,
    ) -> None:
        """Take in what has come.

        ``partitions`` are those with something new, each with its rows per entry. ``run_id`` is the model that
        counts; ``raw``: its probabilities before calibration do.
        """
        self._begin_anew_for(run_id, raw=raw)
        self.newest = []
        if not partitions:
            return
        wanted = (LOOK_ROWS if self.rows else SAMPLE_ROWS) / len(partitions)
        queries = [
            EntryQuery(
                partition.predictions,
                _FIELDS,
                max(1, round(wanted / max(1.0, min(rows, BLOCK_ROWS)))),
                b"(" + self._last[partition.number] if partition.number in self._last else "-",
                cut_bytes=BLOCK_ROWS * _FLOAT_BYTES,
            )
            for partition, rows in partitions
        ]
        added: list[_Chunk] = []
        for (partition, _), found in zip(partitions, each_entry_fields(connection, queries), strict=True):
            if found.entries:
                self._last[partition.number] = found.entries[0].id
            for entry in found.entries:
                read = _read(entry, partition.number, run_id, raw=raw)
                if read is not None:
                    self.newest.append(read[0])
                    added += [read[1]] if len(read[1].probability) else []
        self.newest.sort(key=lambda entry: -id_ms(entry.id))
        self._add(sorted(added, key=lambda chunk: chunk.ms))

    def forget(self, partition: int) -> None:
        """A stream was made anew."""
        self._last.pop(partition, None)

    def _begin_anew_for(self, run_id: str | None, *, raw: bool) -> None:
        of = None if run_id is None else (run_id, raw)
        if of != self._of:
            self._of, self.rows, self.shares, self.since_ms = of, 0, [], None
            self._chunks.clear()

    def _add(self, chunks: list[_Chunk]) -> None:
        if not chunks:
            return
        self._chunks.extend(chunks)
        self.rows += sum(len(chunk.probability) for chunk in chunks)
        while self.rows > SAMPLE_ROWS and len(self._chunks) > 1:
            self.rows -= len(self._chunks.popleft().probability)
        probability = np.concatenate([chunk.probability for chunk in self._chunks])
        counts = np.histogram(probability, EDGES)[0]
        self.shares = (counts / max(1, counts.sum())).tolist()
        self.since_ms = self._chunks[0].ms


def _read(
    entry: EntryFields, partition: int, run_id: str | None, *, raw: bool
) -> tuple[NewestEntry, _Chunk] | None:
    """An entry and its probabilities, none of another model; None for a stray entry of somebody else's."""
    model, count, probability, raw_probability, many, many_raw, contribution_bytes = entry.values
    if model is None:
        return None
    if count is None:
        value = finite(raw_probability if raw else probability)
        if finite(probability) is None:
            return None
        rows, width = 1, 0
        values = np.array([] if value is None else [value])
    else:
        n = whole(count)
        if not n or not contribution_bytes or contribution_bytes % (n * _FLOAT_BYTES):
            return None
        rows, width = n, contribution_bytes // (n * _FLOAT_BYTES)
        column = (many_raw if raw else many) or b""
        values = np.frombuffer(column[: len(column) // _FLOAT_BYTES * _FLOAT_BYTES], "<f8")
    if run_id is None or model != run_id.encode():
        values = values[:0]
    with np.errstate(invalid="ignore"):
        values = values[(values >= 0) & (values <= 1)]
    return NewestEntry(partition, entry.id, rows, width), _Chunk(id_ms(entry.id), values)

"""What is remembered of labels that have no row here: compactly, for their stream may hold millions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.entry import ORIGIN, EntryId

#: One label: the entry that brought it, and 0 or 1.
Label = tuple[EntryId, float]
#: Labels of one id in stream order. Those of one entry share two such tuples, so that a label costs its id and a
#: slot of the dict, about 150 B.
Labels = tuple[Label, ...]

#: Labels without a row kept at most, the newest ones: as many as rows (:data:`trainer.dataset.MAX_ROWS`).
MAX_WAITING_LABELS = 100_000
#: Share that is let go at once beyond the limit: a dict finds its oldest item by walking over those that left it.
_SLACK = 8
#: Spent ids gathered before they are sorted in.
_BUFFER_IDS = 20_000


class WaitingLabels:
    """Labels that came before their row, by record id; bounded by number, the newest kept."""

    def __init__(self, max_labels: int = MAX_WAITING_LABELS) -> None:
        self._max_labels = max_labels
        self._labels: dict[bytes, Labels] = {}  # the id whose newest label is oldest comes first
        self._count = 0
        self._kept_from = ORIGIN
        self.dropped = 0  #: labels let go because there were too many

    def __len__(self) -> int:
        return self._count

    def add(self, record_id: bytes, labels: Labels) -> None:
        """Keep labels, which are newer than all that are here."""
        self._count += len(labels)
        earlier = self._labels.pop(record_id, None)
        self._labels[record_id] = labels if earlier is None else earlier + labels
        if self._count > self._max_labels + self._max_labels // _SLACK:
            self._drop()

    def take(self, record_id: bytes) -> list[Label]:
        """The labels of an id whose row has come; they are not kept any longer."""
        labels = self._labels.pop(record_id, ())
        self._count -= len(labels)
        return [label for label in labels if label[0] >= self._kept_from]

    def forget(self, before: EntryId) -> None:
        """Let go of labels that are older than ``before``."""
        self._kept_from = max(self._kept_from, before)
        gone = []
        for record_id, labels in self._labels.items():
            if labels[-1][0] >= before:
                break
            gone.append(record_id)
        for record_id in gone:
            self._count -= len(self._labels.pop(record_id))

    def _drop(self) -> None:
        gone = []
        left = self._count
        for record_id, labels in self._labels.items():
            if left <= self._max_labels:
                break
            left -= len(labels)
            gone.append(record_id)
        for record_id in gone:
            del self._labels[record_id]
        self.dropped += self._count - left
        self._count = left


class SpentIds:
    """Ids whose label met a row that has been let go since: 16 B an id, as a hash and the time of its label.

    A retiring label is asked for here, so nothing may be missing; of 64-bit hashes two are hardly ever equal.
    """

    def __init__(self) -> None:
        self._hashes: NDArray[np.int64] = np.empty(0, np.int64)  # sorted
        self._times_ms: NDArray[np.int64] = np.empty(0, np.int64)
        self._buffer: dict[int, int] = {}
        self._kept_from_ms = 0

    def __len__(self) -> int:
        return len(self._hashes) + len(self._buffer)

    def __contains__(self, record_id: bytes) -> bool:
        hashed = hash(record_id)
        if hashed in self._buffer:
            return True
        at = int(np.searchsorted(self._hashes, hashed))
        return at < len(self._hashes) and int(self._hashes[at]) == hashed

    def add(self, record_id: bytes, label_ms: int) -> None:
        """Remember an id until its newest label is forgotten."""
        self._buffer[hash(record_id)] = label_ms
        if len(self._buffer) >= _BUFFER_IDS:
            self._sort_in()

    def forget(self, before_ms: int) -> None:
        """Let go of ids whose newest label is older; they leave with the next that are sorted in."""
        self._kept_from_ms = max(self._kept_from_ms, before_ms)

    def _sort_in(self) -> None:
        added = np.array(list(self._buffer.items()), np.int64)
        self._buffer.clear()
        hashes = np.concatenate([added[:, 0], self._hashes])
        times_ms = np.concatenate([added[:, 1], self._times_ms])
        hashes, first = np.unique(hashes, return_index=True)  # the first of a repeated id is the one added now
        kept = times_ms[first] >= self._kept_from_ms
        self._hashes, self._times_ms = hashes[kept], times_ms[first][kept]

"""Sampled rows that may still get a label: where each stands, what the model said of it, whether it has one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from core.model import Floats
from core.model_file import ModelFile
from core.sample_block import SampleBlock
from monitor.trail import Run

#: Rows held at most, the newest ones, as many as the trainer holds. With default ids they took 31 MiB. Where
#: labels come later than so many sampled rows, none finds its row; a smaller sample_share makes the rows last
#: longer.
MAX_ROWS = 100_000
#: Bytes of the held rows in the samples stream at most, half of what that keeps: a restart reads them from there.
MAX_SAMPLE_BYTES = 128 * 1024 * 1024
#: About what a row takes there beside its features: label, position, number and id.
_BESIDE_BYTES = 88
#: Rows that the arrays have room for at first; they grow by a quarter.
_ROOM = 1024


class Samples(Protocol):
    """The samples stream."""

    def newest(self, window: int, behind: int) -> Iterator[SampleBlock]:
        """The blocks of windows ``behind + 1`` to ``window``, newest first."""
        ...


class NoSamples:
    """Where nothing was sampled."""

    def newest(self, window: int, behind: int) -> Iterator[SampleBlock]:  # noqa: ARG002  (as of the protocol)
        """No block."""
        return iter(())


class Mark(NamedTuple):
    """A point to go back to."""

    stop: int
    given: int


class LabelIndex:
    """The newest sampled rows by record id; of a repeated id the newest.

    Rows are numbered in merged order. Everything here can be had again from the samples stream, with what the
    monitor's state says of it, see :meth:`restore`; so an index may outlive the engine that filled it.
    """

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self._window = 0
        self._settled = 0  # number behind the rows of closed windows
        self._model_from = 0  # rows from here on were judged by the model in production
        self._numbers: dict[bytes, int] = {}
        self._ids: deque[bytes] = deque()
        self._base = 0  # number of the arrays' first row
        self._logit = np.empty(_ROOM)
        self._positions = np.empty((_ROOM, 4), dtype=np.int64)
        self._labelled = np.zeros(_ROOM, dtype=np.bool_)
        self._stop = 0  # number behind the newest row
        # since the window before: (number of a row, number that its id had), numbers of rows that got a label
        self._replaced: list[tuple[int, int]] = []
        self._given: list[int] = []

    @property
    def rows(self) -> int:
        """Rows held."""
        return len(self._ids)

    @property
    def judged_rows(self) -> int:
        """Of them, those judged by the model in production: the newest ones."""
        return min(self.rows, self._stop - self._model_from)

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """(rows,) whether each has its label, the oldest first."""
        return self._labelled[self._first - self._base : self._stop - self._base]

    @property
    def oldest_ms(self) -> int | None:
        """Time of the oldest row, None without one."""
        return int(self._positions[self._first - self._base, 0]) if self._ids else None

    @property
    def _first(self) -> int:
        return self._stop - len(self._ids)

    def add(self, ids: Sequence[bytes], logit: Floats, positions: NDArray[np.int64]) -> int:
        """Add the next rows, with their logits (n,) and positions (n, 4); returns the number of the first."""
        first, numbers = self._stop, self._numbers
        self._make_room(len(ids))
        part = slice(first - self._base, first - self._base + len(ids))
        self._logit[part], self._positions[part], self._labelled[part] = logit, positions, False
        self._stop += len(ids)
        self._ids.extend(ids)
        if len(set(ids)) == len(ids) and numbers.keys().isdisjoint(ids):
            numbers.update(zip(ids, range(first, self._stop), strict=True))
            return first
        for number, record_id in enumerate(ids, start=first):
            before = numbers.get(record_id)
            if before is not None:
                self._replaced.append((number, before))
            numbers[record_id] = number
        return first

    def find(self, record_id: bytes) -> int | None:
        """The number of the newest row of an id."""
        return self._numbers.get(record_id)

    def has_label(self, number: int) -> bool:
        """Whether a row got its label."""
        return bool(self._labelled[number - self._base])

    def give_label(self, number: int) -> None:
        """A row gets its label."""
        self._labelled[number - self._base] = True
        self._given.append(number)

    def logit(self, number: int) -> float | None:
        """What the model in production said of a row; None where another one judged it."""
        logit = float(self._logit[number - self._base])
        return logit if number >= self._model_from and np.isfinite(logit) else None

    def ms(self, number: int) -> int:
        """When a row's record came."""
        return int(self._positions[number - self._base, 0])

    def place(self, number: int) -> Run:
        """Where a row stands, under its id."""
        ms, seq, row, partition = self._positions[number - self._base].tolist()
        return Run(partition, ms, seq, [row], [self._ids[number - self._first]])

    def mark(self) -> Mark:
        """This point, to which :meth:`rewind` goes back until the window is closed."""
        return Mark(self._stop, len(self._given))

    def rewind(self, mark: Mark) -> None:
        """Forget rows and labels that came behind a mark."""
        for number in self._given[mark.given :]:
            self._labelled[number - self._base] = False
        del self._given[mark.given :]
        while self._stop > mark.stop:
            self._stop -= 1
            record_id = self._ids.pop()
            if self._replaced and self._replaced[-1][0] == self._stop:
                self._numbers[record_id] = self._replaced.pop()[1]
            else:
                del self._numbers[record_id]

    def change_model(self) -> None:
        """Another model is in production; it has judged no row yet."""
        self._model_from = self._stop

    def settle(self, window: int, width: int, oldest_ms: int) -> None:
        """Window ``window`` is closed: let go of rows that are too many, of ``width`` features, or too old."""
        limit = min(MAX_ROWS, MAX_SAMPLE_BYTES // (8 * width + _BESIDE_BYTES))
        self._let_go(self.rows - limit)
        while self._ids and self.ms(self._first) < oldest_ms:
            self._let_go(1)
        self._window, self._settled = window, self._stop
        self._replaced.clear()
        self._given.clear()

    def labelled_bits(self) -> bytes:
        """What :meth:`restore` needs of the labels: a bit a row, the oldest first; none where no row has one."""
        return np.packbits(self.labelled).tobytes() if self.labelled.any() else b""

    def restore(
        self, window: int, rows: int, judged_rows: int, bits: bytes, samples: Samples, model: ModelFile | None
    ) -> None:
        """As it was when ``window`` was closed with so many rows; what is missing here is read from ``samples``.

        ``model`` is the one that judged the newest ``judged_rows`` rows, None where it is in production no more.
        """
        self.rewind(Mark(self._settled, 0))
        if self._window > window:
            self._clear()
        self._extend(window, rows, samples, model)
        self._let_go(self.rows - rows)
        self._window, self._settled = window, self._stop
        self._model_from = self._stop - (0 if model is None else judged_rows)
        # a stream that lost its oldest rows has fewer than there are bits
        labelled = np.unpackbits(np.frombuffer(bits, np.uint8), count=rows) if bits else np.zeros(rows, np.uint8)
        self.labelled[:] = labelled[rows - self.rows :]
        self._replaced.clear()
        self._given.clear()

    def _extend(self, window: int, rows: int, samples: Samples, model: ModelFile | None) -> None:
        blocks: list[SampleBlock] = []
        found = 0
        for block in samples.newest(window, self._window):
            if found >= rows:
                break
            blocks.append(block)
            found += len(block.ids)
        for block in reversed(blocks):
            logit = np.full(len(block.ids), np.nan)
            if model is not None and block.schema == model.model.schema.fingerprint:
                logit = model.model.score(block.x).logit
            self.add(block.ids, logit, block.positions)

    def _let_go(self, count: int) -> None:
        """Of the oldest rows."""
        ids, numbers = self._ids, self._numbers
        for number in range(self._first, self._first + count):
            record_id = ids.popleft()
            if numbers[record_id] == number:
                del numbers[record_id]

    def _make_room(self, count: int) -> None:
        """Room for so many rows behind the newest, in larger arrays if need be."""
        if self._stop - self._base + count <= len(self._logit):
            return
        room = self.rows + max(_ROOM, self.rows // 4, count)
        held = slice(self._first - self._base, self._stop - self._base)
        logit, positions, labelled = self._logit[held], self._positions[held], self._labelled[held]
        self._base = self._first
        self._logit, self._positions = np.empty(room), np.empty((room, 4), dtype=np.int64)
        self._labelled = np.zeros(room, dtype=np.bool_)
        self._logit[: self.rows], self._positions[: self.rows] = logit, positions
        self._labelled[: self.rows] = labelled

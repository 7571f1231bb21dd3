"""Rows in blocks, shared out to train, to calibrate and to judge, in the same way on every pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from core.errors import DataError
from core.model import Floats
from trainer.dataset import MAX_ROWS, MAX_VALUE_BYTES
from trainer.solvers.objective import Block
from trainer.split import HOLDOUT_SHARE

#: Rows that judge at most: they know the mean log-loss to .002.
JUDGING_ROWS = 50_000
#: Rows that calibrate at most: they pin a map of two parameters down to an excess log-loss of 2 / (2 * 20,000).
CALIBRATING_ROWS = 20_000


class BlockSource(Protocol):
    """Labelled rows in blocks, of which each iteration gives the same ones anew."""

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the columns."""

    @property
    def classes(self) -> tuple[str, str]:
        """Names of class 0 and class 1."""

    @property
    def rows(self) -> int:
        """How many there are."""

    @property
    def csv_sha256(self) -> str | None:
        """Of the whole file that they come from; None: they come from a stream."""

    def with_before(self) -> Iterator[tuple[Block, Floats]]:
        """Blocks of raw rows, with (k, d) the record just before each in time; nan where it is not known."""


class Part(IntEnum):
    """What a row is for; no row is for two things."""

    TRAIN = 0
    CALIBRATE = 1
    JUDGE = 2


class PartedBlock(NamedTuple):
    """A block, and what each of its k rows is for."""

    x: Floats  #: (k, d)
    y: NDArray[np.uint8]  #: (k,)
    numbers: NDArray[np.intp]  #: (k,) of the rows in the source
    part: NDArray[np.uint8]  #: (k,)
    draw: Floats  #: (k,) uniform, by which a sample is taken
    before: Floats  #: (k, d) the record just before each in time; nan where it is not known


@dataclass(frozen=True)
class BlockParts:
    """Which rows are for what: drawn by ``seed``, or in time: the newest judge, those before calibrate."""

    rows: int
    seed: int
    by_time: bool
    judging: float  #: share of the rows
    calibrating: float  #: the same

    @classmethod
    def of(cls, rows: int, seed: int, *, calibrates: bool, by_time: bool) -> BlockParts:
        """As few rows as tell enough are kept from training, and no more than a fifth for each purpose."""
        judging = min(HOLDOUT_SHARE, JUDGING_ROWS / rows)
        return cls(rows, seed, by_time, judging, min(HOLDOUT_SHARE, CALIBRATING_ROWS / rows) * calibrates)

    def shared_out(self, source: BlockSource) -> Iterator[PartedBlock]:
        """One pass; which row is for what depends on its number alone, not on the blocks.

        Raises
        ------
        DataError
            Rows with weights.
        """
        draws, samples = (np.random.default_rng([self.seed, purpose]) for purpose in (2, 3))
        done = 0
        for (x, y, weights), before in source.with_before():
            if weights is not None:
                raise DataError("rows in blocks count once each; leave out their weights, or fit rows in memory")
            numbers = done + np.arange(len(y))
            place = (numbers + 0.5) / self.rows if self.by_time else draws.random(len(y))
            part = np.full(len(y), Part.TRAIN, dtype=np.uint8)
            part[place >= 1.0 - self.judging - self.calibrating] = Part.CALIBRATE
            part[place >= 1.0 - self.judging] = Part.JUDGE
            yield PartedBlock(x, y, numbers, part, samples.random(len(y)), before)
            done += len(y)


def with_row_before(blocks: Iterable[Block]) -> Iterator[tuple[Block, Floats]]:
    """Blocks of rows in time, of which each is the record before the next."""
    last: Floats | None = None
    for block in blocks:
        first = np.full(block.x.shape[1], np.nan) if last is None else last
        yield block, np.concatenate([first[np.newaxis], block.x])[:-1]
        last = block.x[-1] if len(block.y) else last


@dataclass(frozen=True, eq=False)
class TrainingBlocks:
    """The rows of a source that train; each iteration starts anew."""

    source: BlockSource
    parts: BlockParts

    def __iter__(self) -> Iterator[Block]:
        for block in self.parts.shared_out(self.source):
            trains = block.part == Part.TRAIN
            yield Block(block.x[trains], block.y[trains])


def sample_rows(width: int) -> int:
    """Training rows of so many features that are kept in memory, for what sums cannot tell."""
    return max(1, min(MAX_ROWS, MAX_VALUE_BYTES // (8 * width)))

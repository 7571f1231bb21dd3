"""The rows of a source that were not held out, for the promotion rule: in a pass, never all at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.model import Floats
from trainer.block_parts import BlockSource
from trainer.dataset import MAX_VALUE_BYTES
from trainer.holdout import Holdout
from trainer.split import Rows

#: Rows before the judging ones that show how much neighbours have in common, in judging rows: the split in time of
#: a table has as many, and :mod:`trainer.promotion.long_run` needs a series much longer than the judged one.
SERIES = 4


@dataclass(frozen=True, eq=False)
class BlockRest:
    """The rows with which a model was trained or calibrated; iterate for blocks (k, d) of them."""

    source: BlockSource
    held_out: Rows  #: (m,) numbers of the others, ascending

    def __iter__(self) -> Iterator[Floats]:
        for rows in self._blocks():
            yield rows.x

    def newest(self) -> Holdout:
        """The last of them, in a pass: :data:`SERIES` times as many as are held out, where memory allows."""
        width = len(self.source.features)
        most = min(SERIES * len(self.held_out), MAX_VALUE_BYTES // (8 * width))
        kept: deque[Holdout] = deque()
        count = 0
        for rows in self._blocks():
            kept.append(rows)
            count += len(rows.y)
            while count - len(kept[0].y) >= most:
                count -= len(kept.popleft().y)
        x, y = np.concatenate([rows.x for rows in kept]), np.concatenate([rows.y for rows in kept])
        return Holdout(x[-most:], y[-most:])

    def _blocks(self) -> Iterator[Holdout]:
        done = 0
        for (x, y, _), _ in self.source.with_before():
            first, last = np.searchsorted(self.held_out, (done, done + len(y)))
            stays = np.ones(len(y), dtype=np.bool_)
            stays[self.held_out[first:last] - done] = False
            done += len(y)
            yield Holdout(x[stays], y[stays])

"""Block maxima of every channel over simulated streams: what the calibration counts alarms by."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from core.drift.statistics import SCALES, cumulative, sliding_likelihood_ratio, two_sided_cusum
from core.drift.thresholds import ADJUSTED, CHANNELS, FEATURE, PROBABILITY, RADIUS
from core.drift.transform import Columns
from core.model import Floats

#: Records a block. Long against the delays that matter, short against every budget that is calibrated to.
BLOCK_RECORDS = 500
#: Blocks computed together: their columns stay in a core's cache.
_BLOCKS_AT_ONCE = 4
#: Records of a stream before its first block: every scale looks back in full, and the CUSUMs are under way.
RUN_IN_RECORDS = 500


class BlockMaxima:
    """The statistics of one stream without restarts, and the largest value of each channel in each block."""

    def __init__(self, width: int) -> None:
        self._back = max(SCALES)
        self._sums = np.zeros((width, 1))
        self._height = np.zeros((2, 2 * width + 2))

    def add(self, columns: Columns) -> Floats:
        """(blocks, channels) of the next columns, whose number is a multiple of BLOCK_RECORDS."""
        n = columns.whitened.shape[1]
        maxima = np.empty((len(CHANNELS), n // BLOCK_RECORDS))
        sums = cumulative(self._sums[:, -1], columns.whitened)
        sums = np.concatenate([self._sums[:, :-1], sums], axis=1)
        for channel, scale in enumerate(SCALES):
            ratio = sliding_likelihood_ratio(sums, scale)
            maxima[channel] = _by_block(ratio[None, max(0, len(ratio) - n) :], n)[0]
        self._sums = sums[:, -self._back - 1 :].copy()
        self._sums -= self._sums[:, -1:]
        watched = np.concatenate([columns.feature, columns.adjusted, columns.probability, columns.radius])
        paths = two_sided_cusum(self._height, watched)
        self._height = paths[:, :, -1].copy()
        largest = _by_block(paths.max(axis=0), n)
        width = len(columns.feature)
        maxima[FEATURE] = largest[:width].max(axis=0)
        maxima[ADJUSTED] = largest[width : 2 * width].max(axis=0)
        maxima[PROBABILITY], maxima[RADIUS] = largest[2 * width], largest[2 * width + 1]
        return maxima.T


def stream_maxima(stream: Iterator[Columns], width: int) -> Floats:
    """(blocks, channels) of a stream, whose parts are multiples of BLOCK_RECORDS; the run-in is left out."""
    maxima = BlockMaxima(width)
    return np.concatenate([maxima.add(columns) for columns in stream])[RUN_IN_RECORDS // BLOCK_RECORDS :]


def resampled(columns: Columns, blocks: int, generator: np.random.Generator) -> Iterator[Columns]:
    """A stream of ``blocks`` blocks and a run-in, drawn with replacement from N columns."""
    stacked = np.concatenate(
        [columns.whitened, columns.feature, columns.adjusted, columns.probability, columns.radius]
    )
    width = len(columns.whitened)
    left = blocks + RUN_IN_RECORDS // BLOCK_RECORDS
    while left:
        count = min(left, _BLOCKS_AT_ONCE)
        left -= count
        drawn = stacked.take(generator.integers(0, stacked.shape[1], count * BLOCK_RECORDS), axis=1)
        yield Columns(
            drawn[:0],
            drawn[:width],
            drawn[width : 2 * width],
            drawn[2 * width : 3 * width],
            drawn[-2:-1],
            drawn[-1:],
        )


def _by_block(values: Floats, n: int) -> Floats:
    """(c, blocks) largest of the last n values (c, <= n), missing ones before the first counting as 0."""
    missing = n - values.shape[1]
    if missing:
        values = np.concatenate([np.zeros((len(values), missing)), values], axis=1)
    largest: Floats = values.reshape(len(values), -1, BLOCK_RECORDS).max(axis=2)
    return largest

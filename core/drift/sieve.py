"""Streams like an autocorrelated reference: its innovations drawn again, run through its own AR(1) filter.

A bootstrap of rows would lose the dependence, and one of blocks of rows breaks it at every joint, where the
innovation is an outlier (sieve bootstrap; Buehlmann 1997, *Bernoulli* 3:123-148).
"""

from __future__ import annotations

import numpy as np

from core.model import Floats

#: Innovations drawn in a row: dependence that AR(1) leaves over so few records is kept.
_RUN = 10
#: Steps before what is used, so that a path has forgotten that it began at the mean: .99 to the power of this is 1
#: %.
_FORGET = 500


class SieveStreams:
    """``count`` streams side by side, each of v + 1 standardised values a record."""

    def __init__(
        self, autocorrelation: Floats, innovations: Floats, count: int, generator: np.random.Generator
    ) -> None:
        """``autocorrelation`` (v + 1,); ``innovations`` (M, v + 1), z_t - r z_{t-1} of the ordered reference."""
        self._autocorrelation = autocorrelation
        self._innovations = innovations - innovations.mean(axis=0)
        self._generator = generator
        self._last = np.zeros((count, len(autocorrelation)))
        self.next(_FORGET)

    def next(self, records: int) -> Floats:
        """(count, records, v + 1): the streams' next records."""
        count, width = self._last.shape
        runs = -(-records // _RUN)
        starts = self._generator.integers(0, max(1, len(self._innovations) - _RUN + 1), (runs, count))
        rows = (starts[:, None, :] + np.arange(_RUN)[None, :, None]).reshape(runs * _RUN, count)[:records]
        path = self._innovations[rows % len(self._innovations)]
        last = self._last
        for record in range(records):
            last = self._autocorrelation * last + path[record]
            path[record] = last
        self._last = last.reshape(count, width)
        streams: Floats = path.transpose(1, 0, 2)
        return streams

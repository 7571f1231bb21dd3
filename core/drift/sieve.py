"""Streams like an autocorrelated reference: its innovations drawn again, run through its own AR(1) filter.

A bootstrap of rows would lose the dependence, and one of blocks of rows breaks it at every joint, where the
innovation is an outlier (sieve bootstrap; Buehlmann 1997, *Bernoulli* 3:123-148).
"""

from __future__ import annotations

import numpy as np

from core.model import Floats

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
        # one by one: runs of them would make few short sums of their own, and leave out the tails of all others
        path = self._innovations[self._generator.integers(0, len(self._innovations), (records, count))]
        last = self._last
        for record in range(records):
            last = self._autocorrelation * last + path[record]
            path[record] = last
        self._last = last.reshape(count, width)
        streams: Floats = path.transpose(1, 0, 2)
        return streams

"""CUSUMs of rare events, counted pane by pane: what several detectors share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.model import Floats
from monitor.detectors.base import LARGEST_COUNT, DetectorState

Counts = NDArray[np.int64]


class BernoulliCusum:
    """m CUSUMs of the log likelihood ratio of an event's share p1 against p0, over the records of each pane.

    Where the share is p0 or less, their mean run length is at least exp(threshold) panes (Reynolds and Stoumbos
    1999, *J. Quality Technology* 31:87-108; Lorden 1971). ``p0`` and ``p1`` are (m,), 0 < p0 < p1 < 1.
    """

    def __init__(self, p0: Floats, p1: Floats) -> None:
        self._event = np.log(p1 / p0)
        self._other = np.log1p(-p1) - np.log1p(-p0)
        self.restart()

    def restart(self) -> None:
        """Begin anew at 0."""
        self.height = np.zeros(len(self._event))  #: (m,) the CUSUMs
        self.since = np.zeros((3, len(self._event)), dtype=np.int64)
        #: (3, m) events, records in which they were counted, and usable records, since each was last 0

    def add(self, events: Counts, records: int, usable: int) -> None:
        """Add a pane: in how many of its ``records`` each event happened (m,), and how many were usable."""
        if not events.any() and not self.height.any():
            return
        self.since[0] += events
        self.since[1] += records
        self.since[2] += usable
        self.height = np.maximum(0.0, self.height + events * self._event + (records - events) * self._other)
        self.since[:, self.height == 0.0] = 0

    def state(self) -> DetectorState:
        """What is carried from pane to pane."""
        return DetectorState(self.height.astype("<f8").tobytes(), self.since.astype("<i8").tobytes())

    def restore(self, state: DetectorState) -> None:
        """Go on from a state. Raises ValueError for one that does not fit."""
        height = np.frombuffer(state.values, "<f8").astype(np.float64)
        since = np.frombuffer(state.counts, "<i8").reshape(3, -1).astype(np.int64)
        if height.shape != self.height.shape or since.shape != self.since.shape:
            raise ValueError(f"the state holds {len(height)} CUSUMs of events, not {len(self.height)}")
        counted = ((since >= 0) & (since <= LARGEST_COUNT)).all()
        if not (np.isfinite(height).all() and (height >= 0).all() and counted):
            raise ValueError("the state of a CUSUM of events holds what none is")
        self.height, self.since = height, since

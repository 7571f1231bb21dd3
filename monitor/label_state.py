"""What the monitor remembers of labels: with the samples stream, all that decides what it says of further ones."""

from __future__ import annotations

import msgspec

from monitor.detectors.concept import ConceptState
from monitor.label_index import MAX_ROWS
from monitor.trail import Trail

#: Labels that came before their record wait for it, the newest so many; one whose id never comes does, too.
MAX_WAITING = 1_000


class WaitingLabel(msgspec.Struct, frozen=True, array_like=True):
    """A label whose record has not come."""

    id: bytes
    y: float  #: 0 or 1
    ms: int  #: time of its entry


class LabelState(msgspec.Struct, frozen=True):
    """A part of the monitor's state, as of a closed window."""

    labels: int = 0  #: that were looked at, ever
    rows: int = 0  #: sampled rows that may still get a label: the newest so many of the samples stream
    judged_rows: int = 0  #: the newest so many of them were judged by the model of the state
    oldest_ms: int | None = None  #: time of the oldest of them
    labelled: bytes = b""  #: a bit for each of them, the oldest first: it has its label; nothing where none has
    waiting: list[WaitingLabel] = []  #: the newest last
    trail: Trail = Trail()  #: of the rows whose labels were tested, in the order of the test
    test: ConceptState | None = None  #: None: it begins
    patience: int = 0  #: labels without an alarm that make windows calm, see ``monitor.label_watch``

    def after_promotion(self) -> LabelState:
        """What of it outlives a change of production: labels that wait do so for the rows of any model."""
        return LabelState(labels=self.labels, waiting=self.waiting)

    def check(self) -> None:
        """Raise ValueError for values that no monitor writes."""
        if not 0 <= self.judged_rows <= self.rows <= MAX_ROWS or len(self.labelled) not in {0, -(-self.rows // 8)}:
            raise ValueError(f"{self.rows} rows wait for labels, {self.judged_rows} of the model in production")
        if len(self.waiting) > MAX_WAITING or not all(one.y in {0.0, 1.0} for one in self.waiting):
            raise ValueError("the labels that wait for a record are not as written")
        if self.labels < 0 or self.patience < 0:
            raise ValueError(f"{self.labels} labels were looked at")
        self.trail.check()

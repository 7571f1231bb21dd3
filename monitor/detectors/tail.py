"""How often a detector that judges windows may alarm falsely."""

from __future__ import annotations

from dataclasses import dataclass

from core.drift import budget


@dataclass(frozen=True)
class PaneTail:
    """A share of the budget, spent pane by pane."""

    budget: float  #: records to one false alarm over all detectors
    share: float  #: of the detector

    def at(self, pane_records: int) -> float:
        """Probability with which it may alarm at the end of a pane of so many records."""
        return budget.tail(self.budget, self.share, pane_records)

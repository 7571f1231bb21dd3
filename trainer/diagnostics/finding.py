"""What the trainer says of a fitted model: a symptom, what was seen of it, and what to do."""

from __future__ import annotations

from typing import Literal

import msgspec

Symptom = Literal[
    "loss_rising",
    "not_converged",
    "weights_diverging",
    "poor_calibration",
    "stuck_at_half",
    "even_threshold",
    "duplicate_rows",
    "constant_feature",
]

#: What a warning is about: a finding; ``threshold_missed``: no threshold meets the rule that was asked for;
#: ``origin``: where the model comes from.
WarningKind = Literal[Symptom, "threshold_missed", "origin"]


class Finding(msgspec.Struct, frozen=True):
    """One symptom of one fit."""

    symptom: Symptom
    what: str  #: what was seen, with its figures and its cause
    remedy: str

    @property
    def sentence(self) -> str:
        """All of it as one sentence."""
        return f"{self.what}; {self.remedy}."

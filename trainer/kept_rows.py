"""Some rows of a source that is read in blocks."""

from __future__ import annotations

from dataclasses import dataclass

from core.model import Floats
from trainer.split import Rows
from trainer.table import Labels


@dataclass(frozen=True, eq=False)
class KeptRows:
    """Rows that are held in memory, ascending."""

    x: Floats  #: (k, d)
    y: Labels  #: (k,)
    numbers: Rows  #: (k,) in the source
    before: Floats  #: (k, d) the record just before each in time, whatever it is for; nan where it is not known

"""What is said of the labels of a whole file."""

from __future__ import annotations

import msgspec


class FileLabels(msgspec.Struct, frozen=True, kw_only=True):
    """Labels of one column, against the probabilities that the model gave their rows."""

    column: str
    tested: int
    unknown: int  #: rows that could not be used since their label is no class of the model
    log_loss: float | None  #: at the end of the file, over the last few hundred; None where none was tested
    reference_log_loss: float  #: of the rows held out when the model was trained

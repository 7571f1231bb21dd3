"""A judged file as one JSON object, written window by window, so that no file is too long for it."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

import msgspec

from core.settings import Settings
from streamgauge.drift.file_labels import FileLabels
from streamgauge.drift.file_window import FileWindow
from streamgauge.drift.history import History
from streamgauge.drift.reference import Reference
from streamgauge.terminal_text import json_line


class JsonBeginning(msgspec.Struct, frozen=True, kw_only=True):
    """What stands before the windows."""

    file: str
    reference: str  #: a run, or the path of the file of reference rows
    label: str | None  #: the column of classes of what the model was fitted to; None where it is not known
    training_rows: int
    features: tuple[str, ...]
    false_alarm_records: int
    label_false_alarm_records: int  #: of labelled ones
    window_records: int
    slide_records: int


class JsonEnd(msgspec.Struct, frozen=True):
    """What stands behind them."""

    records: int
    skipped: int
    alarms: int
    labels: FileLabels | None  #: None where the file has no column of them


class JsonWriter:
    """Writes to ``out``; an error in mid-file leaves the object unfinished."""

    def __init__(self, out: TextIO, csv: Path, reference: Reference, settings: Settings) -> None:
        self._out = out
        self._before = ""
        beginning = JsonBeginning(
            file=str(csv),
            reference=reference.name,
            label=reference.label,
            training_rows=reference.file.drift.rows,
            features=reference.file.model.schema.features,
            false_alarm_records=settings.false_alarm_records,
            label_false_alarm_records=settings.label_false_alarm_records,
            window_records=settings.window_records,
            slide_records=settings.slide,
        )
        self._opening = json_line(beginning)[:-1] + ',"windows":['

    def add(self, window: FileWindow) -> None:
        """The next window."""
        self._open()
        self._out.write(f"{self._before}\n{json_line(window)}")
        self._before = ","

    def close(self, history: History) -> None:
        """The sum of everything."""
        self._open()
        end = JsonEnd(history.records, history.skipped, history.alarms, history.labels)
        self._out.write("],\n" + json_line(end)[1:] + "\n")

    def _open(self) -> None:
        """Not before the first window: an error until then leaves nothing."""
        self._out.write(self._opening)
        self._opening = ""

"""Judge rows as the monitor judges a stream of them: by its own engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from core.merged_reader import PlacedEntry
from core.settings import Settings
from monitor.model_timeline import JudgingModel
from monitor.state import MonitorState
from monitor.window_engine import ClosedWindow, WindowEngine
from streamgauge.drift.file_window import FileWindow, file_window
from streamgauge.drift.reference import Reference
from streamgauge.drift.source import TIME_MS

#: A time limit that rows of one millisecond do not reach, and a time after it.
_LIMIT_S = 3600.0
_AFTER_MS = TIME_MS + int(_LIMIT_S * 1000)


class FileJudge:
    """Judges the rows of one file.

    Its windows are those of a stream of one partition into which the rows came at once: within ``window_limit_s``,
    and within ``retrain_cooldown_s`` of its first retrain event. So of many alarms in a file only the first cuts
    its window short, unless ``retrain_cooldown_s`` is 0. Nothing is kept for training.

    With ``labels`` those that come with their rows are tested, of sampled rows alone: of all with the default
    ``sample_share``; with a smaller one of as large a share as in the stream, but of other rows, since their ids
    are others. Without labels no row is sampled, and none is remembered.
    """

    def __init__(self, reference: Reference, settings: Settings, *, labels: bool) -> None:
        share = settings.sample_share if labels else 0.0
        settings = msgspec.structs.replace(settings, sample_share=share, window_limit_s=_LIMIT_S)
        model = JudgingModel(reference.name, reference.file)
        self._engine = WindowEngine(settings, MonitorState(), _OneModel(model))
        self.records = 0  #: usable rows in the windows until now
        self.labels_tested = 0
        self.log_loss: float | None = None  #: of the last few hundred labels

    def windows(self, entries: Iterable[list[PlacedEntry]]) -> Iterator[FileWindow]:
        """The windows, each as soon as it closes."""
        for some in entries:
            yield from self._closed(self._engine.feed(some))
        yield from self._closed(self._engine.expire(_AFTER_MS))

    def _closed(self, windows: Iterable[ClosedWindow]) -> Iterator[FileWindow]:
        for closed in windows:
            self.records = closed.state.trail.records
            if closed.drift.labels is not None:
                self.labels_tested += closed.drift.labels.tested
                self.log_loss = closed.drift.labels.log_loss
            yield file_window(closed.drift)


class _OneModel:
    """No promotion while a file is judged."""

    def __init__(self, model: JudgingModel) -> None:
        self._model = model

    def at(self, time_ms: int) -> JudgingModel:  # noqa: ARG002  (as the stream's timeline is asked)
        """The model."""
        return self._model

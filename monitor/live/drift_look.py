"""Follows what the monitor says about drift."""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec

from core.connection import Connection
from core.drift_window import DriftWindow
from core.entry import entries_of, parse_entry_id
from core.errors import RecordError
from core.fields import decode_fields
from core.keys import PipelineKeys
from core.scripts.entry_fields import EntryQuery, each_entry_fields, entry_fields
from core.settings import Settings
from monitor.live.drift_view import DriftView, History, Mark, ReadingView, WindowView
from monitor.live.drift_words import WATCHED, drift_words, earlier_model_words
from monitor.live.events import REFUSED, Events
from monitor.live.heat_map import HeatMap
from monitor.live.numbers import LARGEST_WHOLE, LATEST_MS, id_ms
from monitor.live.text import SENTENCE_CHARACTERS, shown
from monitor.live.window_history import Bucket
from monitor.live.window_reader import WindowReader

#: Newest entries among which the newest window, and the newest with a verdict, are looked for.
LOOKED_AT = 10
#: Most features of a window, features to blame, readings and marks that are told.
MOST_SHIFTS, MOST_BLAMED, MOST_READINGS, MOST_MARKS = 40, 10, 16, 100
#: A history shows so much time at least, also while the first window is younger.
LEAST_SPAN_MS = 10_000
#: Bytes of an entry beyond which it is no window; one of 500 features has 40 KB.
WINDOW_BYTES = 512 * 1024
#: Bytes of an alarm in a window's entry.
ALARM_BYTES = 256 * 1024


class _Said(msgspec.Struct, frozen=True):
    """What of an alarm is shown with its mark."""

    sentence: str


class DriftLook:
    """Looks at windows and at what came of them."""

    def __init__(self, connection: Connection, settings: Settings) -> None:
        self._connection = connection
        self._settings = settings
        self._keys: PipelineKeys = settings.keys
        self._reader = WindowReader(connection, self._keys.drift)
        self._heat = HeatMap(connection, self._keys.drift)
        self._seen = b""  # newest entry when the two windows were read
        self._newest: tuple[bytes, DriftWindow] | None = None
        self._judged: tuple[bytes, DriftWindow] | None = None
        self._alarms: dict[bytes, str] = {}  # sentences of alarms that opened an episode, by entry id

    def look(
        self, now_ms: int, events: Events, run_id: str | None, train_rows: Callable[[str], int | None]
    ) -> DriftView:
        """What is said now; ``run_id`` is in production, ``train_rows`` those of a run, where they are known."""
        self._reader.look()
        if self._reader.newest != self._seen:
            self._read_newest()
            self._seen = self._reader.newest
        span_s, buckets = self._reader.history(now_ms)
        history = _history(span_s, self._reader.first_ms, buckets, now_ms)
        self._read_alarms()
        shown_window = self._judged or self._newest
        newest = None if self._newest is None else self._newest[1]
        return DriftView(
            false_alarm_records=float(self._settings.false_alarm_records),
            window=None if shown_window is None else _window_view(*shown_window),
            words=self._words(newest, run_id, train_rows),
            readings=[] if newest is None else _readings(newest),
            history=history,
            heat=self._heat.look([bucket.worst for bucket in buckets]),
            marks=self._marks(history.from_ms, now_ms, events),
        )

    def _words(
        self, newest: DriftWindow | None, run_id: str | None, train_rows: Callable[[str], int | None]
    ) -> str:
        if newest is None:
            return "No window has closed yet."
        opening = None if newest.episode is None else self._reader.openings.get(newest.episode)
        sentence = None if opening is None else self._alarms.get(opening)
        judged = None if self._judged is None else self._judged[1]
        shifts_of = newest if newest.state != "insufficient" or judged is None else judged
        said = drift_words(newest, judged, sentence, self._settings, train_rows(shifts_of.model))
        return said if run_id is None else f"{earlier_model_words(newest, run_id)}{said}"

    def _read_newest(self) -> None:
        """Read the newest window, and the newest with a verdict; entries that are no windows are passed over."""
        self._newest = self._judged = None
        query = EntryQuery(self._keys.drift, ("state", "#z", "#alarm"), LOOKED_AT)
        for entry_id, (state, shift_bytes, alarm_bytes) in entry_fields(self._connection, query).entries:
            judged = state != b"insufficient"
            if (self._newest is not None and not judged) or (shift_bytes or 0) + (alarm_bytes or 0) > WINDOW_BYTES:
                continue
            window = self._window(entry_id)
            if window is None:
                continue
            self._newest = self._newest or (entry_id, window)
            if judged:
                self._judged = (entry_id, window)
                return

    def _window(self, entry_id: bytes) -> DriftWindow | None:
        entries = entries_of(self._connection.call("XRANGE", self._keys.drift, entry_id, entry_id))
        try:
            window = decode_fields(entries[0], DriftWindow)
        except (IndexError, RecordError):  # trimmed meanwhile, or no window
            return None
        numbers = (window.score, window.threshold)
        counts = (window.window, window.n, window.skipped, window.episode or 0)
        sane = all(map(math.isfinite, numbers)) and all(0 <= count <= LARGEST_WHOLE for count in counts)
        return window if sane else None

    def _read_alarms(self) -> None:
        """Read the sentences of the alarms that opened an episode."""
        openings = list(self._reader.openings.values())
        missing = [entry_id for entry_id in openings if entry_id not in self._alarms]
        self._alarms = {entry_id: self._alarms[entry_id] for entry_id in openings if entry_id in self._alarms}
        if not missing:
            return
        queries = [
            EntryQuery(self._keys.drift, ("alarm",), 1, entry_id, entry_id, cut_bytes=ALARM_BYTES)
            for entry_id in missing
        ]
        for entry_id, found in zip(missing, each_entry_fields(self._connection, queries), strict=True):
            text = found.entries[0].values[0] if found.entries else None
            self._alarms[entry_id] = _sentence(text)

    def _marks(self, from_ms: int, now_ms: int, events: Events) -> list[Mark]:
        """What happened in the span, oldest first. Of an episode the alarm that opened it is marked."""
        marks = [
            Mark(ts_ms=id_ms(entry_id), kind="alarm", text=self._alarms.get(entry_id, "an alarm"), window=window)
            for window, entry_id in self._reader.openings.items()
        ]
        marks += [
            Mark(
                ts_ms=asked.ms,
                kind="retrain",
                text=f"Retraining asked for ({asked.reason})" + (f": {asked.sentence}" if asked.sentence else ""),
                window=asked.window,
            )
            for asked in reversed(events.retrains)
        ]
        marks += [
            Mark(
                ts_ms=change.ms,
                kind="promotion",
                text=change.commanded or f"Run {change.run_id} into production: {change.reason}",
                window=None,
            )
            for change in reversed(events.changes)
        ]
        marks += [
            Mark(
                ts_ms=stay.ms,
                kind="refusal",
                text=f"Production stays: {stay.sentence}",
                window=None,
            )
            for stay in reversed(events.stays)
            if stay.outcome == REFUSED  # what waits for labels, or failed, was not refused
        ]
        within = [mark for mark in marks if from_ms <= mark.ts_ms <= now_ms]
        return sorted(within, key=lambda mark: mark.ts_ms)[-MOST_MARKS:]


def _sentence(alarm: bytes | None) -> str:
    try:
        return shown(msgspec.json.decode(alarm or b"", type=_Said).sentence, SENTENCE_CHARACTERS)
    except msgspec.MsgspecError:
        return "an alarm"


def _history(span_s: int, first_ms: int | None, buckets: list[Bucket], now_ms: int) -> History:
    worst = [bucket.worst for bucket in buckets]
    closed_ms = [point.ms for point in worst[:1]] + ([] if first_ms is None else [first_ms])
    # the first window, too, took its time: as long as the points after it are apart
    apart_ms = (worst[-1].ms - worst[0].ms) // (len(worst) - 1) if len(worst) > 1 else 0
    young_ms = min([now_ms - LEAST_SPAN_MS, *(ms - apart_ms for ms in closed_ms)])
    from_ms = max(0, now_ms - 1000 * span_s, young_ms)
    judged = [point.state != "insufficient" for point in worst]
    return History(
        from_ms=from_ms,
        to_ms=now_ms,
        span_s=(now_ms - from_ms) / 1000,
        ts_ms=[point.ms for point in worst],
        score=[point.score if known else None for point, known in zip(worst, judged, strict=True)],
        threshold=[
            bucket.worst.threshold if known else None for bucket, known in zip(buckets, judged, strict=True)
        ],
        state=[point.state for point in worst],
        window=[point.window for point in worst],
        windows=[bucket.windows for bucket in buckets],
    )


def _window_view(entry_id: bytes, window: DriftWindow) -> WindowView:
    ranked = sorted(window.z.items(), key=lambda item: -abs(item[1]))
    try:
        ts_ms = min(parse_entry_id(window.last_entry).ms, LATEST_MS)
    except ValueError:
        ts_ms = id_ms(entry_id)
    return WindowView(
        window=window.window,
        state=window.state,
        model=shown(window.model),
        score=window.score,
        threshold=window.threshold,
        n=window.n,
        skipped=window.skipped,
        first=shown(window.first),
        last=shown(window.last),
        ts_ms=ts_ms,
        episode=window.episode,
        alarmed=[shown(name) for name in window.alarmed[:MOST_READINGS]],
        p_mean=window.p_mean if math.isfinite(window.p_mean) else None,
        z={shown(feature): z for feature, z in ranked[:MOST_SHIFTS]},
        features=len(ranked),
        blame=[shown(feature) for feature in window.blame[:MOST_BLAMED]],
    )


def _readings(window: DriftWindow) -> list[ReadingView]:
    return [
        ReadingView(
            detector=shown(reading.detector),
            words=WATCHED.get(reading.detector, ""),
            statistic=reading.statistic if math.isfinite(reading.statistic) else None,
            threshold=reading.threshold if math.isfinite(reading.threshold) else None,
            alarm=reading.alarm,
            calm=reading.calm,
        )
        for reading in window.readings[:MOST_READINGS]
    ]

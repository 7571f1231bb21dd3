"""Follows the drift stream: each window once, a bounded number a look, and samples of what was passed over."""

from __future__ import annotations

from typing import Any, get_args

from core.connection import Connection
from core.drift_window import WindowState
from core.entry import parse_entry_id
from core.scripts.entry_fields import EntryFields, EntryQuery, each_entry_fields, entry_fields
from monitor.live.numbers import finite, id_ms, whole
from monitor.live.window_history import Bucket, WindowHistory, WindowPoint

#: Newest windows that are read at first, and calls for them.
FIRST_WINDOWS, FIRST_CALLS = 2_000, 20
#: Windows of one call, and calls of one look before it goes on with the newest ones instead: 2,000 a second.
CALL_WINDOWS, MOST_CALLS = 500, 4
#: Bytes of entries that a call looks at; a window of 500 features has 40 KB.
CALL_BYTES = 4 * 1024 * 1024
#: Windows of each piece of time that was passed over.
SAMPLED_WINDOWS = 4
#: Beginnings of episodes that are remembered, to be marked.
MOST_OPENINGS = 50
#: Stretches of time that were passed over and are remembered.
MOST_GAPS = 8
_FIELDS = ("window", "state", "score", "threshold", "episode")
_STATES: dict[bytes | None, WindowState] = {state.encode(): state for state in get_args(WindowState)}


class WindowReader:
    """Reads what of each window the history needs; of many entries only some fields travel.

    Where windows close faster than looks can follow, or nobody looked for a while, the newest are read and of the
    time before some windows of each point: a lone bad window among them may be missed.
    """

    def __init__(self, connection: Connection, stream: str) -> None:
        self._connection = connection
        self._stream = stream
        self._begin()

    def _begin(self) -> None:
        self._history = WindowHistory()
        self._last = b""  #: id of the newest entry that was read
        self.first_ms: int | None = None  #: when the oldest kept window closed
        self._gaps: list[tuple[int, int]] = []
        self.openings: dict[int, bytes] = {}  #: entry id of each window that opened an episode, by its number
        self.newest: bytes = b""  #: id of the newest entry, whether it is a window or not

    def look(self) -> None:
        """Take in what has come."""
        oldest, newest = each_entry_fields(
            self._connection,
            [
                EntryQuery(self._stream, (), 1, order="oldest"),
                EntryQuery(self._stream, (), 1),
            ],
        )
        found = newest.entries[0].id if newest.entries else b""
        first = oldest.entries[0].id if oldest.entries else b""
        if self._last and (not found or _made_anew(self._last, first, found)):
            self._begin()
        self.newest = found
        self.first_ms = id_ms(first) if first else None
        if found == self._last:
            return
        if not self._last:
            self._read_newest(FIRST_WINDOWS, self.first_ms or 0)
        elif not self._read_on():
            self._read_newest(CALL_WINDOWS, id_ms(self._last))

    def history(self, now_ms: int) -> tuple[int, list[Bucket]]:
        """The span that is shown, in seconds, and its points by time."""
        shown = self._history.shown(now_ms, self.first_ms)
        pieces = self._history.unknown(self._gaps, now_ms)
        if not pieces:
            return shown
        queries = [
            EntryQuery(self._stream, _FIELDS, SAMPLED_WINDOWS, str(first_ms), str(last_ms))
            for first_ms, last_ms in pieces
        ]
        for found in each_entry_fields(self._connection, queries):
            for entry in found.entries:
                point = self._point(entry)
                if point is not None:
                    self._history.add_found(point)
        return self._history.shown(now_ms, self.first_ms)

    def _read_on(self) -> bool:
        """Read what follows the last entry; False where that is too much."""
        for _ in range(MOST_CALLS):
            found = entry_fields(
                self._connection,
                EntryQuery(
                    self._stream, _FIELDS, CALL_WINDOWS, b"(" + self._last, order="oldest", most_bytes=CALL_BYTES
                ),
            )
            self._take(found.entries)
            if not found.more:
                return True
        return False

    def _read_newest(self, count: int, before_ms: int) -> None:
        """Read the newest windows; what is between ``before_ms`` and them is a gap."""
        entries: list[EntryFields] = []
        after = b"-" if not self._last else b"(" + self._last
        last = b"+"
        for _ in range(FIRST_CALLS):
            found = entry_fields(
                self._connection,
                EntryQuery(self._stream, _FIELDS, CALL_WINDOWS, after, last, most_bytes=CALL_BYTES),
            )
            entries += found.entries
            if not found.more:
                break
            last = b"(" + entries[-1].id
            if len(entries) >= count:
                break
        if found.more:
            self._gaps = [*self._gaps, (before_ms, id_ms(entries[-1].id) - 1)][-MOST_GAPS:]
        self._take(entries[::-1])

    def _take(self, entries: list[EntryFields]) -> None:
        for entry in entries:
            point = self._point(entry)
            if point is not None:
                self._history.add(point)
        if entries:
            self._last = entries[-1].id

    def _point(self, entry: EntryFields) -> WindowPoint | None:
        """A window; None for a stray entry of somebody else's."""
        values: list[Any] = entry.values
        window, score, threshold = whole(values[0]), finite(values[2]), finite(values[3])
        state = _STATES.get(values[1])
        if window is None or score is None or threshold is None or state is None:
            return None
        if values[4] is not None and whole(values[4]) == window:
            self.openings[window] = entry.id
            if len(self.openings) > MOST_OPENINGS:
                del self.openings[min(self.openings)]
        return WindowPoint(entry.id, id_ms(entry.id), window, state, score, threshold)


def _made_anew(last: bytes, first: bytes, newest: bytes) -> bool:
    """Whether nothing is left of a stream of which ``last`` was read: it was emptied, or is another one."""
    read_to = parse_entry_id(last)
    return parse_entry_id(newest) < read_to or bool(first and parse_entry_id(first) > read_to)

"""Rows per second of one stream, from what was ever added to it and the rows per entry of its newest entries."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from core.entry import parse_entry_id
from monitor.live.partition_look import StreamLook

#: A rate is that over about so long, so that it stays readable: blocks come in bursts.
SMOOTHED_MS = 5_000
#: After a longer pause between two looks it begins anew: it would be that of the pause.
PAUSED_MS = 15_000
#: Weight of the newest look's rows per entry against those of the looks before.
_NEWEST_WEIGHT = 0.3


class _Counted(NamedTuple):
    """What was counted up to a look."""

    ms: int
    rows: float  #: since the first look


class StreamRate:
    """Follows one stream from look to look."""

    def __init__(self) -> None:
        self.rows_per_entry = 1.0  #: mean of the newest looks
        self.mixed = False  #: entries differ in their rows, so that rows are an estimate
        self._counted: deque[_Counted] = deque()
        self._added = 0
        self._last = b"0-0"

    def look(self, now_ms: int, stream: StreamLook) -> None:
        """Take a look into account. It begins anew with a stream that was made anew."""
        if stream.rows:
            self._learn(stream.rows)
        last = self._counted[-1] if self._counted else None
        anew = stream.added < self._added or self._is_another(stream)
        if last is None or anew or not 0 <= now_ms - last.ms <= PAUSED_MS:
            self._counted = deque([_Counted(now_ms, 0.0)])
        elif now_ms > last.ms:
            rows = last.rows + (stream.added - self._added) * self.rows_per_entry
            self._counted.append(_Counted(now_ms, rows))
            while len(self._counted) > 2 and self._counted[1].ms <= now_ms - SMOOTHED_MS:
                self._counted.popleft()
        else:
            return  # the same millisecond: what came since counts with the next look
        self._added, self._last = stream.added, stream.last

    def _is_another(self, stream: StreamLook) -> bool:
        """Whether nothing was ever removed from a stream of more entries, and yet those of before are gone."""
        whole = stream.length == stream.added > 0 and self._added > 0
        return whole and parse_entry_id(stream.first) > parse_entry_id(self._last)

    @property
    def per_s(self) -> float | None:
        """Rows per second; None before the second look at a stream."""
        if len(self._counted) < 2:
            return None
        first, last = self._counted[0], self._counted[-1]
        return 1000.0 * (last.rows - first.rows) / (last.ms - first.ms)

    def _learn(self, rows: tuple[int, ...]) -> None:
        mean = sum(rows) / len(rows)
        alike = min(rows) == max(rows)
        self.mixed = not alike or (self.mixed and abs(mean - self.rows_per_entry) > 0.01 * mean)
        # what is alike is exact, whatever came before
        weight = _NEWEST_WEIGHT if self.mixed and self._counted else 1.0
        self.rows_per_entry += weight * (mean - self.rows_per_entry)


def total_per_s(rates: list[StreamRate]) -> float | None:
    """Of several streams together; None while one of them is not known."""
    each = [rate.per_s for rate in rates]
    known = [rate for rate in each if rate is not None]
    return sum(known) if known and len(known) == len(each) else None

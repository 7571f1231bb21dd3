"""Windows over time at several scales: of each piece of time the worst window, however many have closed."""

from __future__ import annotations

from typing import NamedTuple

from core.drift_window import WindowState

#: Points of a history.
POINTS = 120
#: Spans of time that a history may show, in seconds; the longer ones hold the 30 days that windows are kept.
SPANS_S = (300, 900, 3_600, 21_600, 86_400, *(86_400 * 2**power for power in range(1, 6)))
#: Spans that are asked for in turn; where none of these holds enough windows, the whole kept history is shown.
STEPS = 5
#: The smallest span is shown that holds so many windows ...
ENOUGH_WINDOWS = 30
#: ... and so many, where a larger one was shown before: else the picture would jump to and fro.
PLENTY_WINDOWS = 45

_RANKS: dict[WindowState, int] = {"insufficient": 0, "ok": 1, "recovering": 1, "drift": 2}


class WindowPoint(NamedTuple):
    """What of a window the history needs."""

    entry_id: bytes
    ms: int  #: when it was closed
    window: int
    state: WindowState
    score: float
    threshold: float

    @property
    def badness(self) -> tuple[int, float]:
        """By which of two windows the worse is known: an alarm, then the score in thresholds."""
        return _RANKS[self.state], self.score / self.threshold if self.threshold > 0 else self.score


class Bucket(NamedTuple):
    """A piece of time."""

    worst: WindowPoint
    windows: int  #: that are known of it


class _Scale:
    """Pieces of one length."""

    def __init__(self, span_s: int) -> None:
        self.span_ms = span_s * 1000
        self.piece_ms = self.span_ms // POINTS
        self.buckets: dict[int, Bucket] = {}
        self.looked_up: set[int] = set()  #: pieces of a gap that were looked at

    def add(self, point: WindowPoint) -> None:
        number = point.ms // self.piece_ms
        known = self.buckets.get(number)
        if known is None:
            self.buckets[number] = Bucket(point, 1)
        else:
            worst = max(known.worst, point, key=lambda each: each.badness)
            self.buckets[number] = Bucket(worst, known.windows + 1)

    def forget(self, now_ms: int) -> None:
        oldest, newest = (now_ms - self.span_ms) // self.piece_ms, now_ms // self.piece_ms
        if len(self.buckets) > POINTS:  # ids of the future are a stranger's
            self.buckets = {
                number: bucket for number, bucket in self.buckets.items() if oldest <= number <= newest
            }
        self.looked_up = {number for number in self.looked_up if number >= oldest}

    def within(self, now_ms: int) -> list[Bucket]:
        oldest_ms = now_ms - self.span_ms
        numbers = sorted(number for number in self.buckets if (number + 1) * self.piece_ms > oldest_ms)
        return [self.buckets[number] for number in numbers]


class WindowHistory:
    """Takes windows in and gives the history of the span that suits their number.

    Pieces begin at multiples of their length, so that a point stays as it is while time goes on.
    """

    def __init__(self) -> None:
        self._scales = [_Scale(span_s) for span_s in SPANS_S]
        self._shown = 0  #: number of the span that was shown last

    def add(self, point: WindowPoint) -> None:
        """A window that was not taken in before."""
        for scale in self._scales:
            scale.add(point)

    def shown(self, now_ms: int, first_ms: int | None) -> tuple[int, list[Bucket]]:
        """The span that is shown, in seconds, and its points; ``first_ms``: when the oldest window closed."""
        for scale in self._scales:
            scale.forget(now_ms)
        self._shown = self._choose(now_ms, first_ms)
        return SPANS_S[self._shown], self._scales[self._shown].within(now_ms)

    def unknown(self, gaps: list[tuple[int, int]], now_ms: int) -> list[tuple[int, int]]:
        """Pieces of the shown span, as first and last millisecond, in which windows may be that were never read.

        ``gaps`` are times of which no window was read. Each piece is named once.
        """
        scale = self._scales[self._shown]
        pieces = []
        for gap_from_ms, gap_to_ms in gaps:
            first = max(gap_from_ms, now_ms - scale.span_ms) // scale.piece_ms
            for number in range(first, min(gap_to_ms, now_ms) // scale.piece_ms + 1):
                if number not in scale.looked_up:
                    scale.looked_up.add(number)
                    start_ms, end_ms = number * scale.piece_ms, (number + 1) * scale.piece_ms - 1
                    pieces.append((max(start_ms, gap_from_ms), min(end_ms, gap_to_ms)))
        return pieces

    def add_found(self, point: WindowPoint) -> None:
        """A window of a gap: it stands for others in the span that is shown now, and counts in no other."""
        self._scales[self._shown].add(point)

    def _choose(self, now_ms: int, first_ms: int | None) -> int:
        for number, scale in enumerate(self._scales[:STEPS]):
            enough = PLENTY_WINDOWS if number < self._shown else ENOUGH_WINDOWS
            if sum(bucket.windows for bucket in scale.within(now_ms)) >= enough:
                return number
        kept_ms = 0 if first_ms is None else now_ms - first_ms
        return next(
            (number for number, scale in enumerate(self._scales) if scale.span_ms >= kept_ms), len(SPANS_S) - 1
        )

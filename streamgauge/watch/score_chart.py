"""The drift score against its threshold over time, as a chart of block characters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from rich.text import Text

from monitor.live.drift_view import DriftView, History, Mark, MarkKind
from streamgauge.watch.glyphs import Glyphs, column_cell
from streamgauge.watch.text import ALARM, CALM, DATA, QUIET, WARN, duration, styled

#: Columns of the labels at the left.
LABEL = 6
#: A window stands for the time since the one before it, but not across a pause this much longer than usual.
PAUSE = 4
#: Room above the threshold where nothing exceeds it.
HEADROOM = 1.3

#: Sign, style and word of each kind of mark.
MARKS: dict[MarkKind, tuple[str, str, str]] = {
    "alarm": ("!", ALARM, "alarm"),
    "retrain": ("R", WARN, "retrain asked"),
    "promotion": ("P", CALM, "promoted"),
    "refusal": ("x", WARN, "refused"),
}


@dataclass(frozen=True)
class Point:
    """What one column of the chart shows."""

    score: float
    threshold: float | None

    @property
    def exceeds(self) -> bool:
        """The score is above the threshold."""
        return self.threshold is not None and self.score > self.threshold

    @property
    def badness(self) -> float:
        """By how much the score comes near its threshold."""
        return self.score / self.threshold if self.threshold else self.score


def columns_of(history: History, width: int) -> list[Point | None]:
    """(width,) the worst point of each column of time; a window fills the time since the one before it."""
    columns: list[Point | None] = [None] * width
    places = [_place(ts_ms, history, width) for ts_ms in history.ts_ms]
    gaps = sorted(after - before for before, after in pairwise(places))
    longest = max(PAUSE * (gaps[len(gaps) // 2] if gaps else 1), 1)
    before = None
    for place, score, threshold in zip(places, history.score, history.threshold, strict=True):
        if score is None:
            before = place
            continue
        point = Point(score, threshold)
        first = place if before is None or place - before > longest else min(before + 1, place)
        for column in range(first, place + 1):
            there = columns[column]
            if there is None or point.badness > there.badness:
                columns[column] = point
        before = place
    return columns


def score_chart(drift: DriftView, width: int, rows: int, glyphs: Glyphs, now_ms: int) -> list[Text]:
    """``rows`` lines: the chart, a line of marks where there are any, the axis of time."""
    history, plot = drift.history, max(width - LABEL, 1)
    marks = _mark_line(drift.marks, history, plot)
    height = rows - 1 - (marks is not None)
    points = columns_of(history, plot)
    known = [point for point in points if point is not None]
    if not known or height < 1:
        return [styled("no window has a verdict yet", QUIET)]
    thresholds = [point.threshold for point in known if point.threshold is not None]
    top = max([point.score for point in known] + [HEADROOM * value for value in thresholds]) or 1.0
    newest = thresholds[-1] if thresholds else None
    labels = {height - 1: _label(top), 0: _label(0.0)}
    if newest is not None:
        labels[min(int(newest / top * height), height - 1)] = _label(newest)
    lines = []
    for row in reversed(range(height)):
        line = styled(labels.get(row, "").rjust(LABEL - 1) + " ", QUIET)
        for point in points:
            line.append_text(_cell(point, row, height, top, glyphs))
        lines.append(line)
    if marks is not None:
        lines.append(Text(" " * LABEL).append_text(marks))
    return [*lines, _axis(drift, plot, now_ms)]


def _cell(point: Point | None, row: int, height: int, top: float, glyphs: Glyphs) -> Text:
    if point is None:
        return Text(" ")
    sign = column_cell(point.score / top * height, row, glyphs)
    limit = None if point.threshold is None else min(int(point.threshold / top * height), height - 1)
    if row == limit and not point.exceeds:
        return styled(glyphs.threshold, WARN)  # columns in its row are above it, also without colours
    if row == limit and sign == " ":
        sign = glyphs.levels[1]
    return styled(sign, ALARM if point.exceeds else DATA)


def _mark_line(marks: Sequence[Mark], history: History, width: int) -> Text | None:
    signs: dict[int, tuple[str, str]] = {}
    for mark in marks:
        place = _place(mark.ts_ms, history, width)
        while place in signs and place + 1 < width:
            place += 1
        signs[place] = MARKS[mark.kind][:2]
    if not signs:
        return None
    line = Text(no_wrap=True)
    for place in range(width):
        sign, style = signs.get(place, (" ", ""))
        line.append(sign, style=style)
    return line


def _axis(drift: DriftView, width: int, now_ms: int) -> Text:
    history = drift.history
    begin = f"{duration((now_ms - history.from_ms) / 1000)} ago"
    behind_s = (now_ms - history.to_ms) / 1000
    end = "now" if behind_s < 10 else f"{duration(behind_s)} ago"
    line = styled(" " * LABEL + begin, QUIET)
    kinds = [kind for kind in MARKS if any(mark.kind == kind for mark in drift.marks)]
    legend = Text(no_wrap=True)
    for kind in kinds:
        sign, style, word = MARKS[kind]
        legend.append(f"  {sign}", style=style).append(f" {word}", style=QUIET)
    room = width - len(begin) - len(end)
    if legend.cell_len + 2 <= room:
        left = (room - legend.cell_len) // 2
        line.append(" " * left).append_text(legend).append(" " * (room - left - legend.cell_len))
    else:
        line.append(" " * max(room, 1))
    return line.append(end, style=QUIET)


def _place(ts_ms: int, history: History, width: int) -> int:
    span = max(history.to_ms - history.from_ms, 1)
    return min(max(int((ts_ms - history.from_ms) / span * width), 0), width - 1)


def _label(value: float) -> str:
    return "0" if not value else f"{value:.2f}" if 0.01 <= value < 100 else f"{value:.1g}"[: LABEL - 1]

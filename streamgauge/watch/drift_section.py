"""The drift: score over time, shift by feature, what each detector says."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.text import Text

from monitor.live.drift_view import DriftView, Heat, ReadingView
from streamgauge.terminal_text import printable
from streamgauge.watch.glyphs import Glyphs, diverging_bar, shade
from streamgauge.watch.score_chart import score_chart
from streamgauge.watch.text import (
    ALARM,
    DATA,
    QUIET,
    STRONG,
    Section,
    amount,
    clock,
    duration,
    padded,
    plain,
    styled,
    title,
)

#: Shift at which a bar is whole, unless one is larger: so that noise looks like noise.
FULL_SHIFT = 1.0
#: Rows that a tall chart wishes.
TALL = 8
#: Columns of a feature's name, of the figure behind its bar, and of the narrowest useful bar.
NAME, FIGURE, LEAST_BAR = 16, 8, 9
#: Width from which the heading names the window.
HEADED_FROM = 50
#: Width from which the shift over time stands beside its bars, and the widest it becomes.
HEAT_FROM, MOST_HEAT = 70, 60


def chart_section(drift: DriftView, glyphs: Glyphs, now_ms: int, *, tall: bool = False) -> Section:
    """Score against threshold, with what happened; ``tall`` where there is room for more than its shape."""

    def draw(width: int, rows: int) -> list[Text]:
        span = f" over {duration(drift.history.span_s)}" if drift.history.span_s else ""
        aside = f"1 false alarm in {amount(drift.false_alarm_records)} records"
        heading = title(f"Drift score against its threshold{span}", width, glyphs, aside)
        return [heading, *score_chart(drift, width, rows - 1, glyphs, now_ms)][:rows]

    if not drift.history.ts_ms:
        return Section(2, 2, 2, draw)
    marked = bool(drift.marks)
    return Section(4 + marked, (TALL if tall else 5) + marked, 13 + marked, draw)


def shift_section(drift: DriftView, glyphs: Glyphs) -> Section:
    """Bars of the newest window's shifts, and beside them how they came."""
    window = drift.window
    shifts = {} if window is None else window.z

    def draw(width: int, rows: int) -> list[Text]:
        number = "" if window is None or width < HEADED_FROM else f"window {window.window}, "
        heading = title("Shift by feature", width, glyphs, f"{number}in training SD")
        if window is None or not shifts:
            return [heading, styled("no window to show yet", QUIET)][:rows]
        lines = [heading, *_bars(shifts, set(window.blame), drift.heat, width, rows - 1, glyphs)]
        left = window.features - (len(lines) - 1)
        if left > 0 and len(lines) < rows:
            lines.append(styled(f"and {left:,} features that are shifted less", QUIET))
        return lines[:rows]

    return Section(3, min(1 + max(len(shifts), 1), 6), 2 + max(len(shifts), 1), draw)


def detector_section(readings: Sequence[ReadingView], glyphs: Glyphs) -> Section:
    """A line a detector."""

    def draw(width: int, rows: int) -> list[Text]:
        lines = [title("Detectors, newest window", width, glyphs)]
        for reading in sorted(readings, key=lambda one: not one.alarm):
            state, style = ("ALARM", ALARM) if reading.alarm else ("calm", QUIET) if reading.calm else ("", "")
            line = styled(f"{state:5} ", style)
            line.append(_against(reading), style=style or DATA)
            lines.append(line.append(" ").append_text(plain(f"{reading.detector}: {reading.words}")))
        return lines[:rows]

    return Section(4, 1 + len(readings), 1 + len(readings), draw)


def _against(reading: ReadingView) -> str:
    statistic = "?" if reading.statistic is None else _figure(reading.statistic)
    limit = "none yet" if reading.threshold is None else _figure(reading.threshold)
    return f"{statistic:>8} of {limit:<8}"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if 100 <= abs(value) < 1e6 else f"{value:.3g}"


def _bars(
    shifts: dict[str, float], blamed: set[str], heat: Heat, width: int, rows: int, glyphs: Glyphs
) -> list[Text]:
    scale = max([FULL_SHIFT, *(abs(value) for value in shifts.values())])
    over_time = dict(zip(heat.features, heat.z, strict=False)) if width >= HEAT_FROM else {}
    name_width = min(NAME, max(cell_len(printable(name)) for name in shifts))
    cells = min(MOST_HEAT, (width - name_width - FIGURE) // 2) if over_time else 0
    bar_width = max(width - name_width - FIGURE - cells - 2 - bool(cells), LEAST_BAR)
    lines = []
    for name, value in list(shifts.items())[:rows]:
        style = ALARM if name in blamed else DATA
        line = styled(f"{padded(name, name_width)} ", STRONG if name in blamed else "")
        line.append(diverging_bar(value / scale, bar_width, glyphs), style=style)
        line.append(f"{value:>+{FIGURE}.2f}", style=style)
        if cells and name in over_time:
            line.append(" ").append(_strip(over_time[name], scale, cells, glyphs), style=style)
        lines.append(line)
    return lines


def _strip(values: Sequence[float | None], scale: float, cells: int, glyphs: Glyphs) -> str:
    """A feature's shift over time: the largest of each piece, as a shade."""
    signs = []
    for cell in range(cells):
        first = cell * len(values) // cells
        last = max((cell + 1) * len(values) // cells, first + 1)
        known = [abs(value) for value in values[first:last] if value is not None]
        signs.append(shade(max(known) / scale, glyphs) if known else " ")
    return "".join(signs)


def mark_section(drift: DriftView, glyphs: Glyphs) -> Section:
    """What happened, the newest first."""

    def draw(width: int, rows: int) -> list[Text]:
        lines = [title("Events", width, glyphs)]
        for mark in sorted(drift.marks, key=lambda one: -one.ts_ms):
            line = styled(f"{clock(mark.ts_ms)} ", QUIET)
            lines.append(line.append(f"{mark.kind:9} ", style=STRONG).append_text(plain(mark.text)))
        return lines[:rows]

    return Section(3, 4, 1 + len(drift.marks), draw)

"""The table of a judged file: its windows, or the interesting ones of many, and each alarm in words."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from streamgauge.drift.file_labels import FileLabels
from streamgauge.drift.file_window import FileAlarm, FileWindow, ratio
from streamgauge.drift.history import History
from streamgauge.terminal_text import counted, printable

#: Windows shown of many: where alarms begin, then others with alarms, then those nearest to one.
MOST_WINDOWS = 20
#: Alarms told in full. Of more only those that follow a window without one: a lasting drift alarms in each.
MOST_ALARMS = 10
#: Features named of an alarm, those to blame first.
BLAMED = 3
_STYLES = {"drift": "red", "recovering": "yellow", "insufficient": "dim"}


@dataclass
class Digest:
    """What the table will show, gathered window by window in bounded memory."""

    _first: list[FileAlarm] = field(default_factory=list)
    _beginning: list[FileAlarm] = field(default_factory=list)
    _kept: list[tuple[bool, bool, float, int, FileWindow]] = field(default_factory=list)
    _alarmed_before: bool = False

    def add(self, window: FileWindow) -> None:
        """The next window; of those equally interesting the earlier one stays."""
        alarmed = window.alarm is not None
        begins = alarmed and not self._alarmed_before
        self._alarmed_before = alarmed
        interest = (begins, alarmed, 0.0 if begins else ratio(window.nearest), -window.window, window)
        if len(self._kept) < MOST_WINDOWS:
            heapq.heappush(self._kept, interest)
        else:
            heapq.heappushpop(self._kept, interest)
        if window.alarm is not None and len(self._first) <= MOST_ALARMS:
            self._first.append(window.alarm)
        if window.alarm is not None and begins and len(self._beginning) < MOST_ALARMS:
            self._beginning.append(window.alarm)

    @property
    def windows(self) -> list[FileWindow]:
        """The most interesting ones in their order."""
        return sorted((kept[-1] for kept in self._kept), key=_number)

    @property
    def alarms(self) -> list[FileAlarm]:
        """All alarms, or those to tell of many."""
        return self._first if len(self._first) <= MOST_ALARMS else self._beginning


def show(console: Console, digest: Digest, history: History) -> None:
    """Print windows, alarms and the sum of it; ``console`` takes nothing for markup."""
    shown = digest.windows
    console.print(_grid(shown))
    left_out = history.windows - len(shown)
    if left_out:
        others = history.alarms - sum(window.alarm is not None for window in shown)
        console.print(
            f"{left_out:,} more, {counted(others, 'window')} with an alarm among them; --json prints all",
            style="dim",
        )
    for alarm in digest.alarms:
        _show_alarm(console, alarm)
    untold = history.alarms - len(digest.alarms)
    if untold:
        console.print(f"{counted(untold, 'more alarm')}; those told follow a window without one", style="dim")
    if history.labels is not None:
        _show_labels(console, history.labels)
    skipped = f" and {history.skipped:,} that could not be used" if history.skipped else ""
    verdict = counted(history.alarms, "alarm") if history.alarms else "no alarm"
    console.print(
        f"{verdict} in {counted(history.records, 'record')}{skipped}, {counted(history.windows, 'window')}",
        style="red" if history.alarms else "green",
    )


def _grid(windows: list[FileWindow]) -> Grid:
    """One row a window; ``closest`` is the detector nearest to its threshold, or farthest beyond."""
    with_skipped = any(window.skipped for window in windows)
    grid = Grid(box=None, pad_edge=False, header_style="bold")
    for name in ("window", "lines", "records", *["skipped"] * with_skipped, "mean|z|", "limit"):
        grid.add_column(name, justify="right", no_wrap=True)
    for name in ("state", "closest", "most shifted"):
        grid.add_column(name, no_wrap=True)
    for window in windows:
        nearest, most = window.nearest, window.blame[0]
        grid.add_row(
            str(window.window),
            "none" if window.first_line is None else f"{window.first_line:,}-{window.last_line:,}",
            f"{window.n:,}",
            *[f"{window.skipped:,}"] * with_skipped,
            f"{window.score:.3f}",
            f"{window.threshold:.3f}",
            Text(window.state, style=_STYLES.get(window.state, "green")),
            f"{nearest.detector} {ratio(nearest):.2f}",
            f"{printable(most, 24)} {window.z[most]:+.2f} SD" if window.n else "",
        )
    return grid


def _show_labels(console: Console, labels: FileLabels) -> None:
    parts = [f"{counted(labels.tested, 'label')} of column {printable(labels.column, 24)} tested"]
    if labels.log_loss is not None:
        usual = f"{labels.reference_log_loss:.3f} for the reference's held-out rows"
        parts.append(f"log-loss {labels.log_loss:.3f} over the last few hundred, {usual}")
    if labels.unknown:
        parts.append(f"{counted(labels.unknown, 'row')} not used for a label that is no class of the reference")
    console.print("; ".join(parts))


def _show_alarm(console: Console, alarm: FileAlarm) -> None:
    effect = (
        f", effect {alarm.effect:.2f} SD" if alarm.blame else ""
    )  # labels, and rows that lack, move no feature
    figures = f"{alarm.detector} {alarm.statistic:.3g}, threshold {alarm.threshold:.3g}{effect}"
    console.print(f"alarm {_at(alarm.line)}: {figures}", style="red")
    console.print(f"  {printable(alarm.sentence)}")
    blamed = ", ".join(f"{printable(name, 24)} {alarm.shift[name]:+.2f} SD" for name in alarm.blame[:BLAMED])
    console.print(f"  suspected {_at(alarm.first_line, 'from ')}{f'; to blame: {blamed}' if blamed else ''}")


def _at(line: int | None, preposition: str = "at ") -> str:
    return "before any usable row" if line is None else f"{preposition}line {line:,}"


def _number(window: FileWindow) -> int:
    return window.window

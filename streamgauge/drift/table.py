"""The table of a judged file: its windows, or the interesting ones of many, and each alarm in words."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import NamedTuple

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from monitor.detectors import constant
from monitor.detectors.words import figures
from streamgauge.drift.file_labels import FileLabels
from streamgauge.drift.file_window import FileAlarm, FileWindow, ratio
from streamgauge.drift.history import History
from streamgauge.terminal_text import NO_BREAK, counted, print_wrapped, printable, shortened

#: Windows shown of many: where alarms begin, then others with alarms, then those nearest to one.
MOST_WINDOWS = 20
#: Alarms told in full. Of more only those that follow a window without one: a lasting drift alarms in each.
MOST_ALARMS = 10
#: Features named of an alarm, those to blame first.
BLAMED = 3
#: Columns of a terminal that the table takes at most. A name of a feature takes what the rest of its row leaves.
WIDTH = 80
_NAME, _LEAST_NAME = 14, 6
_STYLES = {"drift": "red", "recovering": "yellow", "insufficient": "dim"}
#: The state that has too long a name for the table.
_STATES = {"insufficient": "too few"}


@dataclass
class Digest:
    """What the table will show, gathered window by window in bounded memory."""

    _first: list[FileAlarm] = field(default_factory=list)
    _beginning: list[FileAlarm] = field(default_factory=list)
    _kept: list[tuple[bool, bool, float, int, FileWindow]] = field(default_factory=list)
    _alarmed_before: bool = False
    _begun: int = 0

    def add(self, window: FileWindow) -> None:
        """The next window; of those equally interesting the earlier one stays."""
        alarmed = window.alarm is not None
        begins = alarmed and not self._alarmed_before
        self._alarmed_before = alarmed
        self._begun += begins
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

    @property
    def tells_every_beginning(self) -> bool:
        """Whether each alarm that is not told comes in a window right behind another with one."""
        return self._begun <= MOST_ALARMS


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
        where = " in windows that follow these without a pause" if digest.tells_every_beginning else ""
        console.print(f"{counted(untold, 'more alarm')}{where}; --json has all", style="dim")
    if history.labels is not None:
        _show_labels(console, history.labels)
    skipped = f" and {history.skipped:,} that could not be used" if history.skipped else ""
    verdict = counted(history.alarms, "alarm") if history.alarms else "no alarm"
    print_wrapped(
        console,
        f"{verdict} in {counted(history.records, 'record')}{skipped}, {counted(history.windows, 'window')}",
        style="red" if history.alarms else "green",
    )


class _Row(NamedTuple):
    """The cells of a window as the table shows them."""

    lines: str
    skipped: str
    score: str  #: and its limit
    state: str
    closest: str  #: the detector nearest to its threshold, or farthest beyond
    most: str  #: the feature that shifted most, whole
    shift: str


def _grid(windows: list[FileWindow]) -> Grid:
    """One row a window, all of them together no wider than ``WIDTH``."""
    header = _Row("lines", "skipped", "score/limit", "state", "closest", "shift, SD", "")
    rows = [_row(window) for window in windows]
    with_skipped = any(window.skipped for window in windows)
    shown = [place for place in range(len(header) - 2) if with_skipped or header[place] != "skipped"]
    widths = [max(len(row[place]) for row in [header, *rows]) for place in shown]
    left = WIDTH - sum(widths) - max((len(row.shift) + 1 for row in rows), default=0)
    gap = 2 if left - 2 * len(shown) >= _NAME else 1
    most = max(_LEAST_NAME, min(_NAME, left - gap * len(shown)))
    grid = Grid(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="bold")
    for place in shown:
        grid.add_column(header[place], justify="left" if place >= header.index("state") else "right", no_wrap=True)
    grid.add_column(header.most, no_wrap=True)
    for window, row in zip(windows, rows, strict=True):
        cells = [Text(row[place]) for place in shown]
        cells[-2].style = _STYLES.get(window.state, "green")
        grid.add_row(*cells, f"{shortened(row.most, most)} {row.shift}".strip())
    return grid


def _row(window: FileWindow) -> _Row:
    nearest, most = window.nearest, window.blame[0]
    return _Row(
        "none" if window.first_line is None else f"{window.first_line}-{window.last_line}",
        f"{window.skipped:,}",
        f"{window.score:.3f}/{window.threshold:.3f}",
        _STATES.get(window.state, window.state),
        f"{nearest.detector} {_in_thresholds(ratio(nearest))}",
        most if window.n else "",
        f"{window.z[most]:+.2f}" if window.n else "",
    )


def _in_thresholds(number: float) -> str:
    """In five columns; how far beyond a thousand thresholds something lies tells nobody more."""
    if number < 10.0:
        return f"{number:.2f}"
    return f"{number:.0f}" if number < 1_000.0 else "> 999"


def _show_labels(console: Console, labels: FileLabels) -> None:
    parts = [f"{counted(labels.tested, 'label')} of column {printable(labels.column, 24)} tested"]
    if labels.log_loss is not None:
        usual = f"{labels.reference_log_loss:.3f} for the reference's held-out rows"
        parts.append(f"log-loss {labels.log_loss:.3f} over the last few hundred, {usual}")
    if labels.unknown:
        parts.append(f"{counted(labels.unknown, 'row')} not used for a label that is no class of the reference")
    print_wrapped(console, "; ".join(parts))


def _show_alarm(console: Console, alarm: FileAlarm) -> None:
    said = f"{alarm.detector} {figures(alarm.statistic, 3)}, threshold {figures(alarm.threshold, 3)}"
    if alarm.blame and alarm.detector != constant.NAME:  # what else moves no feature has no effect in SD
        said += f", effect {alarm.effect:.2f}{NO_BREAK}SD of {shortened(alarm.blame[0], _NAME)}"
    print_wrapped(console, f"alarm {_at(alarm.line)}: {said}", style="red")
    print_wrapped(console, printable(alarm.sentence), indent=2)
    blamed = _blamed(alarm)
    suspected = f"suspected {_at(alarm.first_line, 'from ')}"
    print_wrapped(console, suspected + (f"; to blame: {', '.join(blamed)}" if blamed else ""), indent=2)


def _blamed(alarm: FileAlarm) -> list[str]:
    """Those first to blame, with their shifts; a feature that was constant in training has none in training SD."""
    if alarm.detector == constant.NAME:
        return [printable(name, 24) for name in alarm.blame[:1]]
    return [
        f"{printable(name, 24)}{NO_BREAK}{alarm.shift[name]:+.2f}{NO_BREAK}SD" for name in alarm.blame[:BLAMED]
    ]


def _at(line: int | None, preposition: str = "at ") -> str:
    return "before any usable row" if line is None else f"{preposition}line {line:,}"


def _number(window: FileWindow) -> int:
    return window.window

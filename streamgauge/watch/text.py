"""Lines of styled text: the pieces that every section of the screen is made of."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.cells import cell_len
from rich.text import Text

from streamgauge.terminal_text import printable, shortened
from streamgauge.watch.glyphs import Glyphs

#: Colours are of the terminal's own palette, and none says anything that no word or sign says too.
ALARM, WARN, CALM, DATA, QUIET, STRONG, TITLE = "bold red", "yellow", "green", "cyan", "dim", "bold", "bold"
#: Longest sentence of other people's making.
MOST = 1_000
#: Columns without which a word at the end of a heading is left out.
LEAST_ASIDE = 12
#: What stands for the rest of a line.
_GOES_ON = ".."
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


@dataclass(frozen=True)
class Section:
    """Lines about one thing, drawn for the room there is."""

    least: int  #: rows without which it is not worth showing
    wish: int  #: rows that show what matters
    most: int  #: rows above which nothing is gained
    draw: Callable[[int, int], list[Text]]  #: from width and rows; what is beyond the rows is cut


def styled(text: str, style: str = "") -> Text:
    """The beginning of a line. A style given to ``Text`` itself would be of all that is appended, too."""
    return Text(no_wrap=True).append(text, style=style)


def title(words: str, width: int, glyphs: Glyphs, aside: str = "") -> Text:
    """A heading over the whole width, with a word at its right end where there is room."""
    line = styled(f"{words} ", TITLE)
    room = width - line.cell_len - 3
    right = f" {_begun(printable(aside), room)}" if aside and room >= LEAST_ASIDE else ""
    line.append(glyphs.rule * max(width - line.cell_len - len(right), 0), style=QUIET)
    return line.append(right, style=QUIET)


def padded(name: str, width: int) -> str:
    """A name of anybody's making in exactly so many columns, without its middle where it is longer."""
    shown = shortened(name, width)
    return shown + " " * (width - cell_len(shown))


def plain(text: str, style: str = "") -> Text:
    """Text of anybody's making, on one line, without control characters."""
    return styled(printable(text, MOST), style)


def joined(parts: Sequence[Text], gap: str) -> Text:
    """Parts of a line, with a sign between them."""
    line = Text(no_wrap=True)
    for number, part in enumerate(parts):
        line.append(f" {gap} " if number else "", style=QUIET).append_text(part)
    return line


def flowed(parts: Sequence[Text], width: int, gap: str, indent: int = 0) -> list[Text]:
    """Parts in as many lines as they need, none of them broken; lines behind the first are deeper."""
    lines: list[list[Text]] = [[]]
    used = 0
    for part in parts:
        needed = part.cell_len + (len(gap) + 2 if lines[-1] else 0)
        if lines[-1] and used + needed > width:
            lines.append([])
            used, needed = indent, part.cell_len
        lines[-1].append(part)
        used += needed
    made = []
    for number, line in enumerate(lines):
        begin = Text(" " * indent if number else "", no_wrap=True)
        made.append(begin.append_text(joined(line, gap)))
    return made


def wrapped(sentence: str, width: int, most: int, style: str = "", indent: int = 0) -> list[Text]:
    """A sentence in at most so many lines, those behind the first deeper; ``..`` where it goes on."""
    text = printable(sentence, MOST)
    lines = textwrap.wrap(text, max(width, indent + 1), subsequent_indent=" " * indent, break_on_hyphens=False)
    if len(lines) > most:
        lines = lines[:most]
        lines[-1:] = [lines[-1][: max(width - len(_GOES_ON), 0)] + _GOES_ON] if lines else []
    return [styled(line, style) for line in lines]


def fitted(line: Text, width: int) -> Text:
    """The line in exactly so many columns: cut, with two dots at the end, or with blanks behind it."""
    line = line.copy()
    if line.cell_len > width > len(_GOES_ON):
        line.truncate(width - len(_GOES_ON), overflow="crop")
        line.append(_GOES_ON, style=QUIET)
    line.truncate(width, overflow="crop", pad=True)
    return line


def beside(left: Sequence[Text], right: Sequence[Text], left_width: int, width: int, gap: int = 2) -> list[Text]:
    """Two columns as lines, the first ``left_width`` wide."""
    rows = max(len(left), len(right))
    blank = Text("")
    made = []
    for row in range(rows):
        line = fitted(left[row] if row < len(left) else blank, left_width)
        line.append(" " * gap)
        line.append_text(fitted(right[row] if row < len(right) else blank, width - left_width - gap))
        made.append(line)
    return made


def duration(seconds: float) -> str:
    """A time as a person says it.

    >>> duration(3.21), duration(75), duration(7_300), duration(200_000)
    ('3.2 s', '75 s', '2.0 h', '2.3 d')
    """
    if seconds < 10:
        return f"{max(seconds, 0.0):.1f} s"
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds / _HOUR:.1f} h" if seconds < 2 * _DAY else f"{seconds / _DAY:.1f} d"


def clock(ts_ms: int | None) -> str:
    """A time of day in UTC."""
    if ts_ms is None:
        return "?"
    try:
        return datetime.fromtimestamp(ts_ms / 1000, tz=UTC).strftime("%H:%M:%S")
    except (ValueError, OverflowError, OSError):  # an entry id that a client chose
        return "?"


def amount(value: float | None) -> str:
    """A number of records, or a rate, with as many digits as matter.

    >>> amount(None), amount(0.0), amount(3.14), amount(103_214.2)
    ('?', '0', '3.1', '103,214')
    """
    if value is None:
        return "?"
    return f"{value:,.1f}" if 0 < abs(value) < 10 and value != round(value) else f"{value:,.0f}"


def _begun(text: str, width: int) -> str:
    """The text, or its beginning where it is longer."""
    line = Text(text)
    if line.cell_len <= width:
        return text
    line.truncate(width - len(_GOES_ON), overflow="crop")
    return line.plain.rstrip() + _GOES_ON

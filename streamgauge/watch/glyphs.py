"""The signs that pictures in a terminal are made of, and the bars made of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from rich.console import Console

#: Parts of a cell that a block can fill.
PARTS = 8
#: Consoles whose fonts have no eighths of a block.
_PLAIN_TERMINALS = frozenset({"linux", "vt100", "vt220"})


@dataclass(frozen=True)
class Glyphs:
    """One set of signs, each one cell wide."""

    levels: str  #: (9,) a cell filled from below, from nothing to whole
    parts: str  #: (9,) a cell filled from the left
    half: str  #: the right half of a cell
    shades: str  #: (5,) from nothing to dark
    rule: str
    threshold: str
    middle: str  #: where a bar has its zero
    gap: str  #: between facts of a line


BLOCKS = Glyphs(
    levels=" ▁▂▃▄▅▆▇█",
    parts=" ▏▎▍▌▋▊▉█",
    half="▐",
    shades=" ░▒▓█",
    rule="─",
    threshold="╌",
    middle="│",
    gap="·",
)
#: For terminals and encodings that have no blocks.
PLAIN = Glyphs(
    levels=" .:-=+*%#",
    parts="    #####",
    half="#",
    shades=" .:*#",
    rule="-",
    threshold="-",
    middle="|",
    gap="|",
)


def glyphs_for(console: Console, environment: Mapping[str, str] = os.environ) -> Glyphs:
    """Blocks where encoding and terminal have them."""
    plain = not console.encoding.startswith("utf") or environment.get("TERM", "") in _PLAIN_TERMINALS
    return PLAIN if plain else BLOCKS


def bar(share: float, width: int, glyphs: Glyphs) -> str:
    """A bar from the left that fills this share of ``width`` cells, and blanks behind it.

    >>> bar(0.5, 4, PLAIN), bar(0.3, 2, BLOCKS)
    ('##  ', '▋ ')
    """
    filled = round(min(max(share, 0.0), 1.0) * width * PARTS)
    if share > 0 and not filled:
        filled = 1
    whole, part = divmod(filled, PARTS)
    text = glyphs.parts[PARTS] * whole + (glyphs.parts[part] if part else "")
    return text.ljust(width)[:width]


def diverging_bar(share: float, width: int, glyphs: Glyphs) -> str:
    """A bar from the middle: to the right for a positive share of -1 to 1, to the left for a negative one.

    >>> diverging_bar(-0.5, 9, PLAIN), diverging_bar(0.5, 9, PLAIN)
    ('  ##|    ', '    |##  ')
    """
    side = (width - 1) // 2
    if share >= 0:
        left, right = " " * side, bar(share, side, glyphs)
    else:
        halves = max(1, round(min(-share, 1.0) * side * 2))
        left = (glyphs.half * (halves % 2) + glyphs.parts[PARTS] * (halves // 2)).rjust(side)[-side:]
        right = " " * side
    return (left + glyphs.middle + right).ljust(width)


def column_cell(level: float, row: int, glyphs: Glyphs) -> str:
    """What row ``row`` from below shows of a column ``level`` rows high; what is not nothing shows.

    >>> "".join(column_cell(1.5, row, BLOCKS) for row in (2, 1, 0))
    ' ▄█'
    """
    filled = round((level - row) * PARTS)
    if row == 0 and level > 0:
        filled = max(filled, 1)
    return glyphs.levels[min(max(filled, 0), PARTS)]


def shade(share: float, glyphs: Glyphs) -> str:
    """A cell as dark as a share of 0 to 1."""
    last = len(glyphs.shades) - 1
    return glyphs.shades[min(max(round(share * last), 0), last)]

"""Text of other people's making, as a terminal may show it."""

from __future__ import annotations

import json
import textwrap

import msgspec
from rich.cells import cell_len
from rich.console import Console

#: Tables of ids need as much; a narrower terminal breaks the lines itself, and a pipe gets them whole.
LEAST_WIDTH = 120
#: A space at which no line is broken.
NO_BREAK = "\u00a0"
#: What stands for the middle of a name that was cut.
_CUT = ".."


def plain_console(*, aside: bool = False, least_width: int = LEAST_WIDTH) -> Console:
    """A console for other people's text, in which nothing is markup; ``aside`` is standard error."""
    console = Console(stderr=aside, markup=False, highlight=False, soft_wrap=True)
    console.width = max(console.width, least_width)
    return console


def print_wrapped(console: Console, sentence: str, *, indent: int = 0, style: str | None = None) -> None:
    """Print a sentence, on a terminal in lines of its width, those behind the first two deeper; whole otherwise.

    A no-break space breaks no line, and is printed as a space.
    """
    begin = " " * indent
    lines = [begin + sentence]
    if console.is_terminal:
        lines = textwrap.wrap(
            sentence,
            console.width,
            initial_indent=begin,
            subsequent_indent=f"{begin}  ",
            break_on_hyphens=False,
        )
    console.print("\n".join(lines).replace(NO_BREAK, " "), style=style)


def shortened(name: str, most: int) -> str:
    """A printable name in at most ``most`` columns of a terminal, without its middle where it is longer.

    >>> shortened("MajorAxisLength", 14), shortened("MajorAxisLength", 15)
    ('MajorA..Length', 'MajorAxisLength')
    """
    shown = printable(name)
    if cell_len(shown) <= most:
        return shown
    left = max(0, most - len(_CUT))
    end = _fitting(shown[::-1], left // 2)[::-1]
    return _fitting(shown, left - cell_len(end)) + _CUT + end


def _fitting(text: str, most: int) -> str:
    """The beginning of a text that takes at most so many columns."""
    taken = 0
    for place, sign in enumerate(text):
        taken += cell_len(sign)
        if taken > most:
            return text[:place]
    return text


def counted(count: int, one: str, many: str = "") -> str:
    """A count with the name of what is counted.

    >>> counted(1, "scorer"), counted(3_000, "scorer"), counted(0, "entry", "entries")
    ('1 scorer', '3,000 scorers', '0 entries')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def json_line(value: object) -> str:
    r"""A value as JSON on one line, in which every control character is spelt out, also those that JSON allows.

    >>> json_line({"id": "a\x9b2J\u202e"})
    '{"id":"a\\u009b2J\\u202e"}'
    """
    text = msgspec.json.encode(value).decode()
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else _escaped(sign) for sign in text)


def _escaped(sign: str) -> str:
    return "\\u007f" if sign == "\x7f" else json.dumps(sign)[1:-1]  # json takes DEL for text


def printable(text: str | bytes, most: int = 200) -> str:
    r"""The text on one line with every control character spelt out, cut short.

    >>> printable("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    whole = text.decode("utf-8", "backslashreplace") if isinstance(text, bytes) else text
    shown = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in whole[:most])
    return shown + ("..." if len(whole) > most else "")

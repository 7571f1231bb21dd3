"""Text of other people's making, as a terminal may show it."""

from __future__ import annotations

from rich.console import Console

#: Tables of ids need as much; a narrower terminal breaks the lines itself, and a pipe gets them whole.
LEAST_WIDTH = 120


def plain_console(*, aside: bool = False) -> Console:
    """A console for other people's text, in which nothing is markup; ``aside`` is standard error."""
    console = Console(stderr=aside, markup=False, highlight=False, soft_wrap=True)
    console.width = max(console.width, LEAST_WIDTH)
    return console


def counted(count: int, one: str, many: str = "") -> str:
    """A count with the name of what is counted.

    >>> counted(1, "scorer"), counted(3_000, "scorer"), counted(0, "entry", "entries")
    ('1 scorer', '3,000 scorers', '0 entries')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def printable(text: str | bytes, most: int = 200) -> str:
    r"""The text on one line with every control character spelt out, cut short.

    >>> printable("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    whole = text.decode("utf-8", "backslashreplace") if isinstance(text, bytes) else text
    shown = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in whole[:most])
    return shown + ("..." if len(whole) > most else "")

"""Text of other people's making as the live state repeats it: bounded, on one line, without control characters."""

from __future__ import annotations

#: Most characters of a name or an id; a feature name has at most as many.
NAME_CHARACTERS = 128
#: Most characters of a sentence.
SENTENCE_CHARACTERS = 600
#: What says that a text was cut.
_CUT = "..."


def shown(text: bytes | str, most: int = NAME_CHARACTERS) -> str:
    r"""The text in at most ``most`` characters and three dots, what cannot be printed spelt out.

    It stays text: whoever puts it into a page or on a terminal escapes what means something there.

    >>> shown(b"<b>\x1b[2J\xff"), shown("a" * 200, 4)
    ('<b>\\x1b[2J\\xff', 'aaaa...')
    """
    most_bytes = 4 * most + 4  # one character more than is shown, even of four bytes each
    cut = len(text) > (most_bytes if isinstance(text, bytes) else most)
    whole = text[:most_bytes].decode("utf-8", "backslashreplace") if isinstance(text, bytes) else text[: most + 1]
    printable = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in whole[:most])
    return printable[:most] + (_CUT if cut or len(whole) > most or len(printable) > most else "")

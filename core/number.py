"""Numbers as text on the wire: strict to read, shortest to write."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from core.errors import RecordError

# One decimal number. Possessive quantifiers keep hostile digit strings linear.
_DECIMAL = rb"[+-]?+(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)(?:[eE][+-]?+[0-9]++)?+"
_ONE = re.compile(_DECIMAL)
_MANY = re.compile(rb"(?:" + _DECIMAL + rb"\n)*+")
_NOT_FINITE = re.compile(rb"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)

#: How much of an offending value a message shows; the whole value is kept in the rejection.
SHOWN_BYTES = 40


def shown(value: bytes) -> str:
    """A value as a message shows it: quoted, printable, cut short."""
    text = value[:SHOWN_BYTES].decode("utf-8", "backslashreplace")
    return repr(text) + ("..." if len(value) > SHOWN_BYTES else "")


def parse_number(value: bytes, field: str) -> float:
    """Read one decimal number.

    >>> parse_number(b"4.5e1", "Area")
    45.0

    Raises
    ------
    RecordError
        ``not_finite`` for nan, inf and what overflows float64; ``not_a_number`` for any other text.
    """
    if _ONE.fullmatch(value):
        number = float(value)
        if math.isfinite(number):
            return number
        raise RecordError("not_finite", f"{field} is {shown(value)}, which is beyond the range of float64")
    if _NOT_FINITE.fullmatch(value):
        raise RecordError("not_finite", f"{field} is {shown(value)}; send a finite number")
    raise RecordError("not_a_number", f"{field} is {shown(value)}; send an ASCII decimal number")


def all_decimal(values: Sequence[bytes]) -> bool:
    """Whether every value is a decimal number: one pass of one regular expression over all of them."""
    text = b"\n".join(values) + b"\n" if values else b""
    return _MANY.fullmatch(text) is not None and text.count(b"\n") == len(values)


def shortest(number: float) -> str:
    """The shortest text that reads back to the same float64."""
    return repr(float(number))

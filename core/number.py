"""Numbers as text on the wire: strict to read, shortest to write."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.errors import RecordError

# One decimal number. Possessive quantifiers keep hostile digit strings linear.
_DECIMAL = rb"[+-]?+(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)(?:[eE][+-]?+[0-9]++)?+"
_ONE = re.compile(_DECIMAL)
_MANY = re.compile(rb"(?:" + _DECIMAL + rb"\n)*+")
_NOT_FINITE = re.compile(rb"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(list[float])

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


def parse_json_numbers(values: Sequence[bytes]) -> list[float] | None:
    """The values as numbers, twice as fast as one by one; None where one of them is no number as JSON writes it.

    That is a decimal number of the wire format without a plus sign, leading zeros, or a bare decimal point, so
    None decides nothing: read them one by one. ``-0`` is not read here either: JSON's integers have no such zero.
    """
    text = b",".join(values)
    if b"-0," in text or text.endswith(b"-0") or any(space in text for space in (b" ", b"\t", b"\n", b"\r")):
        return None
    try:
        numbers = _decoder.decode(b"[%b]" % text)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return numbers if len(numbers) == len(values) else None


def shortest_texts(numbers: NDArray[np.float64]) -> list[str]:
    """:func:`shortest` of each of many finite numbers (n,), several times as fast.

    >>> shortest_texts(np.array([0.5, 1e-5, 1e16]))
    ['0.5', '1e-05', '1e+16']
    """
    texts = json_texts(numbers)
    size = np.abs(numbers)
    for place in np.flatnonzero((size < 1e-4) | (size >= 1e16)).tolist():  # JSON has its own way with these
        texts[place] = shortest(numbers[place])
    return texts


def json_texts(numbers: NDArray[np.float64]) -> list[str]:
    """The text that JSON has for each of many finite numbers (n,), which reads back to the same float64."""
    return _encoder.encode(numbers.tolist())[1:-1].decode().split(",") if len(numbers) else []


def shortest(number: float) -> str:
    """The shortest text that reads back to the same float64."""
    return repr(float(number))

"""The reserved fields of a record: id, event time, label. One reading for plain records and blocks."""

from __future__ import annotations

import re

from core.errors import RecordError
from core.number import shown

#: Longest record id on the wire.
MAX_ID_BYTES = 128
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_MILLISECONDS = re.compile(rb"[0-9]{1,15}")
_LABEL_NUMBERS = {b"0": 0.0, b"1": 1.0, b"0.0": 0.0, b"1.0": 1.0}


def check_id(value: bytes, field: str = "_id") -> bytes:
    """An opaque id of 1 to 128 bytes without control characters. Raises RecordError ``bad_field``."""
    if not value or len(value) > MAX_ID_BYTES or _CONTROL.search(value):
        raise RecordError(
            "bad_field", f"{field} is {shown(value)}; send 1 to {MAX_ID_BYTES} bytes without control characters"
        )
    return value


def parse_event_time_ms(value: bytes) -> int:
    """Event time in milliseconds since 1970. Raises RecordError ``bad_field``."""
    if not _MILLISECONDS.fullmatch(value):
        raise RecordError("bad_field", f"_ts is {shown(value)}; send milliseconds since 1970 as digits")
    return int(value)


def parse_label(value: bytes, classes: tuple[str, str], field: str = "_y") -> float:
    """A label as 0 or 1, from the number or the class name; empty means unknown (nan).

    >>> parse_label(b"Besni", ("Kecimen", "Besni"))
    1.0

    Raises
    ------
    RecordError
        ``bad_field`` for anything else.
    """
    if not value:
        return float("nan")
    for label, name in enumerate(classes):
        if value == name.encode():
            return float(label)
    number = _LABEL_NUMBERS.get(value)
    if number is None:
        raise RecordError("bad_field", f"{field} is {shown(value)}; send 0, 1, {classes[0]!r} or {classes[1]!r}")
    return number

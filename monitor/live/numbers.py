"""Numbers as strangers may have written them: one that cannot be is None, never an error."""

from __future__ import annotations

import math

#: Whole numbers up to this one are exact in JavaScript, which reads the state.
LARGEST_WHOLE = 2**53 - 1
#: The end of the last year that calendars of programs know, less a day for time zones: 9999-12-31, UTC.
LATEST_MS = 253_402_214_400_000
_MOST_DIGITS = len(str(LARGEST_WHOLE))
_MOST_CHARACTERS = 40


def whole(text: bytes | None) -> int | None:
    """A whole number from 0 on.

    >>> whole(b"12"), whole(b"-1"), whole(b"9" * 99), whole(None)
    (12, None, None, None)
    """
    if text is None or len(text) > _MOST_DIGITS or not text.isdigit():
        return None
    number = int(text)
    return number if number <= LARGEST_WHOLE else None


def finite(text: bytes | None) -> float | None:
    """A finite number.

    >>> finite(b"1.5"), finite(b"nan"), finite(b"1e999"), finite(b"x"), finite(None)
    (1.5, None, None, None, None)
    """
    if text is None or len(text) > _MOST_CHARACTERS:
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def time_ms(text: bytes | None) -> int | None:
    """A time in milliseconds since 1970; one that no calendar has is None.

    >>> time_ms(b"1700000000000"), time_ms(b"9007199254740991"), time_ms(b"x")
    (1700000000000, None, None)
    """
    number = whole(text)
    return None if number is None or number > LATEST_MS else number


def id_ms(entry_id: bytes) -> int:
    """The time in an entry id, no later than calendars go."""
    return min(int(entry_id.partition(b"-")[0]), LATEST_MS)

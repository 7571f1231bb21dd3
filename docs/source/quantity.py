"""Figures in words: bytes, durations, counts."""

from __future__ import annotations

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS


def bytes_in_words(size: int) -> str:
    """A size in the largest unit that it is a whole number of.

    >>> bytes_in_words(1048576), bytes_in_words(100)
    ('1 MiB', '100 bytes')
    """
    for factor, unit in ((1024**2, "MiB"), (1024, "KiB")):
        if size % factor == 0:
            return f"{size // factor:,} {unit}"
    return f"{size:,} bytes"


def ms_in_words(ms: int) -> str:
    """A duration of whole hours, in days where it is that many.

    >>> ms_in_words(3600000), ms_in_words(604800000)
    ('1 h', '7 days')
    """
    return f"{ms // _DAY_MS} days" if ms % _DAY_MS == 0 else f"{ms // _HOUR_MS} h"


def kept_in_words(keep: tuple[int, int]) -> str:
    """How long and how much is kept, as (ms, bytes).

    >>> kept_in_words((86400000 * 7, 64 * 1024 * 1024))
    '7 days and 64 MiB'
    """
    return f"{ms_in_words(keep[0])} and {bytes_in_words(keep[1])}"

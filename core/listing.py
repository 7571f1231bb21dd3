"""Names as a message lists them."""

from __future__ import annotations

from collections.abc import Sequence

#: How many names a message lists, and how much of each.
LISTED_NAMES = 12
NAME_LENGTH = 40


def listed(names: Sequence[str]) -> str:
    """Names quoted, each and all of them cut short.

    >>> listed(["a", "b"])
    "'a', 'b'"
    """
    quoted = [repr(name[:NAME_LENGTH]) for name in names[:LISTED_NAMES]]
    return ", ".join(quoted) + (", ..." if len(names) > LISTED_NAMES else "")

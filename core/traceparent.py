"""The trace context that a record may carry from its producer to whoever reads its result.

It is text of the W3C recommendation "Trace Context" (section 3.2, version 00), as
``00-<trace id>-<span id>-<flags>``. Anything else is as if the field were not there: no record is lost for that.
"""

from __future__ import annotations

import re

from core.entry import Entry

#: The field of a record and of its results.
FIELD = b"_traceparent"
#: Bytes of every such value.
TRACEPARENT_BYTES = 55
_VERSION_00 = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def is_traceparent(value: bytes) -> bool:
    """Whether a value can be read; ids of zeros mean nothing.

    >>> is_traceparent(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    True
    """
    return _VERSION_00.fullmatch(value) is not None


def traceparent_of(entry: Entry) -> bytes | None:
    """What an entry carries, where it can be read."""
    fields = entry.fields
    if FIELD not in fields:  # most have none, and this is a tenth of looking at the names
        return None
    for place in range(0, len(fields) - 1, 2):
        if fields[place] == FIELD:
            return fields[place + 1] if is_traceparent(fields[place + 1]) else None
    return None


def is_sampled(traceparent: bytes) -> bool:
    """Whether whoever made it records the trace (flag 01)."""
    return bool(int(traceparent[53:], 16) & 1)

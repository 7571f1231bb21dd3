"""What lies in the arguments of a publish call."""

from __future__ import annotations

from collections.abc import Iterable

from producer.packed import Packed


def fields_of(calls: Iterable[Packed]) -> list[list[bytes]]:
    """The field list of each entry, in order; checks that the counts of each call fit its arguments."""
    entries: list[list[bytes]] = []
    for call in calls:
        before, at = len(entries), 0
        while at < len(call.arguments):
            count = int(call.arguments[at])
            fields = [
                argument for argument in call.arguments[at + 1 : at + 1 + count] if isinstance(argument, bytes)
            ]
            assert len(fields) == count
            entries.append(fields)
            at += 1 + count
        assert len(entries) - before == call.entries
        assert sum(sum(map(len, fields)) for fields in entries[before:]) == call.size_bytes
    return entries

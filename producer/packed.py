"""Entries as the publish script takes them: one flat list of arguments, so that many travel at the cost of one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from core.scripts.publish import MAX_CALL_ENTRIES

#: Bytes a call may carry beyond its first entry: the server works on nothing else meanwhile.
MAX_CALL_BYTES = 4 * 1024 * 1024


class PackedEntry(NamedTuple):
    """One stream entry, and how many records it holds."""

    fields: list[bytes]
    records: int


@dataclass(slots=True)
class Packed:
    """Entries that go to the server together: for each the number of its names and values, then those."""

    arguments: list[bytes | int]
    entries: int
    records: int
    size_bytes: int

    def has_room_for(self, entries: int, size_bytes: int) -> bool:
        """Whether so much more still fits into one call."""
        return self.entries + entries <= MAX_CALL_ENTRIES and self.size_bytes + size_bytes <= MAX_CALL_BYTES

    def take(self, other: Packed) -> None:
        """Append what another holds."""
        self.arguments += other.arguments
        self.entries += other.entries
        self.records += other.records
        self.size_bytes += other.size_bytes


def pack(entries: Iterable[PackedEntry]) -> list[Packed]:
    """Entries, in order, in as few calls as the limits allow."""
    packed: list[Packed] = []
    for fields, records in entries:
        size_bytes = sum(map(len, fields))
        if not packed or not packed[-1].has_room_for(1, size_bytes):
            packed.append(Packed([], 0, 0, 0))
        last = packed[-1]
        last.arguments.append(len(fields))
        last.arguments += fields
        last.entries += 1
        last.records += records
        last.size_bytes += size_bytes
    return packed

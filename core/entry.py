"""Stream entries as the server hands them out, and their ids."""

from __future__ import annotations

from typing import Any, NamedTuple

from core.number import shown

#: Version of the wire format; absent means 1.
WIRE_VERSION = b"1"


class Entry(NamedTuple):
    """One stream entry: its id, and field, value, field, value, ... as raw bytes (so a repeated field shows)."""

    id: bytes
    fields: list[bytes]

    @property
    def size_bytes(self) -> int:
        """Bytes of all names and values."""
        return sum(map(len, self.fields))


class EntryId(NamedTuple):
    """An entry id as numbers, ordered as the server orders it."""

    ms: int
    seq: int

    def __str__(self) -> str:
        return f"{self.ms}-{self.seq}"

    @property
    def before(self) -> EntryId:
        """The largest id that is smaller; 0-0 stays."""
        if self.seq:
            return EntryId(self.ms, self.seq - 1)
        return EntryId(self.ms - 1, 2**64 - 1) if self.ms else self

    @property
    def after(self) -> EntryId:
        """The smallest id that is larger."""
        return EntryId(self.ms, self.seq + 1) if self.seq < 2**64 - 1 else EntryId(self.ms + 1, 0)


#: Before every entry.
ORIGIN = EntryId(0, 0)


def parse_entry_id(text: bytes | str) -> EntryId:
    """Read ``ms-seq``, or ``ms`` alone as ``ms-0``.

    >>> parse_entry_id(b"1700000000000-3")
    EntryId(ms=1700000000000, seq=3)
    """
    ms, _, seq = text.partition(b"-") if isinstance(text, bytes) else text.partition("-")
    return EntryId(int(ms), int(seq or 0))


def entries_of(reply: Any) -> list[Entry]:
    """Entries of a raw XRANGE, XCLAIM or one stream's XREADGROUP reply; entries deleted meanwhile are left out."""
    return [Entry(item[0], item[1]) for item in reply or () if item and item[1] is not None]


def streams_of(reply: Any) -> dict[bytes, list[Entry]]:
    """Entries by stream of a raw XREAD or XREADGROUP reply."""
    return {stream: entries_of(items) for stream, items in reply or ()}


def field_map(fields: list[bytes]) -> dict[bytes, bytes]:
    """Fields by name; the last one of a repeated name counts."""
    return dict(zip(fields[::2], fields[1::2], strict=False))


def known_fields(entry: Entry) -> dict[bytes, bytes]:
    """As :func:`field_map`, of an entry of a version that this program knows.

    Raises
    ------
    ValueError
        Another version, whose fields may mean something else.
    """
    fields = field_map(entry.fields)
    version = fields.get(b"_v", WIRE_VERSION)
    if version != WIRE_VERSION:
        raise ValueError(f"_v is {shown(version)}; this program knows version 1, upgrade streamgauge")
    return fields


def default_record_id(partition: int, entry_id: bytes, row: int) -> bytes:
    """The id of a record that brought none: entry ids alone repeat across partitions."""
    return b"%d-%b-%d" % (partition, entry_id, row)

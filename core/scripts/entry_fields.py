"""Chosen fields of some entries of a stream, so that the rest of large entries does not travel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from core.connection import Connection
from core.scripts.script import Script

#: Bytes of entries that one call looks at: about a millisecond, in which the server does nothing else.
MOST_BYTES = 1024 * 1024
#: Bytes of a value that are returned, unless the caller asks for more.
CUT_BYTES = 2048

_script = Script("entry_fields")


class EntryFields(NamedTuple):
    """Some fields of an entry, in the order asked for: bytes, a length where that was asked for, or None."""

    id: bytes
    values: list[Any]


class FoundEntries(NamedTuple):
    """What one call found."""

    entries: list[EntryFields]
    more: bool  #: whether there may be further ones


@dataclass(frozen=True)
class EntryQuery:
    """Which entries of a stream, and which of their fields.

    ``#name`` asks for the length of a value, ``$name`` for its end where it is cut.
    """

    stream: str
    fields: Sequence[str]
    count: int
    first: str | bytes = "-"
    last: str | bytes = "+"
    order: Literal["newest", "oldest"] = "newest"  #: from which end on
    most_bytes: int = MOST_BYTES  #: of entries that are looked at; at least one is
    cut_bytes: int = CUT_BYTES  #: of a value that are returned


def entry_fields(connection: Connection, query: EntryQuery) -> FoundEntries:
    """Look at some entries of one stream."""
    return _found(_script.look(connection, (query.stream,), _arguments(query)))


def each_entry_fields(connection: Connection, queries: Sequence[EntryQuery]) -> list[FoundEntries]:
    """Several queries, sent together."""
    replies = _script.look_each(connection, [((query.stream,), _arguments(query)) for query in queries])
    return [_found(reply) for reply in replies]


def _arguments(query: EntryQuery) -> list[str | bytes | int | float]:
    return [
        query.first,
        query.last,
        query.order,
        query.count,
        query.most_bytes,
        query.cut_bytes,
        *query.fields,
    ]


def _found(reply: Any) -> FoundEntries:
    return FoundEntries([EntryFields(*entry) for entry in reply[1]], bool(reply[0]))

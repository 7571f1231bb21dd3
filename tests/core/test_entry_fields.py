"""Chosen fields of entries: bounded in number and bytes, from either end, without the rest of the entries."""

from __future__ import annotations

import pytest

from core.connection import Connection, ServerError
from core.keys import PipelineKeys
from core.scripts.entry_fields import EntryQuery, each_entry_fields, entry_fields
from tests.both_servers import both_servers

pytestmark = both_servers

LARGEST = 2**64 - 1


@pytest.fixture
def stream(connection: Connection, keys: PipelineKeys) -> str:
    """Ten entries."""
    for number in range(1, 11):
        fields = ("a", str(number), "large", "x" * 1_000, "b", "tail" * number)
        connection.call("XADD", keys.drift, f"{number}-0", *fields)
    return keys.drift


def test_fields_come_in_the_order_asked_for_and_what_is_missing_is_none(
    connection: Connection, stream: str
) -> None:
    found = entry_fields(connection, EntryQuery(stream, ("none", "a", "#large", "#none"), 2))
    assert [(entry.id, entry.values) for entry in found.entries] == [
        (b"10-0", [None, b"10", 1_000, None]),
        (b"9-0", [None, b"9", 1_000, None]),
    ]
    assert found.more


def test_a_value_is_cut_at_either_end(connection: Connection, stream: str) -> None:
    query = EntryQuery(stream, ("large", "$b"), 1, cut_bytes=6)
    assert entry_fields(connection, query).entries[0].values == [b"xxxxxx", b"iltail"]


@pytest.mark.parametrize(
    ("order", "ids"), [("newest", [b"7-0", b"6-0", b"5-0"]), ("oldest", [b"4-0", b"5-0", b"6-0"])]
)
def test_a_range_is_read_from_either_end(
    connection: Connection, stream: str, order: str, ids: list[bytes]
) -> None:
    query = EntryQuery(stream, (), 3, b"(3-0", b"(8-0", order)  # type: ignore[arg-type]  # a literal
    found = entry_fields(connection, query)
    assert [entry.id for entry in found.entries] == ids
    assert found.more
    whole = entry_fields(connection, EntryQuery(stream, (), 5, b"(3-0", b"(8-0", order))  # type: ignore[arg-type]
    assert (len(whole.entries), whole.more) == (4, False)


def test_bytes_that_are_looked_at_are_bounded_and_one_entry_is_always_read(
    connection: Connection, stream: str
) -> None:
    assert len(entry_fields(connection, EntryQuery(stream, ("a",), 10, most_bytes=1)).entries) == 1
    few = entry_fields(connection, EntryQuery(stream, ("a",), 10, most_bytes=2_500))
    assert 2 <= len(few.entries) < 10
    assert few.more


def test_nothing_is_read_beyond_the_largest_id(connection: Connection, keys: PipelineKeys) -> None:
    connection.call("XADD", keys.drift, f"{LARGEST}-{LARGEST}", "a", "1")
    found = entry_fields(connection, EntryQuery(keys.drift, ("a",), 1, order="oldest"))
    assert (len(found.entries), found.more) == (1, False)


def test_several_queries_are_answered_in_their_order_also_by_a_server_that_forgot_the_script(
    connection: Connection, stream: str, keys: PipelineKeys
) -> None:
    connection.call("SCRIPT", "FLUSH")
    queries = [EntryQuery(stream, ("a",), 1), EntryQuery(keys.labels, ("a",), 1), EntryQuery(stream, ("a",), 2)]
    assert [len(found.entries) for found in each_entry_fields(connection, queries)] == [1, 0, 2]


def test_a_key_of_another_type_is_an_error(connection: Connection, stream: str, keys: PipelineKeys) -> None:
    connection.call("SET", keys.labels, "x")
    with pytest.raises(ServerError, match="WRONGTYPE"):
        each_entry_fields(connection, [EntryQuery(stream, (), 1), EntryQuery(keys.labels, (), 1)])

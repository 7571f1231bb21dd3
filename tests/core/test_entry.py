from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.entry import (
    ORIGIN,
    Entry,
    EntryId,
    default_record_id,
    entries_of,
    field_map,
    parse_entry_id,
    streams_of,
)

_U64 = st.integers(0, 2**64 - 1)
_IDS = st.builds(EntryId, _U64, _U64)


@given(_IDS)
def test_ids_survive_their_text(entry_id: EntryId) -> None:
    assert parse_entry_id(str(entry_id)) == parse_entry_id(str(entry_id).encode()) == entry_id


@given(_IDS, _IDS)
def test_ids_compare_as_the_server_compares_them(a: EntryId, b: EntryId) -> None:
    assert (a < b) == (a.ms * 2**64 + a.seq < b.ms * 2**64 + b.seq)


@given(_IDS)
def test_before_and_after_are_neighbours(entry_id: EntryId) -> None:
    def number(value: EntryId) -> int:
        return value.ms * 2**64 + value.seq

    assert number(entry_id.after) == number(entry_id) + 1
    assert number(entry_id.before) == max(0, number(entry_id) - 1)
    assert entry_id.after.before == entry_id


def test_the_origin_has_nothing_before_it() -> None:
    assert ORIGIN.before == ORIGIN == parse_entry_id("0")


def test_ms_alone_is_its_first_id() -> None:
    assert parse_entry_id("17") == EntryId(17, 0)


@pytest.mark.parametrize("text", ["", "a-1", "1-b"])
def test_an_id_that_is_none_raises(text: str) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        parse_entry_id(text)


def test_deleted_entries_are_left_out() -> None:
    reply = [[b"1-0", [b"a", b"1"]], [b"2-0", None], None]
    assert entries_of(reply) == [Entry(b"1-0", [b"a", b"1"])]
    assert entries_of(None) == []


def test_a_reply_over_streams_keeps_them_apart() -> None:
    reply = [[b"s", [[b"1-0", [b"a", b"1"]]]], [b"t", []]]
    assert streams_of(reply) == {b"s": [Entry(b"1-0", [b"a", b"1"])], b"t": []}
    assert streams_of(None) == {}


def test_size_counts_names_and_values() -> None:
    assert Entry(b"1-0", [b"abc", b"", b"d", b"efgh"]).size_bytes == 8


def test_the_last_of_a_repeated_field_counts_in_a_map() -> None:
    assert field_map([b"a", b"1", b"a", b"2"]) == {b"a": b"2"}


def test_the_default_id_names_partition_entry_and_row() -> None:
    assert default_record_id(3, b"17-4", 9) == b"3-17-4-9"

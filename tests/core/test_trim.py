"""Trimming: bounded memory, and never an entry that a required reader still needs."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.exceptions import ResponseError

from core.connection import Connection
from core.entry import EntryId, entries_of, parse_entry_id
from core.keys import PipelineKeys
from core.scripts.trim import trim

HOUR_MS = 3_600_000
LARGE = 2**40
MAX_SEQ = 2**64 - 1


@pytest.fixture
def stream(keys: PipelineKeys) -> str:
    return keys.partition(0).records


def add(server: Connection, stream: str, *ids: str, value: bytes = b"1") -> None:
    for entry_id in ids:
        server.call("XADD", stream, entry_id, "a", value)


def create(server: Connection, stream: str, *groups: str) -> None:
    for group in groups:
        server.call("XGROUP", "CREATE", stream, group, "0", "MKSTREAM")


def read(server: Connection, stream: str, group: str, count: int) -> None:
    server.call("XREADGROUP", "GROUP", group, "c", "COUNT", count, "STREAMS", stream, ">")


def ids(server: Connection, stream: str) -> list[str]:
    return [entry.id.decode() for entry in entries_of(server.call("XRANGE", stream, "-", "+"))]


def test_old_entries_go_and_young_ones_stay(server: Connection, stream: str) -> None:
    now = server.now_ms()
    young = [f"{now - HOUR_MS + 60_000}-0", f"{now}-0"]
    add(server, stream, "1-0", "2-7", f"{now - HOUR_MS - 1}-0", *young)
    assert trim(server, stream, HOUR_MS, LARGE) == 3
    assert ids(server, stream) == young


@pytest.mark.parametrize("stamps", [[5], list(range(1, 101)), [1] * 99 + [100_000], [1, *[100_000] * 99]])
def test_without_a_reader_the_newest_that_fit_are_kept(server: Connection, stream: str, stamps: list[int]) -> None:
    """However unevenly they came."""
    start = server.now_ms() - HOUR_MS // 2
    known = [f"{start + stamp}-{n}" for n, stamp in enumerate(stamps)]
    add(server, stream, *known, value=b"x" * 99)
    trim(server, stream, HOUR_MS, 40 * 100)
    assert ids(server, stream) == known[-40:]


def test_with_readers_the_size_is_kept_by_estimate(server: Connection, stream: str) -> None:
    start = server.now_ms() - HOUR_MS // 2
    create(server, stream, "scorers")
    known = [f"{start + n}-0" for n in range(100)]
    add(server, stream, *known, value=b"x" * 99)
    read(server, stream, "scorers", 100)
    server.call("XACK", stream, "scorers", *known)
    trim(server, stream, HOUR_MS, 40 * 100, ["scorers"])
    assert known[-45:][0] <= ids(server, stream)[0] <= known[-38:][0]
    assert ids(server, stream)[-1] == known[-1]


def test_nothing_unread_or_pending_is_trimmed(server: Connection, stream: str) -> None:
    create(server, stream, "scorers", "monitors")
    known = [f"{n}-0" for n in range(1, 11)]
    add(server, stream, *known)
    required = ["scorers", "monitors"]
    assert trim(server, stream, 1, 1, required) == 0
    read(server, stream, "scorers", 6)
    read(server, stream, "monitors", 10)
    server.call("XACK", stream, "monitors", *known)
    assert trim(server, stream, 1, 1, required) == 0  # scorers hold six
    server.call("XACK", stream, "scorers", *known[:3], known[5])
    assert trim(server, stream, 1, 1, required) == 3
    server.call("XACK", stream, "scorers", *known[3:5])
    assert trim(server, stream, 1, 1, required) == 3
    assert ids(server, stream) == known[6:]


def test_a_required_group_that_is_missing_stops_trimming(server: Connection, stream: str) -> None:
    create(server, stream, "scorers")
    add(server, stream, "1-0")
    read(server, stream, "scorers", 1)
    server.call("XACK", stream, "scorers", "1-0")
    assert trim(server, stream, 1, 1, ["scorers", "monitors"]) == 0
    create(server, stream, "monitors")
    assert trim(server, stream, 1, 1, ["scorers", "monitors"]) == 0
    server.call("XGROUP", "SETID", stream, "monitors", "$")
    assert trim(server, stream, 1, 1, ["scorers", "monitors"]) == 1


def test_a_group_that_was_set_back_needs_what_it_reads_again(server: Connection, stream: str) -> None:
    create(server, stream, "scorers")
    add(server, stream, *(f"{n}-0" for n in range(1, 6)))
    read(server, stream, "scorers", 5)
    server.call("XACK", stream, "scorers", *(f"{n}-0" for n in range(1, 5)))
    server.call("XGROUP", "SETID", stream, "scorers", "2-0")
    assert trim(server, stream, 1, 1, ["scorers"]) == 2
    assert ids(server, stream) == ["3-0", "4-0", "5-0"]


def test_an_explicit_floor_is_kept_and_the_smaller_one_counts(server: Connection, stream: str) -> None:
    add(server, stream, *(f"{n}-0" for n in range(1, 9)))
    assert trim(server, stream, 1, 1, floor="3-0") == 2
    create(server, stream, "g")
    read(server, stream, "g", 3)
    server.call("XACK", stream, "g", "3-0", "4-0", "5-0")
    assert trim(server, stream, 1, 1, ["g"], floor="5-0") == 2
    assert trim(server, stream, 1, 1, ["g"], floor="8-0") == 1
    assert ids(server, stream) == ["6-0", "7-0", "8-0"]


def test_the_floor_is_remembered_where_asked(server: Connection, stream: str, keys: PipelineKeys) -> None:
    floor_key = keys.partition(0).floor
    create(server, stream, "g")
    add(server, stream, "1-0", "2-0")
    trim(server, stream, HOUR_MS, LARGE, ["g"], floor_key=floor_key)
    assert server.call("GET", floor_key) == b"0-1"
    read(server, stream, "g", 1)
    trim(server, stream, HOUR_MS, LARGE, ["g"], floor_key=floor_key)
    assert server.call("GET", floor_key) == b"1-0"
    server.call("XACK", stream, "g", "1-0")
    trim(server, stream, HOUR_MS, LARGE, ["g"], floor_key=floor_key)
    assert server.call("GET", floor_key) == b"1-1"


@pytest.mark.parametrize("seq", [2**53, 2**53 + 1, 2**53 + 3, 2**60 + 77, 10**19 - 1, MAX_SEQ - 1, MAX_SEQ])
def test_ids_beyond_a_lua_number_are_not_rounded_past_an_unread_entry(
    server: Connection, stream: str, seq: int
) -> None:
    create(server, stream, "g")
    following = EntryId(5, seq).after
    add(server, stream, f"5-{seq}", str(following))
    read(server, stream, "g", 1)
    server.call("XACK", stream, "g", f"5-{seq}")
    trim(server, stream, 1, 1, ["g"])
    assert ids(server, stream)[-1] == str(following)
    assert len(ids(server, stream)) == (2 if seq == MAX_SEQ else 1)


def test_an_exhausted_stream_can_still_be_trimmed(server: Connection, stream: str) -> None:
    add(server, stream, "1-0", f"{MAX_SEQ}-{MAX_SEQ}")
    assert trim(server, stream, HOUR_MS, LARGE) == 1
    create(server, stream, "g")
    server.call("XGROUP", "SETID", stream, "g", "$")
    assert trim(server, stream, HOUR_MS, 1, ["g"]) == 0


@pytest.mark.parametrize("kind", ["none", "string", "empty"])
def test_where_there_is_nothing_to_trim_nothing_happens(server: Connection, stream: str, kind: str) -> None:
    if kind == "string":
        server.call("SET", stream, "mine")
    if kind == "empty":
        create(server, stream, "g")
    assert trim(server, stream, 1, 1) == 0
    assert trim(server, stream, 1, 1, ["g"] if kind == "empty" else []) == 0
    assert (server.call("TYPE", stream) == b"string") == (kind == "string")


def test_a_floor_that_is_no_id_trims_nothing(server: Connection, stream: str) -> None:
    add(server, stream, "1-0")
    with pytest.raises(ResponseError):
        trim(server, stream, 1, 1, floor="x")
    assert ids(server, stream) == ["1-0"]


class Reader(NamedTuple):
    read: int
    acknowledged: list[bool]


_READERS = st.lists(
    st.builds(Reader, st.integers(0, 8), st.lists(st.booleans(), min_size=8, max_size=8)), min_size=1, max_size=3
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.integers(1, 8), readers=_READERS, keep_bytes=st.sampled_from([1, 30, LARGE]), old=st.booleans())
def test_trimming_agrees_with_a_model_of_it(
    server: Connection, stream: str, count: int, readers: list[Reader], keep_bytes: int, old: bool
) -> None:
    server.call("DEL", stream)
    start = 10 if old else server.now_ms() - HOUR_MS // 2
    known = [EntryId(start + n, 0) for n in range(count)]
    add(server, stream, *map(str, known), value=b"x" * 9)
    names = [f"g{n}" for n in range(len(readers))]
    create(server, stream, *names)
    needed = set(known)
    floors = []
    for name, reader in zip(names, readers, strict=True):
        delivered = known[: reader.read]
        if delivered:
            read(server, stream, name, len(delivered))
        done = [entry for entry, yes in zip(delivered, reader.acknowledged, strict=False) if yes]
        if done:
            server.call("XACK", stream, name, *map(str, done))
        wanted = [entry for entry in known if entry not in done]
        floors.append(min(wanted) if wanted else known[-1].after)
    floor = min(floors)
    needed = {entry for entry in known if entry >= floor}
    trimmed = trim(server, stream, HOUR_MS, keep_bytes, names)
    left = [parse_entry_id(text) for text in ids(server, stream)]
    assert needed <= set(left)
    assert left == known[trimmed:]
    if old:
        assert set(left) == needed  # all that are too old and not needed are gone
    elif keep_bytes == LARGE:
        assert left == known

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
from core.scripts.trim import trim, trim_results

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


def memory(server: Connection, stream: str) -> int:
    return int(server.call("MEMORY", "USAGE", stream, "SAMPLES", 0))


#: Sizes of entries, oldest first.
SIZES = {
    "alike": [100] * 4_000,
    "large ones, then small ones": [50_000] * 20 + [100] * 3_000,
    "small ones, then large ones": [100] * 3_000 + [50_000] * 20,
    "mixed": [50_000 if n % 100 == 50 else 100 for n in range(3_000)],
    "each larger than all that is kept": [300_000] * 5,
}


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES.keys())
@pytest.mark.parametrize("readers", [True, False])
def test_the_size_that_is_kept_is_that_of_the_servers_memory(
    server: Connection, stream: str, sizes: list[int], readers: bool
) -> None:
    """However unevenly the entries came, and whatever they weigh."""
    start, keep_bytes = server.now_ms() - HOUR_MS // 2, 250_000
    known = [f"{start + n // 3}-{n}" for n in range(len(sizes))]
    server.pipeline(
        [("XADD", stream, entry_id, "a", b"x" * size) for entry_id, size in zip(known, sizes, strict=True)]
    )
    groups = ["scorers"] if readers else []
    create(server, stream, *groups)
    for group in groups:
        server.call("XGROUP", "SETID", stream, group, "$")
    trimmed = trim(server, stream, HOUR_MS, keep_bytes, groups)
    assert ids(server, stream) == known[trimmed:]
    assert known[trimmed:], "the newest entry stays, whatever it weighs"
    slack = 8 * 1024  # whole nodes go, of 4 KiB
    assert memory(server, stream) <= max(keep_bytes, 1.1 * sizes[-1]) + slack  # an allocator rounds up
    assert memory(server, stream) >= min(keep_bytes - 60_000, sizes[-1])
    assert trim(server, stream, HOUR_MS, keep_bytes, groups) == 0


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


def test_what_a_group_still_needs_is_remembered_where_asked(
    server: Connection, stream: str, keys: PipelineKeys
) -> None:
    floor_key = keys.partition(0).floor
    create(server, stream, "g")
    add(server, stream, "1-0", "2-0")
    trim(server, stream, HOUR_MS, LARGE, ["g"], remember=("g", floor_key))
    assert server.call("GET", floor_key) == b"0-1"
    read(server, stream, "g", 1)
    trim(server, stream, HOUR_MS, LARGE, ["g"], remember=("g", floor_key))
    assert server.call("GET", floor_key) == b"1-0"
    server.call("XACK", stream, "g", "1-0")
    trim(server, stream, HOUR_MS, LARGE, ["g"], remember=("g", floor_key))
    assert server.call("GET", floor_key) == b"1-1"


def test_it_is_remembered_where_another_group_holds_the_floor_or_is_missing(
    server: Connection, stream: str, keys: PipelineKeys
) -> None:
    floor_key = keys.partition(0).floor
    add(server, stream, "1-0", "2-0", "3-0")
    trim(server, stream, 1, 1, ["g", "slow"], remember=("g", floor_key))
    assert server.call("GET", floor_key) is None  # there is no group to remember anything of
    create(server, stream, "g")
    read(server, stream, "g", 2)
    server.call("XACK", stream, "g", "1-0")
    assert trim(server, stream, 1, 1, ["g", "slow"], remember=("g", floor_key)) == 0
    assert server.call("GET", floor_key) == b"2-0"
    server.call("XACK", stream, "g", "2-0")
    create(server, stream, "slow")
    assert trim(server, stream, 1, 1, ["g", "slow"], remember=("g", floor_key)) == 0
    assert server.call("GET", floor_key) == b"2-1"
    assert trim(server, stream, 1, 1, ["slow"], remember=("g", floor_key)) == 0
    assert len(ids(server, stream)) == 3


@pytest.mark.parametrize("keep", [(1, LARGE), (HOUR_MS, 1)], ids=["by age", "by size"])
def test_results_of_what_the_remembered_group_still_needs_stay(
    server: Connection, stream: str, keys: PipelineKeys, keep: tuple[int, int]
) -> None:
    floor_key = keys.partition(0).floor
    start = server.now_ms() - HOUR_MS // 2
    known = [f"{start + n}-{seq}" for n in range(200) for seq in range(2)]
    add(server, stream, *known, value=b"x" * 500)
    assert trim_results(server, stream, *keep, floor_key) == 0  # nothing is remembered, so nothing is known
    server.call("SET", floor_key, "no id")
    assert trim_results(server, stream, *keep, floor_key) == 0
    server.call("SET", floor_key, f"{start + 150}-1")
    trim_results(server, stream, *keep, floor_key)
    left = ids(server, stream)
    assert left == known[-len(left) :]
    at_the_floor = known.index(f"{start + 150}-0")
    first = known.index(left[0])
    assert first == at_the_floor if keep[0] == 1 else at_the_floor - 20 <= first <= at_the_floor


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


def test_results_may_go_once_every_record_has_one(server: Connection, keys: PipelineKeys) -> None:
    """Else a server that is full of results takes no record, and so would never trim them."""
    partition = keys.partition(0)
    records, results = partition.records, partition.predictions
    server.call("XADD", records, "1000-0", "a", "1")
    server.call("XADD", results, "2000-0", "a", "1")
    server.call("SET", partition.floor, "1000-0")
    assert trim_results(server, results, 1, LARGE, partition.floor, records) == 0  # the record is not answered
    server.call("SET", partition.floor, "1000-1")
    assert trim_results(server, results, 1, LARGE, partition.floor) == 0  # nobody said of what these are results
    assert trim_results(server, results, 1, LARGE, partition.floor, records) == 1

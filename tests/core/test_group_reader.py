"""Reading as one of many: takeover by idle time, poison alone, consumers that leave no litter."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from redis.exceptions import ResponseError

import core.takeover as takeover_module
from core.connection import Connection
from core.entry import Entry
from core.errors import GroupMissing
from core.group_reader import GroupReader
from core.keys import PipelineKeys
from core.read_size import FIRST_ENTRIES, MAX_ENTRIES, MIN_ENTRIES, ReadSize
from core.takeover import GroupBatch

GROUP = "g"
IDLE_MS = 60_000


@pytest.fixture
def stream(keys: PipelineKeys) -> str:
    return keys.partition(0).records


def make_reader(server: Connection, stream: str, consumer: str = "me", **changes: int) -> GroupReader:
    options = {"takeover_idle_ms": IDLE_MS, "read_bytes": 2**20, "poison_deliveries": 2, "poison_lone_deaths": 2}
    reader = GroupReader(server, (stream,), GROUP, consumer, **(options | changes))
    reader.create_group(stream)
    return reader


def add(server: Connection, stream: str, count: int = 1) -> list[bytes]:
    return [bytes(server.call("XADD", stream, "*", "n", n)) for n in range(count)]


def held_by(
    server: Connection, stream: str, consumer: str, ids: list[bytes], idle_ms: int, deliveries: int
) -> None:
    """Make entries pending as if a worker had been handed them so often, and so long ago."""
    server.call("XREADGROUP", "GROUP", GROUP, consumer, "COUNT", 1_000, "STREAMS", stream, ">")
    server.call("XCLAIM", stream, GROUP, consumer, 0, *ids, "IDLE", idle_ms, "RETRYCOUNT", deliveries)


def age(server: Connection, stream: str, consumer: str, ids: list[bytes]) -> None:
    """The same entries, not touched for long; the delivery count stays."""
    server.call("XCLAIM", stream, GROUP, consumer, 0, *ids, "IDLE", IDLE_MS, "JUSTID")


def found(batches: list[GroupBatch]) -> list[bytes]:
    return [entry.id for batch in batches for entry in batch.entries]


def test_new_entries_are_read_and_pending(server: Connection, stream: str) -> None:
    reader = make_reader(server, stream)
    ids = add(server, stream, 3)
    (batch,) = reader.read(0)
    assert (batch.stream, [entry.id for entry in batch.entries]) == (stream, ids)
    assert (batch.deliveries, batch.poison) == ({}, False)
    assert batch.entries[0].fields == [b"n", b"0"]
    assert server.call("XPENDING", stream, GROUP)[0] == 3
    assert reader.taken_over_entries == 0


@pytest.mark.parametrize("block_ms", [0, 1, -1])
def test_with_nothing_to_read_it_returns_in_time(server: Connection, stream: str, block_ms: int) -> None:
    reader = make_reader(server, stream)
    started = time.monotonic()
    assert reader.read(block_ms) == []
    assert time.monotonic() - started < 5


def test_what_a_dead_worker_held_is_taken_over_with_its_count(server: Connection, stream: str) -> None:
    reader = make_reader(server, stream, poison_deliveries=9)
    ids = add(server, stream, 3)
    held_by(server, stream, "dead", ids[:2], IDLE_MS + 1, 4)
    (batch,) = reader.read(0)
    assert found([batch]) == ids[:2]
    assert batch.deliveries == dict.fromkeys(ids[:2], 5)
    assert not batch.poison
    assert reader.taken_over_entries == 2
    rows = server.call("XPENDING", stream, GROUP, "-", "+", 10, "me")
    assert [(row[0], row[3]) for row in rows] == [(entry_id, 5) for entry_id in ids[:2]]


def test_what_a_living_worker_holds_is_left_to_it(server: Connection, stream: str) -> None:
    reader = make_reader(server, stream)
    held_by(server, stream, "alive", add(server, stream, 2), IDLE_MS - 30_000, 1)
    assert reader.read(0) == []


def test_two_readers_never_take_the_same_entry(server: Connection, stream: str) -> None:
    first, second = make_reader(server, stream, "first"), make_reader(server, stream, "second")
    ids = add(server, stream, 6)
    held_by(server, stream, "dead", ids, IDLE_MS, 1)
    taken = [*found(first.read(0)), *found(second.read(0)), *found(first.read(0)), *found(second.read(0))]
    assert sorted(taken) == ids


def test_takeover_looks_again_while_it_finds_something(server: Connection, stream: str) -> None:
    reader = make_reader(server, stream, poison_deliveries=9)
    ids = add(server, stream, 3 * FIRST_ENTRIES)
    held_by(server, stream, "dead", ids, IDLE_MS, 1)
    fresh = add(server, stream)
    taken: list[bytes] = []
    while len(taken) < len(ids):
        (batch,) = reader.read(0)
        taken += found([batch])
    assert taken == ids
    assert found(reader.read(0)) == fresh


def test_a_suspect_is_processed_alone_and_after_its_lone_deaths_it_is_poison(
    server: Connection, stream: str
) -> None:
    """Two deliveries together, two alone, then poison: each one as if the worker had died over it."""
    ids = add(server, stream, 3)
    make_reader(server, stream)
    held_by(server, stream, "dead", ids, IDLE_MS, 1)
    seen = []
    for attempt in range(8):
        batches = make_reader(server, stream, f"w{attempt}").read(0)
        if not batches:
            break
        (batch,) = batches
        seen.append((found(batches), set(batch.deliveries.values()), batch.poison))
        if len(batch.entries) == 3:
            server.call("XACK", stream, GROUP, *ids[1:])  # the innocents are answered by somebody else
        if batch.poison:
            server.call("XACK", stream, GROUP, *found(batches))
        else:
            age(server, stream, f"w{attempt}", ids[:1])
    assert seen == [(ids, {2}, False), (ids[:1], {3}, False), (ids[:1], {4}, False), (ids[:1], {5}, True)]


def test_innocents_go_before_suspects(server: Connection, stream: str) -> None:
    reader = make_reader(server, stream)
    ids = add(server, stream, 4)
    held_by(server, stream, "dead", ids, IDLE_MS, 1)
    server.call("XCLAIM", stream, GROUP, "dead", 0, ids[0], ids[2], "IDLE", IDLE_MS, "RETRYCOUNT", 9)
    reads = [reader.read(0) for _ in range(3)]
    assert [found(read) for read in reads] == [[ids[1], ids[3]], [ids[0]], [ids[2]]]
    assert [read[0].poison for read in reads] == [False, True, True]


def test_entries_that_are_gone_are_not_handed_out(server: Connection, stream: str) -> None:
    reader = make_reader(server, stream)
    ids = add(server, stream, 2)
    held_by(server, stream, "dead", ids, IDLE_MS, 1)
    server.call("XDEL", stream, *ids)
    assert reader.read(0) == []
    assert server.call("XPENDING", stream, GROUP)[0] == 0


@pytest.mark.parametrize("gone", ["group", "stream"])
def test_a_lost_group_is_told_apart_and_can_be_made_again(server: Connection, stream: str, gone: str) -> None:
    reader = make_reader(server, stream)
    reader.read(0)  # so that the next one does not look for the dead
    lose: Callable[[], object] = lambda: server.call(  # noqa: E731
        *(("XGROUP", "DESTROY", stream, GROUP) if gone == "group" else ("DEL", stream))
    )
    lose()
    with pytest.raises(GroupMissing, match=GROUP):
        reader.read(0)
    with pytest.raises(GroupMissing, match=GROUP):
        GroupReader(
            server,
            (stream,),
            GROUP,
            "new",
            takeover_idle_ms=1,
            read_bytes=1,
            poison_deliveries=1,
            poison_lone_deaths=1,
        ).read(0)
    assert reader.create_group(stream)
    assert not reader.create_group(stream)
    ids = add(server, stream)
    assert found(reader.read(0))[-1:] == ids
    lose()
    reader.leave()  # no error: there is nothing left to leave


def test_a_stream_of_the_wrong_type_is_told_as_it_is(server: Connection, stream: str) -> None:
    server.call("SET", stream, "mine")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        make_reader(server, stream)


def test_leaving_keeps_what_is_pending(server: Connection, stream: str) -> None:
    reader = make_reader(server, stream)
    (entry_id,) = add(server, stream)
    reader.read(0)
    reader.leave()
    assert server.call("XPENDING", stream, GROUP)[0] == 1
    server.call("XACK", stream, GROUP, entry_id)
    reader.leave()
    assert server.call("XINFO", "CONSUMERS", stream, GROUP) == []


def test_dead_consumers_are_cleared_away_and_those_with_entries_kept(
    server: Connection, stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(takeover_module, "MAX_BLOCK_MS", 1)
    reader = make_reader(server, stream, takeover_idle_ms=1)
    held_by(server, stream, "holder", add(server, stream), 0, 1)
    server.call("XGROUP", "CREATECONSUMER", stream, GROUP, "litter")
    names: set[bytes] = {b"litter"}
    for _ in range(2_000):
        server.call("XCLAIM", stream, GROUP, "holder", 0, *found_pending(server, stream), "IDLE", 0, "JUSTID")
        reader.read(1)
        names = {row[1] for row in server.call("XINFO", "CONSUMERS", stream, GROUP)}
        if b"litter" not in names:
            break
    assert b"litter" not in names
    assert server.call("XPENDING", stream, GROUP)[0] == 1


def found_pending(server: Connection, stream: str) -> list[bytes]:
    return [row[0] for row in server.call("XPENDING", stream, GROUP, "-", "+", 10)]


def _entries(count: int, size: int) -> list[Entry]:
    return [Entry(b"1-0", [b"", b"x" * size])] * count


def test_read_sizes_fit_the_target_whatever_the_entries_weigh() -> None:
    size = ReadSize(2**20)
    assert size.entries == FIRST_ENTRIES <= 8  # blocks of 1 MiB must not fill a small container at the first read
    for _ in range(12):
        size.learn(_entries(3, 100))
    assert size.entries == MAX_ENTRIES
    size.learn(_entries(3, 2**20))
    assert size.entries == MIN_ENTRIES
    size.learn(_entries(3, 2**17))
    assert size.entries == 2 * MIN_ENTRIES
    size.learn([])
    size.learn([Entry(b"1-0", [])])
    assert size.entries == 4 * MIN_ENTRIES


def test_what_is_taken_over_teaches_the_read_size_too(server: Connection, stream: str) -> None:
    reader = make_reader(server, stream, read_bytes=2**20)
    ids = [bytes(server.call("XADD", stream, "*", "n", b"x" * 2**19)) for _ in range(FIRST_ENTRIES)]
    held_by(server, stream, "dead", ids, IDLE_MS, 1)
    assert found(reader.read(0)) == ids
    add(server, stream, 10)
    assert len(found(reader.read(0))) == MIN_ENTRIES


def test_a_small_reply_teaches_the_read_size_without_a_look_at_its_entries() -> None:
    size = ReadSize(2**20)
    for _ in range(12):
        size.learn_reply(30_000, [Entry(b"1-0", [])] * 100)  # of which a look would say: no bytes at all
    assert size.entries == MAX_ENTRIES
    size.learn_reply(2**20, _entries(5, 2**18))
    assert size.entries == 4
    size.learn_reply(2**20, [])
    assert size.entries == 4
    size.begin_anew()
    assert size.entries == MIN_ENTRIES

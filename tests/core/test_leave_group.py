"""Leaving a group never takes pending entries along."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from core.connection import Connection
from core.keys import PipelineKeys
from core.scripts.leave_group import leave_group, remove_dead_consumers

GROUP = "g"


@pytest.fixture
def stream(server: Connection, keys: PipelineKeys) -> str:
    """A stream with a group of three consumers: ``busy`` holds an entry, ``idle`` and ``other`` hold none."""
    name = keys.partition(0).records
    server.call("XGROUP", "CREATE", name, GROUP, "0", "MKSTREAM")
    server.call("XADD", name, "*", "a", "1")
    server.call("XREADGROUP", "GROUP", GROUP, "busy", "STREAMS", name, ">")
    for consumer in ("idle", "other"):
        server.call("XGROUP", "CREATECONSUMER", name, GROUP, consumer)
    return name


def consumers(server: Connection, stream: str) -> list[bytes]:
    return sorted(row[1] for row in server.call("XINFO", "CONSUMERS", stream, GROUP))


def outlast(server: Connection, stream: str, idle_ms: int) -> None:
    """Let the server wait (in a read that finds nothing) until every consumer was idle for so long."""
    while min(row[5] for row in server.call("XINFO", "CONSUMERS", stream, GROUP)) <= idle_ms:
        server.call("XREAD", "BLOCK", 1, "STREAMS", stream, "$")


def test_a_consumer_that_holds_nothing_is_removed_alone(server: Connection, stream: str) -> None:
    assert leave_group(server, stream, GROUP, "idle")
    assert consumers(server, stream) == [b"busy", b"other"]


def test_a_consumer_that_holds_an_entry_stays_with_it(server: Connection, stream: str) -> None:
    assert not leave_group(server, stream, GROUP, "busy")
    assert consumers(server, stream) == [b"busy", b"idle", b"other"]
    assert server.call("XPENDING", stream, GROUP)[0] == 1


def test_who_never_came_cannot_leave(server: Connection, stream: str) -> None:
    assert not leave_group(server, stream, GROUP, "stranger")
    assert len(consumers(server, stream)) == 3


def test_dead_consumers_are_removed_only_where_they_hold_nothing(server: Connection, stream: str) -> None:
    outlast(server, stream, 3)
    assert remove_dead_consumers(server, stream, GROUP, 3) == 2
    assert consumers(server, stream) == [b"busy"]
    assert server.call("XPENDING", stream, GROUP)[0] == 1


def test_consumers_that_were_heard_of_stay(server: Connection, stream: str) -> None:
    assert remove_dead_consumers(server, stream, GROUP, 60_000) == 0
    assert len(consumers(server, stream)) == 3


def test_a_living_consumer_that_was_removed_while_it_waits_gets_its_next_entry(
    server: Connection, stream: str, any_server_url: str
) -> None:
    """Redis 7.0 counts a worker that finds nothing as idle, so it is removed now and then."""
    outlast(server, stream, 3)
    with Connection(any_server_url) as own, ThreadPoolExecutor(1) as pool:
        read = ("XREADGROUP", "GROUP", GROUP, "other", "BLOCK", 10_000, "STREAMS", stream, ">")
        reading = pool.submit(own.call, *read)
        while b"cmd=xreadgroup" not in server.call("CLIENT", "LIST"):
            pass
        remove_dead_consumers(server, stream, GROUP, -1)  # whatever its idle time
        assert consumers(server, stream) == [b"busy"]
        entry_id = server.call("XADD", stream, "*", "a", "2")
        assert reading.result(20)[0][1][0][0] == entry_id
    assert server.call("XPENDING", stream, GROUP, "-", "+", 9, "other")[0][0] == entry_id
    assert server.call("XACK", stream, GROUP, entry_id) == 1


@pytest.mark.parametrize("gone", ["group", "stream"])
def test_leaving_what_is_gone_is_no_error(server: Connection, stream: str, gone: str) -> None:
    server.call(*(("XGROUP", "DESTROY", stream, GROUP) if gone == "group" else ("DEL", stream)))
    assert not leave_group(server, stream, GROUP, "idle")
    assert remove_dead_consumers(server, stream, GROUP, 0) == 0

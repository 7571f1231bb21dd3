"""Commit: exactly one result an entry, and a failure before or after the acknowledgement loses none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from redis.exceptions import ResponseError

import core.scripts.commit as commit_module
from core.connection import Connection
from core.entry import Entry, entries_of, field_map
from core.errors import GroupMissing
from core.keys import PipelineKeys
from core.scripts.commit import EntryResult, commit

GROUP = "g"
MAX_ID = "18446744073709551615-18446744073709551615"


@pytest.fixture
def source(keys: PipelineKeys) -> str:
    return keys.partition(0).records


@pytest.fixture
def outputs(keys: PipelineKeys) -> tuple[str, str]:
    return keys.partition(0).predictions, keys.partition(0).rejected


def pending_entries(server: Connection, source: str, count: int = 1, consumer: str = "w") -> list[bytes]:
    """Entries that were added and handed to a consumer."""
    server.call("XGROUP", "CREATE", source, GROUP, "0", "MKSTREAM")
    ids = [bytes(server.call("XADD", source, "*", "n", n)) for n in range(count)]
    server.call("XREADGROUP", "GROUP", GROUP, consumer, "COUNT", count, "STREAMS", source, ">")
    return ids


def pending(server: Connection, source: str) -> list[tuple[bytes, bytes, int]]:
    """Id, consumer, delivery count."""
    rows: list[Any] = server.call("XPENDING", source, GROUP, "-", "+", 10_000)
    return [(row[0], row[1], row[3]) for row in rows]


def entries(server: Connection, stream: str) -> list[Entry]:
    return entries_of(server.call("XRANGE", stream, "-", "+"))


def both(entry_id: bytes, deliveries: int = 1) -> EntryResult:
    """A result that goes to both outputs."""
    return EntryResult(entry_id, deliveries, [(1, [b"record", entry_id]), (2, [b"record", entry_id])])


def test_results_and_acknowledgement_come_together(
    server: Connection, source: str, outputs: tuple[str, str]
) -> None:
    first, second, third = pending_entries(server, source, 3)
    results = [EntryResult(first, 1, [(1, [b"p", b"1"])]), EntryResult(second, 1, [(2, [b"r", b"2"])])]
    done = commit(server, source, GROUP, "w", outputs, [*results, EntryResult(third, 1, [])])
    assert (done.committed, done.late, done.late_ids) == (3, 0, frozenset())
    assert pending(server, source) == []
    (prediction,), (rejected,) = entries(server, outputs[0]), entries(server, outputs[1])
    assert field_map(prediction.fields) == {b"p": b"1", b"ts": b"%d" % done.ts_ms}
    assert field_map(rejected.fields) == {b"r": b"2", b"ts": b"%d" % done.ts_ms}
    assert abs(server.now_ms() - done.ts_ms) < 60_000


def test_a_late_worker_cannot_publish_twice(server: Connection, source: str, outputs: tuple[str, str]) -> None:
    ids = pending_entries(server, source, 3)
    assert commit(server, source, GROUP, "a", outputs, [both(ids[1])]).committed == 1
    done = commit(server, source, GROUP, "b", outputs, [both(entry_id) for entry_id in ids])
    assert (done.committed, done.late_ids) == (2, frozenset({ids[1]}))
    again = commit(server, source, GROUP, "b", outputs, [both(entry_id) for entry_id in ids])
    assert (again.committed, again.late) == (0, 3)
    for stream in outputs:
        assert sorted(entry.fields[1] for entry in entries(server, stream)) == ids


def test_an_output_of_the_wrong_type_leaves_everything_pending(
    server: Connection, source: str, outputs: tuple[str, str]
) -> None:
    ids = pending_entries(server, source, 2)
    server.call("SET", outputs[1], "mine")
    with pytest.raises(ResponseError, match=r"WRONGTYPE.*move it aside"):
        commit(server, source, GROUP, "w", outputs, [both(entry_id) for entry_id in ids])
    assert pending(server, source) == [(entry_id, b"w", 1) for entry_id in ids]
    assert entries(server, outputs[0]) == []
    server.call("DEL", outputs[1])
    assert commit(server, source, GROUP, "w", outputs, [both(entry_id) for entry_id in ids]).committed == 2
    assert [len(entries(server, stream)) for stream in outputs] == [2, 2]


def test_an_exhausted_output_puts_the_entry_back_with_its_count(
    server: Connection, source: str, outputs: tuple[str, str]
) -> None:
    first, second = pending_entries(server, source, 2)
    server.call("XCLAIM", source, GROUP, "w", 0, second, "RETRYCOUNT", 7)
    server.call("XADD", outputs[1], MAX_ID, "last", "one")
    results = [EntryResult(first, 1, [(1, [b"record", first])]), both(second, 7)]
    with pytest.raises(ResponseError, match=r"exhausted|ID"):
        commit(server, source, GROUP, "w", outputs, results)
    assert pending(server, source) == [(second, b"w", 7)]
    assert [entry.fields[1] for entry in entries(server, outputs[0])] == [first]  # undone for the second alone
    server.call("DEL", outputs[1])
    done = commit(server, source, GROUP, "w", outputs, results)
    assert (done.committed, done.late_ids) == (1, frozenset({first}))
    assert [entry.fields[1] for entry in entries(server, outputs[0])] == [first, second]
    assert len(entries(server, outputs[1])) == 1


@pytest.fixture
def limited(server: Connection, any_server_url: str, pipeline: str) -> Iterator[Connection]:
    """A connection of a user whose rights the test sets with ``allow``."""
    server.call("ACL", "SETUSER", pipeline, "on", ">secret", "allkeys", "+@all")
    with Connection(any_server_url.replace("redis://", f"redis://{pipeline}:secret@")) as connection:
        yield connection
    server.call("ACL", "DELUSER", pipeline)


def test_an_output_that_is_forbidden_loses_nothing(
    server: Connection, limited: Connection, pipeline: str, source: str, outputs: tuple[str, str]
) -> None:
    (entry_id,) = pending_entries(server, source)
    server.call("ACL", "SETUSER", pipeline, "resetkeys", f"~{source}", f"~{outputs[0]}")
    with pytest.raises(ResponseError):
        commit(limited, source, GROUP, "w", outputs, [both(entry_id, 1)])
    assert pending(server, source) == [(entry_id, b"w", 1)]
    assert entries(server, outputs[0]) == []
    server.call("ACL", "SETUSER", pipeline, "allkeys")
    assert commit(limited, source, GROUP, "w", outputs, [both(entry_id, 1)]).committed == 1
    assert [len(entries(server, stream)) for stream in outputs] == [1, 1]


@pytest.mark.parametrize("command", ["xadd", "xclaim", "xdel", "xack", "type", "time"])
def test_a_command_that_is_forbidden_loses_nothing(
    server: Connection, limited: Connection, pipeline: str, source: str, outputs: tuple[str, str], command: str
) -> None:
    (entry_id,) = pending_entries(server, source)
    server.call("ACL", "SETUSER", pipeline, f"-{command}")
    with pytest.raises(ResponseError):
        commit(limited, source, GROUP, "w", outputs, [both(entry_id, 1)])
    assert pending(server, source) == [(entry_id, b"w", 1)]
    assert [entries(server, stream) for stream in outputs] == [[], []]


@pytest.mark.parametrize("gone", ["group", "stream"])
@pytest.mark.usefixtures("keys")
def test_a_lost_group_is_told_apart_and_nothing_is_published(
    server: Connection, source: str, outputs: tuple[str, str], gone: str
) -> None:
    (entry_id,) = pending_entries(server, source)
    server.call(*(("XGROUP", "DESTROY", source, GROUP) if gone == "group" else ("DEL", source)))
    with pytest.raises(GroupMissing):
        commit(server, source, GROUP, "w", outputs, [both(entry_id)])
    assert [entries(server, stream) for stream in outputs] == [[], []]


def test_a_source_that_is_no_stream_raises(server: Connection, source: str, outputs: tuple[str, str]) -> None:
    server.call("SET", source, "mine")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        commit(server, source, GROUP, "w", outputs, [both(b"1-1")])


@pytest.mark.parametrize(
    "output",
    [
        (1, [b"x"] * 10_000),
        (1, [b"x"] * 8_100),
        (1, [b"odd"]),
        (3, [b"a", b"b"]),
        (0, [b"a", b"b"]),
    ],
)
def test_a_result_that_cannot_be_written_is_refused_before_the_acknowledgement(
    server: Connection, source: str, outputs: tuple[str, str], output: tuple[int, list[bytes]]
) -> None:
    first, second = pending_entries(server, source, 2)
    with pytest.raises(ResponseError, match=second.decode()):
        commit(server, source, GROUP, "w", outputs, [both(first), EntryResult(second, 1, [output])])
    assert pending(server, source) == [(first, b"w", 1), (second, b"w", 1)]
    assert [entries(server, stream) for stream in outputs] == [[], []]


def test_thousands_of_values_go_through(server: Connection, source: str, outputs: tuple[str, str]) -> None:
    (entry_id,) = pending_entries(server, source)
    fields = [b"%d" % n for n in range(7_898)]
    commit(server, source, GROUP, "w", outputs, [EntryResult(entry_id, 1, [(2, fields)])])
    assert entries(server, outputs[1])[0].fields[:-2] == fields


def test_every_byte_and_a_mebibyte_survive(server: Connection, source: str, outputs: tuple[str, str]) -> None:
    (entry_id,) = pending_entries(server, source)
    every = bytes(range(256))
    large = np.random.default_rng(0).bytes(2**20)
    fields = [every, every[::-1], b"", b"", b"large", large]
    commit(server, source, GROUP, "w", outputs, [EntryResult(entry_id, 1, [(1, fields)])])
    assert entries(server, outputs[0])[0].fields[:-2] == fields


def test_many_results_go_in_chunks_and_each_once(
    server: Connection, source: str, outputs: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = pending_entries(server, source, 1_203)
    monkeypatch.setattr(commit_module, "MAX_CALL_BYTES", 5_000)
    calls = []
    run = commit_module._script.run
    monkeypatch.setattr(
        commit_module._script, "run", lambda *a: calls.append(len(a[2][2])) or run(*a)  # type: ignore[func-returns-value]  # append, then run
    )  # fmt: skip
    done = commit(server, source, GROUP, "w", outputs, [both(entry_id) for entry_id in ids])
    assert (done.committed, done.late) == (1_203, 0)
    assert len(calls) > 5
    assert [entry.fields[1] for entry in entries(server, outputs[0])] == ids
    monkeypatch.undo()
    again = commit(server, source, GROUP, "w", outputs, [both(entry_id) for entry_id in ids])
    assert again.late_ids == set(ids)


def test_a_server_that_forgot_its_scripts_is_told_again(
    server: Connection, source: str, outputs: tuple[str, str]
) -> None:
    first, second = pending_entries(server, source, 2)
    for entry_id in (first, second):
        server.call("SCRIPT", "FLUSH")
        assert commit(server, source, GROUP, "w", outputs, [both(entry_id)]).committed == 1


def test_a_full_server_can_still_be_emptied(
    full_server: Connection, keys: PipelineKeys, outputs: tuple[str, str]
) -> None:
    source = keys.partition(0).records
    full_server.call("CONFIG", "SET", "maxmemory", "0")
    (entry_id,) = pending_entries(full_server, source)
    full_server.call("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(ResponseError, match=r"OOM|maxmemory"):
        full_server.call("XADD", source, "*", "a", "b")
    assert commit(full_server, source, GROUP, "w", outputs, [both(entry_id)]).committed == 1


def test_nothing_to_commit_calls_nobody(server: Connection, source: str, outputs: tuple[str, str]) -> None:
    assert commit(server, source, GROUP, "w", outputs, []).committed == 0

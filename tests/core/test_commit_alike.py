"""Commit of results that differ in some values only: sent once what they share, written as if one by one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import ResponseError

import core.scripts.commit as commit_module
from core.connection import Connection
from core.entry import Entry, entries_of
from core.keys import PipelineKeys
from core.scripts.commit import EntryResult, commit

GROUP = "g"
MAX_ID = "18446744073709551615-18446744073709551615"
ROWS = st.tuples(st.binary(max_size=3), st.sampled_from([b"x", b""]), st.booleans())


@pytest.fixture
def source(keys: PipelineKeys) -> str:
    return keys.partition(0).records


@pytest.fixture
def outputs(keys: PipelineKeys) -> tuple[str, str]:
    return keys.partition(0).predictions, keys.partition(0).rejected


def pending_entries(server: Connection, source: str, count: int) -> list[bytes]:
    """Entries that were added and handed to a consumer."""
    server.call("XGROUP", "CREATE", source, GROUP, "0", "MKSTREAM")
    ids = [bytes(server.call("XADD", source, "*", "n", n)) for n in range(count)]
    server.call("XREADGROUP", "GROUP", GROUP, "w", "COUNT", count, "STREAMS", source, ">")
    return ids


def pending(server: Connection, source: str) -> list[tuple[bytes, bytes, int]]:
    """Id, consumer, delivery count."""
    return [(row[0], row[1], row[3]) for row in server.call("XPENDING", source, GROUP, "-", "+", 10_000)]


def entries(server: Connection, stream: str) -> list[Entry]:
    return entries_of(server.call("XRANGE", stream, "-", "+"))


@given(
    rows=st.lists(
        st.tuples(st.binary(max_size=3), st.sampled_from([b"x", b""]), st.booleans()), min_size=8, max_size=30
    ),
    deliveries=st.integers(1, 9),
)
def test_alike_results_are_written_as_they_would_be_one_by_one(
    rows: list[tuple[bytes, bytes, bool]], deliveries: int
) -> None:
    results = [
        EntryResult(
            b"%d-1" % number,
            deliveries,
            [
                (
                    1,
                    [
                        b"record",
                        b"%d-1" % number,
                        b"a",
                        a,
                        b"b",
                        b,
                        b"same",
                        b"c",
                        b"own" if own else b"other",
                        b"1-1",
                    ],
                )
            ],
        )
        for number, (a, b, own) in enumerate(rows, start=1)
    ]
    alike = commit_module._alike(results)
    assert alike is not None
    assert rebuilt(alike) == [(result.id, b"%d" % result.deliveries, result.outputs[0][1]) for result in results]


def rebuilt(arguments: list[bytes]) -> list[tuple[bytes, bytes, list[bytes]]]:
    """What the script writes, as its header tells it."""
    _, _, width, count = arguments[0], arguments[1], int(arguments[2]), int(arguments[3])
    places = [int(place) for place in arguments[4 : 4 + count]]
    own = int(arguments[4 + count])
    values = arguments[5 + count : 5 + count + width]
    body = arguments[5 + count + width :]
    found = []
    for at in range(0, len(body), 2 + count):
        for place, value in zip(places, body[at + 2 : at + 2 + count], strict=True):
            values[place - 1] = value
        if own:
            values[own - 1] = body[at]
        found.append((body[at], body[at + 1], list(values)))
    return found


@pytest.mark.parametrize("count", [7, 8, 40])
def test_plain_predictions_arrive_whole_however_they_travel(
    server: Connection, source: str, outputs: tuple[str, str], count: int
) -> None:
    ids = pending_entries(server, source, count)
    wanted = [
        [b"id", b"r%d" % n, b"record", entry_id, b"p", b"%d" % (n % 3), b"model", b"m"]
        for n, entry_id in enumerate(ids)
    ]
    results = [EntryResult(entry_id, 1, [(1, fields)]) for entry_id, fields in zip(ids, wanted, strict=True)]
    server.call("XACK", source, GROUP, ids[3])
    done = commit(server, source, GROUP, "w", outputs, results)
    assert (done.committed, done.late_ids) == (count - 1, frozenset({ids[3]}))
    del wanted[3]
    assert [entry.fields[:-2] for entry in entries(server, outputs[0])] == wanted
    assert {entry.fields[-1] for entry in entries(server, outputs[0])} == {b"%d" % done.ts_ms}
    assert pending(server, source) == []
    again = commit(server, source, GROUP, "w", outputs, results)
    assert (again.committed, again.late) == (0, count)


def test_alike_results_that_cannot_be_written_are_put_back(
    server: Connection, source: str, outputs: tuple[str, str]
) -> None:
    ids = pending_entries(server, source, 20)
    server.call("XADD", outputs[0], MAX_ID, "full", "1")
    results = [EntryResult(entry_id, 4, [(1, [b"record", entry_id])]) for entry_id in ids]
    with pytest.raises(ResponseError):
        commit(server, source, GROUP, "w", outputs, results)
    assert pending(server, source) == [(ids[0], b"w", 4), *((entry_id, b"w", 1) for entry_id in ids[1:])]
    server.call("DEL", outputs[0])
    assert commit(server, source, GROUP, "w", outputs, results).committed == 20

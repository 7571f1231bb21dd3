"""Commit of results that differ in some values only: sent once what they share, written as if one by one."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from redis.exceptions import NoScriptError, ResponseError

from core.channel import Packed
from core.connection import Connection
from core.entry import Entry, entries_of
from core.errors import GroupMissing
from core.keys import PipelineKeys
from core.scripts.commit import AlikeResults, CommitCall, Committed

GROUP = "g"
FORMS = (b"texts", b"values", b"c4c1")
MAX_ID = "18446744073709551615-18446744073709551615"


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


def alike(ids: list[bytes], form: bytes) -> AlikeResults:
    """Results whose second and third values differ, in one of the forms that the script takes."""
    texts = [text for n in range(len(ids)) for text in (f"r{n:03}", f"{n % 3}")]
    values: bytes | Packed
    if form == b"texts":
        values = msgspec.msgpack.encode(texts)
    elif form == b"values":
        values = Packed(len(texts), "".join(f"${len(text)}\r\n{text}\r\n" for text in texts).encode())
    else:
        joined = "".join(texts)
        values = Packed(1, f"${len(joined)}\r\n{joined}\r\n".encode())
    fields = [b"id", b"", b"record", b"", b"p", b"", b"model", b"m"]
    return AlikeResults(ids, 1, fields, (2, 6), 4, form, values)


def written(ids: list[bytes]) -> list[list[bytes]]:
    """What the script makes of them, without the time."""
    return [
        [b"id", b"r%03d" % n, b"record", entry_id, b"p", b"%d" % (n % 3), b"model", b"m"]
        for n, entry_id in enumerate(ids)
    ]


def run(server: Connection, source: str, outputs: tuple[str, str], results: AlikeResults) -> Committed:
    call = CommitCall(source, GROUP, "w", outputs, results)
    with server.channel(source) as channel:
        call.submit(channel, with_text=True)
        return call.collect(channel)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("count", [1, 40, 1_000])
def test_alike_results_arrive_whole_in_every_form(
    server: Connection, source: str, outputs: tuple[str, str], count: int, form: bytes
) -> None:
    ids = pending_entries(server, source, count)
    done = run(server, source, outputs, alike(ids, form))
    assert (done.committed, done.late) == (count, 0)
    assert [entry.fields[:-2] for entry in entries(server, outputs[0])] == written(ids)
    assert {entry.fields[-1] for entry in entries(server, outputs[0])} == {b"%d" % done.ts_ms}
    assert pending(server, source) == []
    again = run(server, source, outputs, alike(ids, form))
    assert (again.committed, again.late_ids) == (0, frozenset(ids))
    assert len(entries(server, outputs[0])) == count


@pytest.mark.parametrize("form", FORMS)
def test_who_is_late_among_alike_results_publishes_nothing(
    server: Connection, source: str, outputs: tuple[str, str], form: bytes
) -> None:
    ids = pending_entries(server, source, 9)
    server.call("XACK", source, GROUP, ids[3], ids[8])
    done = run(server, source, outputs, alike(ids, form))
    assert (done.committed, done.late_ids) == (7, frozenset({ids[3], ids[8]}))
    wanted = [fields for n, fields in enumerate(written(ids)) if n not in {3, 8}]
    assert [entry.fields[:-2] for entry in entries(server, outputs[0])] == wanted


@pytest.mark.parametrize("form", FORMS)
def test_alike_results_that_cannot_be_written_are_put_back(
    server: Connection, source: str, outputs: tuple[str, str], form: bytes
) -> None:
    ids = pending_entries(server, source, 20)
    server.call("XADD", outputs[0], MAX_ID, "full", "1")
    with pytest.raises(ResponseError):
        run(server, source, outputs, alike(ids, form))
    assert pending(server, source) == [(entry_id, b"w", 1) for entry_id in ids]
    server.call("DEL", outputs[0])
    assert run(server, source, outputs, alike(ids, form)).committed == 20


@pytest.mark.parametrize("form", FORMS)
def test_values_that_do_not_fit_the_entries_are_refused_before_the_acknowledgement(
    server: Connection, source: str, outputs: tuple[str, str], form: bytes
) -> None:
    ids = pending_entries(server, source, 5)
    results = alike(ids, form)
    for wrong in (replace(results, ids=ids[:4]), replace(results, ids=[*ids, b"9-9"])):
        with pytest.raises(ResponseError, match="values for"):
            run(server, source, outputs, wrong)
    assert len(pending(server, source)) == 5
    assert server.call("EXISTS", *outputs) == 0


def test_a_server_that_does_not_know_the_script_says_so(
    server: Connection, source: str, outputs: tuple[str, str]
) -> None:
    call = CommitCall(source, GROUP, "w", outputs, alike(pending_entries(server, source, 3), b"texts"))
    server.call("SCRIPT", "FLUSH")
    with server.channel(source) as channel:
        call.submit(channel)
        with pytest.raises(NoScriptError):
            call.collect(channel)
        call.submit(channel, with_text=True)
        assert call.collect(channel).committed == 3


def test_a_lost_group_is_told_apart(server: Connection, source: str, outputs: tuple[str, str]) -> None:
    results = alike(pending_entries(server, source, 3), b"values")
    server.call("XGROUP", "DESTROY", source, GROUP)
    with pytest.raises(GroupMissing, match=GROUP):
        run(server, source, outputs, results)
    assert server.call("EXISTS", *outputs) == 0

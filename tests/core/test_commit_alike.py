"""Commit of results that differ in some values only: sent once what they share, written as if one by one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from redis.exceptions import NoScriptError, ResponseError

from core.connection import Connection
from core.errors import GroupMissing
from core.keys import PipelineKeys
from core.scripts.commit import AlikeResults, CommitCall, Committed
from tests.core.alike_results import GROUP, MAX_ID, alike, entries, pending, pending_entries, written

FORMS = (b"texts", b"values", b"c4c1")


@pytest.fixture
def source(keys: PipelineKeys) -> str:
    return keys.partition(0).records


@pytest.fixture
def outputs(keys: PipelineKeys) -> tuple[str, str]:
    return keys.partition(0).predictions, keys.partition(0).rejected


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


@pytest.mark.parametrize("form", [b"texts", b"c4c1"])
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


def test_columns_that_do_not_fit_the_entries_are_not_sent() -> None:
    results = alike([b"1-0", b"2-0"], b"values")
    with pytest.raises(ValueError, match="not 1 values"):
        replace(results, ids=[b"1-0"])


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

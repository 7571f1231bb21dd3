"""Creating the group, also after it was lost; every claim holds on both servers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from core.connection import Connection
from core.entry import parse_entry_id
from core.keys import PipelineKeys
from scorer import group_recovery
from scorer.group_recovery import recover_group
from tests.scorer.streams import Streams


@pytest.fixture
def lost(any_server_url: str, keys: PipelineKeys) -> Iterator[Streams]:
    """Streams without a group, on the embedded Valkey, then on redis-server."""
    with Connection(any_server_url) as connection:
        yield Streams(connection, keys)


def _answer(streams: Streams, stream: str, record: bytes) -> None:
    streams.connection.call("XADD", stream, "*", "_v", 1, "record", record)


def _open(streams: Streams) -> list[bytes]:
    return [
        item[0] for item in streams.connection.call("XPENDING", streams.partition.records, "scorers", "-", "+", 9)
    ]


def _unread(streams: Streams) -> list[bytes]:
    records = streams.partition.records
    reply = streams.connection.call("XREADGROUP", "GROUP", "scorers", "me", "STREAMS", records, ">")
    return [entry_id for _, items in reply or () for entry_id, _ in items]


def _recover(streams: Streams) -> tuple[str, int, int] | None:
    """How the group was created in a stream whose floor, where there is one, is its own."""
    recovered = recover_group(streams.connection, streams.partition, "me", 15_000)
    if recovered is None:
        return None
    assert recovered.dropped_floor is None
    return recovered.start, recovered.answered_entries, recovered.open_entries


def test_a_new_pipeline_starts_at_the_beginning_and_a_second_scorer_changes_nothing(lost: Streams) -> None:
    first = lost.add("n", 1)
    assert _recover(lost) == ("0-0", 0, 0)
    assert _recover(lost) is None
    assert (_unread(lost), _open(lost)) == ([first], [first])
    assert _recover(lost) is None


def test_what_has_a_result_counts_as_answered_and_what_was_open_between_is_pending_at_once(
    lost: Streams,
) -> None:
    answered, pending, rejected, unread = (lost.add("n", n) for n in range(4))
    _answer(lost, lost.partition.predictions, answered)
    _answer(lost, lost.partition.rejected, rejected)
    recovered = _recover(lost)
    assert recovered == (rejected.decode(), 2, 1)
    assert _open(lost) == [pending]
    idle = lost.connection.call("XPENDING", lost.partition.records, "scorers", "IDLE", 15_000, "-", "+", 9)
    assert [item[0] for item in idle] == [pending]
    assert _unread(lost) == [unread]


def test_nothing_before_the_stored_floor_is_read_again(lost: Streams) -> None:
    _, floor, last = (lost.add("n", n) for n in range(3))
    lost.connection.call("SET", lost.partition.floor, floor)
    assert _recover(lost) is not None
    assert _unread(lost) == [floor, last]


def test_a_stream_made_anew_with_smaller_ids_is_read_from_its_beginning(lost: Streams) -> None:
    """Old results name ids that the new stream may hold, too; they do not answer its entries."""
    ids = [lost.add("n", n) for n in range(3)]
    _answer(lost, lost.partition.predictions, ids[1])
    _answer(lost, lost.partition.predictions, b"4102444800000-7")
    lost.connection.call("SET", lost.partition.floor, "4102444800000-8")
    recovered = recover_group(lost.connection, lost.partition, "me", 15_000)
    assert recovered == ("0-0", 0, 0, "4102444800000-8")
    assert lost.connection.call("GET", lost.partition.floor) is None
    assert (_unread(lost), _open(lost)) == (ids, ids)


def test_a_stream_that_is_missing_is_new_and_one_that_was_trimmed_to_nothing_is_not(lost: Streams) -> None:
    last = parse_entry_id(lost.add("n", 1))
    records, floor = lost.partition.records, str(last.after)
    lost.connection.call("SET", lost.partition.floor, floor)
    lost.connection.call("XTRIM", records, "MAXLEN", 0)
    assert _recover(lost) == (str(last), 0, 0)
    assert lost.connection.call("GET", lost.partition.floor) == floor.encode()
    lost.connection.call("DEL", records)
    recovered = recover_group(lost.connection, lost.partition, "me", 15_000)
    assert recovered == ("0-0", 0, 0, floor)
    lost.connection.call("XADD", records, "1-0", "n", 1)
    assert _unread(lost) == [b"1-0"]


def test_results_of_an_older_stream_leave_nothing_pending_in_the_new_one(lost: Streams) -> None:
    """No floor was stored when the stream was made anew."""
    ids = [lost.add("n", n) for n in range(2)]
    _answer(lost, lost.partition.predictions, b"4102444800000-7")
    assert _recover(lost) == ("0-0", 0, 0)
    assert _unread(lost) == ids


def test_a_stream_that_is_made_anew_during_the_look_makes_it_begin_again(
    lost: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry_id = lost.connection.call("XADD", lost.partition.records, "4102444800000-0", "n", 1)
    lost.connection.call("SET", lost.partition.floor, "4102444800000-1")
    run = group_recovery._script.run
    new: list[bytes] = []

    def late(*arguments: Any) -> Any:
        if not new:
            lost.connection.call("DEL", lost.partition.records)
            new.append(lost.add("n", 2))
        return run(*arguments)

    monkeypatch.setattr(group_recovery._script, "run", late)
    recovered = recover_group(lost.connection, lost.partition, "me", 15_000)
    assert recovered is not None
    assert recovered.dropped_floor == "4102444800000-1"
    assert _unread(lost) == new != [entry_id]


def test_a_stream_whose_ids_are_used_up_is_recovered(lost: Streams) -> None:
    first, last = lost.add("n", 1), b"%d-%d" % (2**64 - 1, 2**64 - 1)
    lost.connection.call("XADD", lost.partition.records, last, "n", 2)
    _answer(lost, lost.partition.predictions, last)
    assert _recover(lost) == (last.decode(), 1, 1)
    assert _open(lost) == [first]


@pytest.mark.parametrize("record", [b"", b"no id", b"\xff", b"9999999999999-0"])
def test_results_that_something_else_wrote_are_passed_over(lost: Streams, record: bytes) -> None:
    entry_id = lost.add("n", 1)
    _answer(lost, lost.partition.predictions, record)
    lost.connection.call("XADD", lost.partition.rejected, "*", "hello", "world")
    lost.connection.call("SET", lost.partition.floor, "no id")
    assert _recover(lost) is not None
    later = lost.add("n", 2)
    assert sorted([*_open(lost), *_unread(lost)]) == [entry_id, later]


def test_results_that_came_since_the_look_make_it_begin_again(
    lost: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another scorer made the group meanwhile, answered, and the group was lost once more."""
    first, second = lost.add("n", 1), lost.add("n", 2)
    run = group_recovery._script.run
    calls: list[Any] = []

    def late(*arguments: Any) -> Any:
        if not calls:
            _answer(lost, lost.partition.predictions, first)
        calls.append(arguments)
        return run(*arguments)

    monkeypatch.setattr(group_recovery._script, "run", late)
    assert _recover(lost) == (first.decode(), 1, 0)
    assert len(calls) == 2
    assert _unread(lost) == [second]

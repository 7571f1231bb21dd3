"""The native form of a commit does what the commit script does, or nothing at all."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest
from redis.exceptions import ConnectionError as LostConnection
from redis.exceptions import ResponseError

from bench.chaos.proxy import Proxy
from core.channel import Channel
from core.connection import Connection
from core.entry import entries_of, field_map
from core.errors import GroupMissing
from core.keys import PipelineKeys
from core.scripts import native_commit
from core.scripts.commit import CommitCall
from core.scripts.native_commit import NotCommitted
from tests.core.alike_results import GROUP, MAX_ID, entries, written
from tests.core.native_stage import Native, Stage, set_up

#: Behind this id two more fit.
NEARLY_MAX_ID = "18446744073709551615-18446744073709551613"
#: Commands of the transaction that whoever commits may lose the permission for, beside EVAL, MULTI and EXEC.
INNER = ("xadd", "xack", "xdel", "xclaim", "xlen", "xrange", "xrevrange", "get", "set", "del", "time")


@pytest.fixture
def stage(server: Connection, keys: PipelineKeys) -> Stage:
    return set_up(server, keys.partition(0))


@pytest.fixture
def limited(server: Connection) -> Iterator[Connection]:
    """A user who may do everything, until a test takes something away."""
    user = f"u{secrets.token_hex(4)}"
    server.call("ACL", "SETUSER", user, "on", ">word", "~*", "+@all")
    with Connection(server.url.replace("redis://", f"redis://{user}:word@")) as connection:
        yield connection
    server.call("ACL", "DELUSER", user)


def forbid(server: Connection, limited: Connection, *rules: str) -> None:
    user = limited.url.removeprefix("redis://").partition(":")[0]
    server.call("ACL", "SETUSER", user, *rules)


@pytest.mark.parametrize("count", [1, 40, 1_000])
def test_results_arrive_whole_and_in_order(server: Connection, keys: PipelineKeys, count: int) -> None:
    stage = set_up(server, keys.partition(0), count)
    with stage.native() as native:
        before_ms = server.now_ms()
        done = native.commit(stage.call)
    found = entries(server, stage.partition.predictions)
    assert (done.committed, done.late) == (count, 0)
    assert before_ms <= done.ts_ms <= server.now_ms()
    assert [entry.fields[:-2] for entry in found] == written(stage.ids)
    (ts,) = {field_map(entry.fields)[b"ts"] for entry in found}
    assert abs(int(ts) - done.ts_ms) < 5_000
    stage.assert_one_result_each()


def test_a_result_is_never_older_than_its_record(server: Connection, keys: PipelineKeys) -> None:
    records, ahead_ms = keys.partition(0).records, server.now_ms() + 3_600_000
    server.call("XADD", records, f"{ahead_ms}-0", "n", 1)  # as where the server's clock was set back
    stage = set_up(server, keys.partition(0))
    stage.ids.insert(0, f"{ahead_ms}-0".encode())
    server.call("XREADGROUP", "GROUP", GROUP, "w", "STREAMS", records, ">")
    with stage.native() as native:
        native.commit(stage.call)
    assert {field_map(entry.fields)[b"ts"] for entry in entries(server, stage.partition.predictions)} == {
        b"%d" % ahead_ms
    }


@pytest.mark.parametrize("late", [{0}, {3}, {6}, {0, 1, 5}, set(range(7))])
def test_who_is_late_publishes_nothing_and_no_reader_sees_a_copy(
    stage: Stage, server: Connection, late: set[int]
) -> None:
    other = [entry_id for n, entry_id in enumerate(stage.ids) if n in late]
    seen: list[bytes] = []
    with Connection(server.url) as reader_connection, stage.native() as native:
        native.commit(stage.call_for(other))  # as another worker
        last = entries(server, stage.partition.predictions)[-1].id
        reader = threading.Thread(target=_read, args=(reader_connection, stage.partition.predictions, last, seen))
        reader.start()
        _wait_for_reader(server)
        done = native.commit(stage.call)
        server.call("XADD", stage.partition.predictions, "*", "end", "1")
        reader.join(20)
    assert (done.committed, done.late_ids) == (7 - len(late), frozenset(other))
    assert [record for record in seen if record] == [entry_id for entry_id in stage.ids if entry_id not in other]
    stage.assert_one_result_each()


def _read(connection: Connection, stream: str, last: bytes, seen: list[bytes]) -> None:
    """Read by blocking up to the entry that ends it."""
    while True:
        for entry in entries_of(connection.call("XREAD", "BLOCK", 2_000, "STREAMS", stream, last)[0][1]):
            last, fields = entry.id, field_map(entry.fields)
            if b"end" in fields:
                return
            seen.append(fields[b"record"])


def _wait_for_reader(server: Connection) -> None:
    pace = threading.Event()
    while b"blocked_clients:0" in server.call("INFO", "clients"):
        pace.wait(0.01)


def test_an_output_that_is_no_stream_is_left_alone(stage: Stage, server: Connection) -> None:
    with stage.native() as native:
        server.call("SET", stage.partition.predictions, "somebody's")
        with pytest.raises(NotCommitted, match="WRONGTYPE"):
            native.commit(stage.call)
        assert server.call("GET", stage.partition.predictions) == b"somebody's"
        server.call("DEL", stage.partition.predictions)
        stage.assert_untouched()
        assert native.commit(stage.call).committed == 7
    stage.assert_one_result_each()


@pytest.mark.parametrize("last_id", [MAX_ID, NEARLY_MAX_ID])
def test_where_the_output_is_exhausted_before_or_in_the_middle_nothing_is_done(
    stage: Stage, server: Connection, last_id: str
) -> None:
    with stage.native() as native:
        server.call("XADD", stage.partition.predictions, last_id, "full", "1")
        with pytest.raises(NotCommitted, match="not every result"):
            native.commit(stage.call)
        stage.assert_untouched()
        assert server.call("XLEN", stage.partition.predictions) == 1
        with pytest.raises(ResponseError):
            stage.by_script()  # the true error is its to say
        server.call("DEL", stage.partition.predictions)
        assert stage.by_script().committed == 7
    stage.assert_one_result_each()


def test_a_lost_group_is_left_to_the_script_to_tell(stage: Stage, server: Connection) -> None:
    with stage.native() as native:
        server.call("XGROUP", "DESTROY", stage.partition.records, GROUP)
        with pytest.raises(NotCommitted, match="NOGROUP"):
            native.commit(stage.call)
    assert stage.answered() == []
    with pytest.raises(GroupMissing):
        stage.by_script()


@pytest.mark.parametrize("command", [*INNER, "eval", "exec"])
def test_a_permission_that_was_taken_away_leaves_everything_to_the_script(
    stage: Stage, server: Connection, limited: Connection, command: str
) -> None:
    with stage.native(limited) as native:
        forbid(server, limited, f"-{command}")
        with pytest.raises(NotCommitted):
            native.commit(stage.call)
        stage.assert_untouched()
    forbid(server, limited, f"+{command}")
    with stage.native(limited) as native:
        assert native.commit(stage.call).committed == 7
    stage.assert_one_result_each()


def test_where_transactions_are_forbidden_meanwhile_the_channel_closes_and_each_record_has_one_result(
    stage: Stage, server: Connection, limited: Connection
) -> None:
    with stage.native(limited) as native:
        forbid(server, limited, "-multi")
        with pytest.raises(LostConnection, match="did not begin"):
            native.commit(stage.call)
        assert native.channel.closed
    stage.by_script()
    stage.assert_one_result_each()


@pytest.mark.parametrize(
    "rule", [*(f"-{command}" for command in INNER if command != "xadd"), "-multi", "-exec", "-eval", "keys"]
)
def test_who_may_not_do_it_from_the_start_does_not_try(
    stage: Stage, server: Connection, limited: Connection, rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native_commit, "PAUSE_S", 0.0)
    keys = ("resetkeys", f"~{stage.partition.records}", f"~{stage.partition.predictions}")
    forbid(server, limited, *(keys if rule == "keys" else (rule,)))
    with stage.native(limited) as native:
        assert not native.commits.takes(stage.large_call)
    with stage.native() as native:
        assert native.commits.takes(stage.large_call)
        assert not native.commits.takes(stage.call)
    stage.assert_untouched()


def test_where_the_last_step_did_not_run_all_that_was_sent_ahead_is_taken_back(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native_commit, "_settle", b"return redis.error_reply('ERR not run')")
    with stage.native() as native:
        native.commits._permitted = True  # as before the last step was forbidden
        calls = [stage.call_for(stage.ids[:3]), stage.call_for(stage.ids[3:])]
        for call in calls:
            native.commits.submit(call)
        for call in calls:
            with pytest.raises(NotCommitted, match="not run"):
                native.commits.collect(call)
        assert not native.commits.takes(stage.large_call)
    assert (stage.answered(), stage.pending()) == ([], stage.ids)


def test_the_clock_is_known_although_the_first_try_failed(server: Connection, keys: PipelineKeys) -> None:
    partition = keys.partition(0)
    server.call("XADD", partition.records, "1000-0", "n", 1)  # a record that waited for long
    stage = set_up(server, partition)
    server.call("SET", partition.predictions, "somebody's")
    with stage.native() as native:
        server.call("DEL", partition.predictions)
        done = native.commit(stage.call_for([b"1000-0"]))
    (ts,) = {field_map(entry.fields)[b"ts"] for entry in entries(server, partition.predictions)}
    assert abs(int(ts) - done.ts_ms) < 5_000


def test_a_full_server_leaves_everything_to_the_script(stage: Stage, full_server: Connection) -> None:
    assert full_server is stage.server
    with stage.native() as native:
        with pytest.raises(NotCommitted, match="maxmemory"):
            native.commit(stage.call)
        stage.assert_untouched()
        assert not native.commits.takes(stage.large_call)
    assert stage.by_script().committed == 7
    stage.assert_one_result_each()


def test_a_server_that_forgot_its_scripts_is_told_again(stage: Stage, server: Connection) -> None:
    with stage.native() as native:
        server.call("SCRIPT", "FLUSH")
        assert native.commit(stage.call).committed == 7
    stage.assert_one_result_each()


def test_after_a_failure_the_channel_goes_on(stage: Stage, server: Connection) -> None:
    with stage.native() as native:
        server.call("SET", stage.partition.predictions, "somebody's")
        native.commits.submit(stage.call)
        native.channel.submit("ECHO", "behind")
        with pytest.raises(NotCommitted):
            native.commits.collect(stage.call)
        assert native.channel.collect() == b"behind"


@pytest.mark.parametrize("where", [*range(0, 1_400, 100), *range(1_400, 1_900, 37), 2_500, -20, -1])
def test_a_transaction_that_is_cut_short_does_nothing(stage: Stage, server: Connection, where: int) -> None:
    with (
        closing(Proxy(server.url)) as proxy,
        Connection(proxy.url) as connection,
        stage.native(connection) as native,
    ):
        sent = _bytes_of(native, stage.call)
        proxy.cut_request(b"XADD", where % sent)
        with pytest.raises(LostConnection):
            native.commit(stage.call)
        assert proxy.cuts == 1
    stage.assert_untouched()
    assert stage.by_script().committed == 7
    stage.assert_one_result_each()


@pytest.mark.parametrize("after_bytes", [0, 3, 5, 12, 100, 200, 250, 300])
def test_where_the_answer_is_lost_everything_is_done_and_a_second_commit_is_late(
    stage: Stage, server: Connection, after_bytes: int
) -> None:
    with (
        closing(Proxy(server.url)) as proxy,
        Connection(proxy.url) as connection,
        stage.native(connection) as native,
    ):
        proxy.cut_next(b"XADD", after_bytes=after_bytes)
        with pytest.raises(LostConnection):
            native.commit(stage.call)
        assert proxy.cuts == 1
    assert stage.by_script().late_ids == frozenset(stage.ids)
    stage.assert_one_result_each()


def _bytes_of(native: Native, call: CommitCall) -> int:
    """How long a transaction is."""
    sent: list[bytes] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Channel, "submit_transaction", lambda _, content: sent.append(content))
        native.commits.submit(call)
    return len(sent[0])

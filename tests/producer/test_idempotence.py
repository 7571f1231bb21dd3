"""Every acknowledged record is in the stream exactly once, in order, whatever happens on the way."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.chaos.proxy import Proxy
from core.channel import Channel
from core.connection import Connection
from core.entry import entries_of, field_map
from core.keys import MONITORS, SCORERS, PipelineKeys
from producer import call_queue
from producer.client import Producer
from tests.producer.conftest import MakeServer
from tests.servers import wait_until

#: A linger that no test lives to see.
NEVER_MS = 3_600_000.0
#: Longer than the answer to a publish call.
ANSWER_BYTES = 48


@pytest.fixture
def cut_proxy(any_server_url: str) -> Iterator[Proxy]:
    """A way to either server that can be cut."""
    proxy = Proxy(any_server_url)
    yield proxy
    proxy.close()


def ids_in(url: str, stream: str) -> list[int]:
    """The record ids in a stream, in order."""
    with Connection(url) as connection:
        found = entries_of(connection.call("XRANGE", stream, "-", "+"))
    return [int(field_map(entry.fields)[b"_id"]) for entry in found]


def assert_each_once(url: str, stream: str, count: int) -> None:
    assert ids_in(url, stream) == list(range(count))


def quiet(_sentence: str) -> None:
    """Notices are another test's claim."""


def test_an_answer_cut_at_any_byte_leaves_one_copy(cut_proxy: Proxy, pipeline: str, keys: PipelineKeys) -> None:
    with Producer(cut_proxy.url, pipeline, linger_ms=0, notify=quiet) as producer:
        producer.send({"a": 1}, id=0)
        for number in range(1, ANSWER_BYTES):
            cut_proxy.cut_next(b"EVALSHA", b"OK", after_bytes=number - 1)
            producer.send({"a": 1}, id=number)
            cut_proxy.cut_next(b"no such request")
        assert producer.sent_records == ANSWER_BYTES
    assert cut_proxy.cuts > 30
    assert_each_once(cut_proxy.url, keys.partition(0).records, ANSWER_BYTES)


def test_a_request_cut_at_any_byte_leaves_one_copy(cut_proxy: Proxy, pipeline: str, keys: PipelineKeys) -> None:
    count = 60
    with Producer(cut_proxy.url, pipeline, linger_ms=0, notify=quiet) as producer:
        producer.send({"a": 1}, id=0)
        for number in range(1, count):
            cut_proxy.cut_request(b"EVALSHA", after_bytes=number * 5)
            producer.send({"a": 1}, id=number)
        assert producer.sent_records == count
    assert cut_proxy.cuts == count - 1
    assert_each_once(cut_proxy.url, keys.partition(0).records, count)


@pytest.mark.parametrize("after_bytes", [0, 1, 20, 34, 35, 60, 90])
def test_calls_on_their_way_are_written_once_when_the_connection_is_cut(
    cut_proxy: Proxy, pipeline: str, keys: PipelineKeys, after_bytes: int
) -> None:
    with Producer(cut_proxy.url, pipeline, batch_rows=2, linger_ms=NEVER_MS, notify=quiet) as producer:
        for number in range(100):
            if number % 20 == 10:
                cut_proxy.cut_next(b"EVALSHA", after_bytes=after_bytes)
            producer.send({"a": number}, id=number)
        assert producer.flush() == 0
        assert producer.sent_records == 100
    assert cut_proxy.cuts >= 1
    assert_each_once(cut_proxy.url, keys.partition(0).records, 100)


def test_a_flushed_script_is_sent_again_in_order(any_server_url: str, pipeline: str, keys: PipelineKeys) -> None:
    with (
        Connection(any_server_url) as connection,
        Producer(any_server_url, pipeline, batch_rows=2, linger_ms=NEVER_MS, notify=quiet) as producer,
    ):
        for number in range(60):
            if number % 7 == 0:
                connection.call("SCRIPT", "FLUSH")
            producer.send({"a": number}, id=number)
        assert producer.flush() == 0
    assert_each_once(any_server_url, keys.partition(0).records, 60)


def test_calls_behind_a_refused_one_wait_for_it(any_server_url: str, pipeline: str, keys: PipelineKeys) -> None:
    records = keys.partition(0).records
    refused = threading.Event()
    done = threading.Event()

    def read() -> None:
        with Connection(any_server_url) as connection:
            while not done.is_set():
                if refused.wait(0.05):
                    refused.clear()
                    for name in (SCORERS, MONITORS):
                        connection.call("XGROUP", "SETID", records, name, "$")

    with Connection(any_server_url) as connection:
        for name in (SCORERS, MONITORS):
            connection.call("XGROUP", "CREATE", records, name, "0", "MKSTREAM")
    with Producer(
        any_server_url,
        pipeline,
        batch_rows=2,
        linger_ms=NEVER_MS,
        max_backlog_entries=7,
        notify=lambda _: refused.set(),
    ) as producer:
        reading = threading.Thread(target=read)
        reading.start()
        for number in range(100):
            producer.send({"a": number}, id=number)
        assert producer.flush() == 0
        done.set()
        reading.join(10)
        assert producer.sent_records == 100
    assert_each_once(any_server_url, records, 100)


def test_a_sequence_key_that_expired_loses_and_doubles_nothing(
    any_server_url: str, pipeline: str, keys: PipelineKeys
) -> None:
    with (
        Connection(any_server_url) as connection,
        Producer(any_server_url, pipeline, batch_rows=2, linger_ms=NEVER_MS, notify=quiet) as producer,
    ):
        for number in range(40):
            if number % 10 == 5:
                producer.flush()
                (name,) = connection.call("KEYS", f"*{pipeline}:0}}:producer:*")
                connection.call("DEL", name)
            producer.send({"a": number}, id=number)
        assert producer.flush() == 0
    assert_each_once(any_server_url, keys.partition(0).records, 40)


def test_a_call_whose_answer_was_lost_is_not_doubled_when_the_key_expires(
    cut_proxy: Proxy, pipeline: str, keys: PipelineKeys
) -> None:
    """The producer never heard the id of that call's entries."""
    with (
        Connection(cut_proxy.url) as connection,
        Producer(cut_proxy.url, pipeline, linger_ms=0, notify=quiet) as producer,
    ):
        for number in range(4):
            if number == 2:
                cut_proxy.cut_next(b"EVALSHA", b"OK")
            if number == 3:
                (name,) = connection.call("KEYS", f"*{pipeline}:0}}:producer:*")
                connection.call("DEL", name)
            producer.send({"a": number}, id=number)
        assert producer.sent_records == 4
    assert cut_proxy.cuts == 1
    assert_each_once(cut_proxy.url, keys.partition(0).records, 4)


def test_records_that_were_read_and_trimmed_are_not_sent_again(
    any_server_url: str, pipeline: str, keys: PipelineKeys
) -> None:
    records = keys.partition(0).records
    with (
        Connection(any_server_url) as connection,
        Producer(any_server_url, pipeline, linger_ms=0, notify=quiet) as producer,
    ):
        for number in range(4):
            producer.send({"a": number}, id=number)
        connection.call("XTRIM", records, "MAXLEN", 0)
        (name,) = connection.call("KEYS", f"*{pipeline}:0}}:producer:*")
        connection.call("DEL", name)
        producer.send({"a": 4}, id=4)
    assert ids_in(any_server_url, records) == [4]


def test_two_producers_and_a_thread_that_flushes_while_connections_are_cut(
    cut_proxy: Proxy, pipeline: str, keys: PipelineKeys
) -> None:
    done = threading.Event()

    def push(producer: Producer, first: int) -> None:
        for number in range(first, first + 400, 2):
            producer.send({"a": number}, id=number)
        producer.flush()

    def cut() -> None:
        while not done.wait(0.02):
            cut_proxy.cut_all()

    with (
        Producer(cut_proxy.url, pipeline, batch_rows=5, linger_ms=1, notify=quiet) as even,
        Producer(cut_proxy.url, pipeline, batch_rows=5, linger_ms=1, notify=quiet) as odd,
    ):
        threads = [threading.Thread(target=push, args=(even, 0)), threading.Thread(target=push, args=(odd, 1))]
        threads += [threading.Thread(target=producer.flush) for producer in (even, odd)]
        cutter = threading.Thread(target=cut)
        for thread in (*threads, cutter):
            thread.start()
        for thread in threads:
            thread.join(60)
        done.set()
        cutter.join(10)
        assert (even.sent_records, odd.sent_records) == (200, 200)
    assert sorted(ids_in(cut_proxy.url, keys.partition(0).records)) == list(range(400))


def test_a_server_that_hangs_gets_each_record_once(cut_proxy: Proxy, pipeline: str, keys: PipelineKeys) -> None:
    with Producer(cut_proxy.url, pipeline, batch_rows=3, linger_ms=NEVER_MS, notify=quiet) as producer:
        producer.send({"a": 0}, id=0)
        producer.flush()
        cut_proxy.hold()
        for number in range(1, 8):
            producer.send({"a": number}, id=number)
        assert producer.flush(timeout_s=0.05) == 7
        cut_proxy.let_go()
        assert producer.flush() == 0
    assert_each_once(cut_proxy.url, keys.partition(0).records, 8)


@pytest.mark.parametrize("method", ["submit", "collect"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_interrupt_between_a_command_and_its_note_leaves_one_copy(
    any_server_url: str,
    pipeline: str,
    keys: PipelineKeys,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    when: str,
) -> None:
    """Ctrl-C may come anywhere; the producer may be used on."""
    channels: list[Channel] = []
    open_channel = Connection.channel

    def noted(connection: Connection, stream: str) -> Channel:
        channels.append(open_channel(connection, stream))
        return channels[-1]

    plain = getattr(Channel, method)
    calls = iter(range(1_000))

    def interrupted(channel: Channel, *arguments: Any) -> Any:
        strikes = next(calls) % 5 == 3
        if strikes and when == "before":
            raise KeyboardInterrupt
        reply = plain(channel, *arguments)
        if strikes:
            raise KeyboardInterrupt
        return reply

    with Producer(any_server_url, pipeline, batch_rows=2, linger_ms=NEVER_MS, notify=quiet) as producer:
        monkeypatch.setattr(Connection, "channel", noted)
        monkeypatch.setattr(Channel, method, interrupted)
        struck = 0
        for number in range(60):
            try:
                producer.send({"a": number}, id=number)
            except KeyboardInterrupt:
                struck += 1
        monkeypatch.undo()
        assert struck > 3
        assert producer.flush() == 0
        assert channels[-1].outstanding == 0  # else an answer was taken for that to another call
        assert producer.sent_records == 60
    assert_each_once(any_server_url, keys.partition(0).records, 60)


@pytest.mark.parametrize("program", ["valkey", "redis"])
def test_a_killed_server_that_comes_back_has_each_record_once(
    make_server: MakeServer, pipeline: str, keys: PipelineKeys, program: str
) -> None:
    server = make_server("--appendonly", "yes", "--appendfsync", "always", program=program)
    with Producer(server.url, pipeline, batch_rows=5, linger_ms=NEVER_MS, notify=quiet) as producer:
        for number in range(200):
            producer.send({"a": number}, id=number)
            if number in {57, 143}:
                server.kill()
                starting = threading.Timer(0.05, server.start)
                starting.start()
                producer.flush()
                starting.join(30)
        assert producer.flush() == 0
        assert producer.sent_records == 200
    assert_each_once(server.url, keys.partition(0).records, 200)


def test_a_stale_replica_that_takes_over_gets_what_it_lost(
    make_server: MakeServer, pipeline: str, keys: PipelineKeys
) -> None:
    master, replica = make_server("--repl-diskless-sync-delay", "0"), make_server()
    records = keys.partition(0).records
    proxy = Proxy(master.url)
    with Connection(replica.url) as promoted:
        promoted.call("REPLICAOF", "127.0.0.1", master.port)
        with Producer(proxy.url, pipeline, linger_ms=0, notify=quiet) as producer:
            for number in range(10):
                producer.send({"a": number}, id=number)
            wait_until(lambda: promoted.call("XLEN", records) == 10, "a replica that is level")
            promoted.call("REPLICAOF", "NO", "ONE")
            for number in range(10, 20):
                producer.send({"a": number}, id=number)
            proxy.switch(replica.url)
            producer.send({"a": 20}, id=20)
            assert producer.sent_records == 21
    assert_each_once(replica.url, records, 21)
    proxy.close()


def test_a_replica_that_never_saw_the_producer_gets_all_of_it(
    make_server: MakeServer, pipeline: str, keys: PipelineKeys
) -> None:
    master, replica = make_server("--repl-diskless-sync-delay", "0"), make_server()
    records = keys.partition(0).records
    proxy = Proxy(master.url)
    with Connection(replica.url) as promoted, Producer(proxy.url, pipeline, linger_ms=0, notify=quiet) as producer:
        with Producer(master.url, pipeline) as before:
            before.send({"a": 0}, id=0)
        promoted.call("REPLICAOF", "127.0.0.1", master.port)
        wait_until(lambda: promoted.call("XLEN", records) == 1, "a replica that is level")
        promoted.call("REPLICAOF", "NO", "ONE")
        for number in range(1, 6):
            producer.send({"a": number}, id=number)
        proxy.switch(replica.url)
        producer.send({"a": 6}, id=6)
    assert_each_once(replica.url, records, 7)
    proxy.close()


def test_what_is_lost_for_good_is_said_and_the_rest_is_sent_again(
    server_url: str, pipeline: str, keys: PipelineKeys, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_queue, "HISTORY_CALLS", 2)
    said: list[str] = []
    records = keys.partition(0).records
    with Producer(server_url, pipeline, linger_ms=0, notify=said.append) as producer:
        for number in range(6):
            producer.send({"a": number}, id=number)
        (name,) = connection.call("KEYS", f"*{pipeline}:0}}:producer:*")
        connection.call("SET", name, 1)
        entries = entries_of(connection.call("XRANGE", records, "-", "+"))
        connection.call("XDEL", records, *(entry.id for entry in entries[1:]))
        producer.send({"a": 6}, id=6)
    assert said == [
        f"the server lost calls 2 to 4 to {records}, which are not held here any more; push their records again"
    ]
    assert ids_in(server_url, records) == [0, 4, 5, 6]


#: Nothing here starts a thread, so that a fork is safe.
FORK = """
import os, sys
from core.errors import StreamError
from producer.client import Producer

producer = Producer(sys.argv[1], sys.argv[2], linger_ms=0)
producer.send({"a": 0}, id=0)
child = os.fork()
if not child:
    try:
        producer.send({"a": 9}, id=9)
    except StreamError as error:
        os._exit("before a fork" not in str(error))
    os._exit(2)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
producer.send({"a": 1}, id=1)
producer.close()
sys.exit(status)
"""


def test_a_forked_child_cannot_use_up_its_parents_numbers(
    server_url: str, pipeline: str, keys: PipelineKeys
) -> None:
    """Else the server would take the parent's next record for one that it has."""
    checkout = str(Path(__file__).resolve().parents[2])
    command = [sys.executable, "-c", FORK, server_url, pipeline]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": checkout}, timeout=60, check=False)
    assert done.returncode == 0
    assert ids_in(server_url, keys.partition(0).records) == [0, 1]

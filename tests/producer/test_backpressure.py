"""A producer waits for readers and for memory, or raises; nothing is dropped, and no restart is needed."""

from __future__ import annotations

import signal
import threading

import numpy as np
import pytest

from core.connection import Connection
from core.errors import BacklogFull
from core.keys import MONITORS, SCORERS, PipelineKeys
from core.model_file import ModelFile
from core.redis_registry import RedisRegistry
from core.schema import Schema
from core.settings import Settings
from producer.client import Producer
from tests.producer.conftest import MakeServer, Stream
from tests.producer.keys import key_of
from tests.scorer.scorer_process import Scorer
from tests.servers import wait_until


def group(connection: Connection, stream: str, name: str) -> None:
    connection.call("XGROUP", "CREATE", stream, name, "0", "MKSTREAM")


def require(connection: Connection, keys: PipelineKeys, *groups: str) -> None:
    """What ``streamgauge groups retire`` leaves in the config."""
    connection.call("HSET", keys.config, "required_groups", ",".join(groups))


@pytest.mark.parametrize("program", ["valkey", "redis"])
def test_a_full_server_heals_when_a_scorer_catches_up(
    make_server: MakeServer, pipeline: str, keys: PipelineKeys, model_file: ModelFile, schema: Schema, program: str
) -> None:
    server = make_server("--maxmemory-policy", "noeviction", program=program)
    said: list[str] = []
    full = threading.Event()

    def notify(sentence: str) -> None:
        said.append(sentence)
        full.set()

    settings = Settings(pipeline=pipeline, records_keep_ms=1)
    rows = np.random.default_rng(5).normal(size=(1_000, schema.width))
    blocks = 600
    with Connection(server.url) as connection:
        require(connection, keys, SCORERS)
        RedisRegistry(connection, keys).promote("0123456789ab", model_file, 0, "first")
        used = int(connection.call("INFO", "memory").split(b"used_memory:")[1].split(b"\r\n")[0])
        connection.call("CONFIG", "SET", "maxmemory", used + 5 * 1024 * 1024)  # the blocks are 10 MB
        with Producer(server.url, schema=schema, batch_rows=1_000, settings=settings, notify=notify) as producer:

            def push() -> None:
                for _ in range(blocks):
                    producer.send_rows(rows)

            pushing = threading.Thread(target=push)
            pushing.start()
            assert full.wait(30)
            assert "maxmemory" in said[0]
            scorer = Scorer("--redis-url", server.url, "--pipeline", pipeline, "--trim-every-ms", "50")
            try:
                scorer.ready()
                pushing.join(60)
                healed = not pushing.is_alive()
                producer.interrupt()
                pushing.join(10)
                assert healed
                assert producer.flush() == 0
                assert producer.sent_records == blocks * 1_000
                wait_until(lambda: lag_of(connection, keys) == 0, "a scorer that has read it all")
            finally:
                producer.interrupt()
                scorer.end(signal.SIGKILL)


def lag_of(connection: Connection, keys: PipelineKeys) -> int:
    """Entries that the scorers have not answered."""
    (row,) = connection.call("XINFO", "GROUPS", keys.partition(0).records)
    info = dict(zip(row[::2], row[1::2], strict=True))
    return int(info[b"lag"] or 0) + int(info[b"pending"])


def test_a_waiting_producer_hears_that_a_group_was_retired(
    any_server_url: str, pipeline: str, keys: PipelineKeys
) -> None:
    waiting = threading.Event()
    records = keys.partition(0).records
    with Connection(any_server_url) as connection:
        for name in (SCORERS, MONITORS):
            group(connection, records, name)
        with Producer(
            any_server_url, pipeline, linger_ms=0, max_backlog_entries=1, notify=lambda _: waiting.set()
        ) as producer:
            for number in range(2):
                producer.send({"a": number})
            connection.call("XGROUP", "SETID", records, SCORERS, "$")
            sender = threading.Thread(target=producer.send, args=({"a": 2},))
            sender.start()
            assert waiting.wait(10)
            require(connection, keys, SCORERS)
            sender.join(10)
            assert not sender.is_alive()
            assert producer.sent_records == 3


def test_a_raising_producer_hears_that_a_group_was_retired(
    any_server_url: str, pipeline: str, keys: PipelineKeys
) -> None:
    records = keys.partition(0).records
    with Connection(any_server_url) as connection:
        for name in (SCORERS, MONITORS):
            group(connection, records, name)
        with Producer(any_server_url, pipeline, linger_ms=0, max_backlog_entries=1, on_full="raise") as producer:
            producer.send({"a": 0})
            producer.send({"a": 1})
            connection.call("XGROUP", "SETID", records, SCORERS, "$")
            with pytest.raises(BacklogFull, match="monitors"):
                producer.send({"a": 2})
            require(connection, keys, SCORERS)
            assert producer.flush() == 0
            assert producer.sent_records == 3


def test_a_sender_slower_than_the_linger_waits_for_room_too(
    server_url: str, pipeline: str, keys: PipelineKeys, connection: Connection, stream: Stream
) -> None:
    """Its batches are published by the linger alone, so no send ever meets a refusal of its own."""
    records, batch_rows = keys.partition(0).records, 20
    group(connection, records, SCORERS)
    require(connection, keys, SCORERS)
    done, pace = threading.Event(), threading.Event()
    taken = 0
    with Producer(
        server_url, pipeline, batch_rows=batch_rows, linger_ms=0.1, max_backlog_entries=5, notify=lambda _: None
    ) as producer:

        def send() -> None:
            nonlocal taken
            while not done.is_set():
                producer.send({"a": taken}, id=taken)
                taken += 1
                pace.wait(0.002)

        sender = threading.Thread(target=send)
        sender.start()
        wait_until(lambda: producer.waited_s > 0, "a sender that waits")
        assert producer.unsent <= 3 * batch_rows
        done.set()

        def reader_keeps_up() -> bool:
            connection.call("XGROUP", "SETID", records, SCORERS, "$")
            return not sender.is_alive() and producer.flush(0.05) == 0

        wait_until(reader_keeps_up, "that everything is sent")
    assert [entry.fields[3] for entry in stream(records)] == [b"%d" % number for number in range(taken)]


def test_while_one_thread_waits_for_a_partition_another_sends_to_the_next(
    server_url: str, pipeline: str, keys: PipelineKeys, stream: Stream
) -> None:
    waiting = threading.Event()
    with Producer(
        server_url, pipeline, partitions=2, linger_ms=0, max_backlog_entries=1, notify=lambda _: waiting.set()
    ) as producer:

        def fill() -> None:
            for _ in range(3):
                producer.send({"a": 1}, key=key_of(2, 0))

        def send() -> None:
            producer.send({"a": 1}, key=key_of(2, 1))

        filler, sender = threading.Thread(target=fill), threading.Thread(target=send)
        filler.start()
        assert waiting.wait(10)
        sender.start()
        sender.join(20)
        others = len(stream(keys.partition(1).records))
        assert filler.is_alive()
        producer.interrupt()
        filler.join(20)
        producer.close(timeout_s=0)
    assert others == 1


def test_a_full_partition_does_not_hold_back_the_others(
    server_url: str, pipeline: str, keys: PipelineKeys, connection: Connection, stream: Stream
) -> None:
    full, other = keys.partition(0).records, keys.partition(1).records
    for _ in range(31):
        connection.call("XADD", full, "*", "a", "1")
    connection.call("XGROUP", "CREATE", full, SCORERS, "$")
    waiting = threading.Event()
    with Producer(
        server_url,
        pipeline,
        partitions=2,
        batch_rows=2,
        linger_ms=300,
        max_backlog_entries=30,
        notify=lambda _: waiting.set(),
    ) as producer:

        def send_both() -> None:
            producer.send(
                {"a": 1}, key=key_of(2, 1)
            )  # it lingers, and only the thread that will wait has the lock
            for number in range(20):
                producer.send({"a": number}, key=key_of(2, 0))

        sender = threading.Thread(target=send_both)
        sender.start()
        assert waiting.wait(10)
        wait_until(lambda: len(stream(other)) == 1, "the record of the other partition")
        assert sender.is_alive()
        assert len(stream(full)) == 31
        require(connection, keys, "idle")
        for stream_name in (full, other):
            connection.call("XGROUP", "CREATE", stream_name, "idle", "$")
        sender.join(20)
        assert not sender.is_alive()
        assert producer.flush() == 0
    assert (len(stream(full)), len(stream(other))) == (51, 1)

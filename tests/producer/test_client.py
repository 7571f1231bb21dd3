from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from bench.chaos.proxy import Proxy
from core.connection import Connection
from core.entry import Entry, field_map, streams_of
from core.errors import BacklogFull, ServerUnavailable, SettingsError, StreamError
from core.keys import MONITORS, SCORERS, PipelineKeys
from producer.client import Producer
from tests.servers import wait_until

Stream = Callable[[str], list[Entry]]

#: A linger that no test lives to see.
NEVER_MS = 3_600_000.0
MAX_BYTES = 1 << 20


def read_groups_up(connection: Connection, records: str) -> None:
    """Move both required groups to the end of a stream."""
    for group in (SCORERS, MONITORS):
        connection.call("XGROUP", "SETID", records, group, "$")


@pytest.fixture
def records(connection: Connection, keys: PipelineKeys) -> str:
    """The records stream of partition 0, with both groups at its start."""
    name = keys.partition(0).records
    for group in (SCORERS, MONITORS):
        connection.call("XGROUP", "CREATE", name, group, "0", "MKSTREAM")
    return name


def test_a_plain_record_stands_on_the_wire_as_documented(
    any_server_url: str, pipeline: str, keys: PipelineKeys
) -> None:
    with Producer(any_server_url, pipeline) as producer:
        producer.send({"Area": 87524.0, "Ratio": "0.70"}, id="r-1", event_time_ms=1700000000000, label="Besni")
    with Connection(any_server_url) as connection:
        ((_, fields),) = connection.call("XRANGE", keys.partition(0).records, "-", "+")
    assert field_map(fields) == {
        b"Area": b"87524.0",
        b"Ratio": b"0.70",
        b"_id": b"r-1",
        b"_ts": b"1700000000000",
        b"_y": b"Besni",
    }


def test_a_full_batch_goes_out_by_itself(
    server_url: str, pipeline: str, keys: PipelineKeys, stream: Stream
) -> None:
    with Producer(server_url, pipeline, batch_rows=3, linger_ms=NEVER_MS) as producer:
        for value in range(4):
            producer.send({"a": value})
        wait_until(lambda: producer.sent_records == 3, "an answer that nobody asked for")
        assert producer.unsent == 1
        assert len(stream(keys.partition(0).records)) == 3
    assert len(stream(keys.partition(0).records)) == 4


def test_linger_publishes_without_another_send(
    server_url: str, pipeline: str, keys: PipelineKeys, connection: Connection
) -> None:
    with Producer(server_url, pipeline, linger_ms=20) as producer:
        producer.send({"a": 1})
        reply = connection.call("XREAD", "BLOCK", 10_000, "STREAMS", keys.partition(0).records, "0")
        assert streams_of(reply)
        producer.send({"a": 2})
        reply = connection.call("XREAD", "BLOCK", 10_000, "STREAMS", keys.partition(0).records, reply[0][1][0][0])
        assert streams_of(reply)


def test_no_linger_sends_each_record_at_once(
    server_url: str, pipeline: str, keys: PipelineKeys, stream: Stream
) -> None:
    with Producer(server_url, pipeline, linger_ms=0) as producer:
        producer.send({"a": 1})
        assert len(stream(keys.partition(0).records)) == 1


@pytest.mark.parametrize("words", [b"EVALSHA", b"r-7"])
def test_a_reply_cut_in_mid_flight_leads_to_exactly_one_copy(
    proxy: Proxy, pipeline: str, keys: PipelineKeys, stream: Stream, words: bytes
) -> None:
    said: list[str] = []
    with Producer(proxy.url, pipeline, linger_ms=0, notify=said.append) as producer:
        producer.send({"a": 1}, id="r-6")
        proxy.cut_next(words, b"*2\r\n$2\r\nOK")
        producer.send({"a": 1}, id="r-7")
        producer.send({"a": 1}, id="r-8")
    assert proxy.cuts == 1
    ids = [field_map(entry.fields)[b"_id"] for entry in stream(keys.partition(0).records)]
    assert ids == [b"r-6", b"r-7", b"r-8"]
    assert producer.sent_records == 3
    assert len(said) == 1
    assert "lost" in said[0]


def test_a_label_whose_reply_is_cut_is_written_once(
    proxy: Proxy, pipeline: str, keys: PipelineKeys, stream: Stream
) -> None:
    with Producer(proxy.url, pipeline, notify=lambda _: None) as producer:
        proxy.cut_next(b"EVALSHA", b"*2\r\n$2\r\nOK")
        producer.send_label("r-1", 1)
        producer.flush()
    assert proxy.cuts == 1
    assert [entry.fields for entry in stream(keys.labels)] == [[b"id", b"r-1", b"y", b"1"]]


def test_raise_mode_keeps_what_was_refused_and_flush_sends_it(
    server_url: str, pipeline: str, connection: Connection, records: str, stream: Stream
) -> None:
    with Producer(
        server_url, pipeline, batch_rows=2, linger_ms=NEVER_MS, on_full="raise", max_backlog_entries=3
    ) as producer:
        for value in range(4):
            producer.send({"a": value})
        producer.send({"a": 4})
        with pytest.raises(BacklogFull, match="wait for its readers"):
            producer.send({"a": 5})
        with pytest.raises(BacklogFull):
            producer.flush()
        assert (producer.sent_records, producer.unsent) == (4, 2)
        read_groups_up(connection, records)
        assert producer.flush() == 0
    assert [entry.fields[1] for entry in stream(records)] == [b"0", b"1", b"2", b"3", b"4", b"5"]


def test_wait_mode_waits_for_the_readers_and_says_so_once(
    server_url: str, pipeline: str, connection: Connection, records: str, stream: Stream
) -> None:
    waiting = threading.Event()
    said: list[str] = []

    def notify(sentence: str) -> None:
        said.append(sentence)
        waiting.set()

    with Producer(server_url, pipeline, linger_ms=0, max_backlog_entries=1, notify=notify) as producer:
        producer.send({"a": 0})
        producer.send({"a": 1})
        sender = threading.Thread(target=producer.send, args=({"a": 2},))
        sender.start()
        assert waiting.wait(10)
        assert len(stream(records)) == 2
        read_groups_up(connection, records)
        sender.join(10)
        assert len(stream(records)) == 3
        assert producer.waited_s > 0
    assert len(said) == 1
    assert "scorers" in said[0] or "monitors" in said[0]


def test_interrupt_ends_a_wait_and_keeps_the_records(
    server_url: str, pipeline: str, records: str, stream: Stream
) -> None:
    waiting = threading.Event()
    producer = Producer(server_url, pipeline, linger_ms=0, max_backlog_entries=1, notify=lambda _: waiting.set())
    producer.send({"a": 0})
    producer.send({"a": 1})
    sender = threading.Thread(target=producer.send, args=({"a": 2},))
    sender.start()
    assert waiting.wait(10)
    producer.interrupt()
    sender.join(10)
    assert not sender.is_alive()
    assert producer.close(timeout_s=0.1) == 1
    assert len(stream(records)) == 2


@pytest.mark.parametrize("end", ["flush", "close"])
def test_the_time_limit_holds_while_another_thread_waits_for_room(
    server_url: str, pipeline: str, connection: Connection, records: str, stream: Stream, end: str
) -> None:
    waiting = threading.Event()
    producer = Producer(server_url, pipeline, linger_ms=0, max_backlog_entries=1, notify=lambda _: waiting.set())
    producer.send({"a": 0})
    producer.send({"a": 1})
    sender = threading.Thread(target=producer.send, args=({"a": 2},))
    sender.start()
    assert waiting.wait(10)
    rescue = threading.Timer(10, producer.interrupt)
    rescue.start()
    began_s = time.monotonic()
    unsent = producer.flush(timeout_s=0.1) if end == "flush" else producer.close(timeout_s=0.1)
    took_s = time.monotonic() - began_s
    rescue.cancel()
    assert (unsent, took_s < 5) == (1, True)
    if end == "flush":
        assert sender.is_alive()
        read_groups_up(connection, records)
        sender.join(10)
        assert producer.close(timeout_s=10) == 0
        assert [entry.fields for entry in stream(records)] == [[b"a", b"%d" % number] for number in range(3)]
    sender.join(10)
    assert not sender.is_alive()


def test_flush_with_a_time_limit_tells_what_is_left(server_url: str, pipeline: str, records: str) -> None:
    producer = Producer(server_url, pipeline, linger_ms=1, max_backlog_entries=1, notify=lambda _: None)
    for value in range(3):
        producer.send({"a": value})
        producer.flush(0)
    began_s = time.monotonic()
    assert producer.flush(timeout_s=0.05) == 1
    assert time.monotonic() - began_s < 5
    assert producer.close(timeout_s=0) == 1
    assert records


def test_a_server_out_of_memory_raises_backlog_full_and_loses_nothing(
    redis_url: str, pipeline: str, keys: PipelineKeys
) -> None:
    with (
        Connection(redis_url) as connection,
        Producer(redis_url, pipeline, linger_ms=NEVER_MS, on_full="raise") as producer,
    ):
        producer.send({"a": 1})
        connection.call("CONFIG", "SET", "maxmemory", "1")
        try:
            with pytest.raises(BacklogFull, match="maxmemory"):
                producer.flush()
        finally:
            connection.call("CONFIG", "SET", "maxmemory", "0")
        assert producer.flush() == 0
        assert connection.call("XLEN", keys.partition(0).records) == 1


def test_a_server_that_forgot_the_producer_is_written_under_a_new_id(
    server_url: str, pipeline: str, keys: PipelineKeys, connection: Connection, stream: Stream
) -> None:
    with Producer(server_url, pipeline, linger_ms=0) as producer:
        producer.send({"a": 1})
        producer.send({"a": 2})
        (name,) = connection.call("KEYS", f"*{pipeline}:0}}:producer:*")
        connection.call("DEL", name)
        producer.send({"a": 3})
        producer.send({"a": 4})
        assert name not in connection.call("KEYS", f"*{pipeline}:0}}:producer:*")
    assert [entry.fields[1] for entry in stream(keys.partition(0).records)] == [b"1", b"2", b"3", b"4"]


def test_a_server_that_lost_the_newest_calls_gets_them_again_in_order(
    server_url: str, pipeline: str, keys: PipelineKeys, connection: Connection, stream: Stream
) -> None:
    records = keys.partition(0).records
    with Producer(server_url, pipeline, linger_ms=0) as producer:
        for value in range(1, 5):
            producer.send({"a": value})
        # a failover to a replica that saw only the first call
        (name,) = connection.call("KEYS", f"*{pipeline}:0}}:producer:*")
        connection.call("SET", name, 1)
        connection.call("XDEL", records, *(entry.id for entry in stream(records)[1:]))
        producer.send({"a": 5})
        assert producer.sent_records == 5
    assert [entry.fields[1] for entry in stream(records)] == [b"1", b"2", b"3", b"4", b"5"]


def test_ids_choose_the_partition_and_records_without_take_turns(
    server_url: str, pipeline: str, keys: PipelineKeys, stream: Stream
) -> None:
    with Producer(server_url, pipeline, partitions=3, batch_rows=2, linger_ms=NEVER_MS) as producer:
        for number in range(30):
            producer.send({"a": number}, id=f"r-{number}")
        producer.flush()
        by_id = [len(stream(keys.partition(number).records)) for number in range(3)]
        for number in range(12):
            producer.send({"a": number})
        producer.flush()
        by_turn = [len(stream(keys.partition(number).records)) - by_id[number] for number in range(3)]
    assert sum(by_id) == 30
    assert min(by_id) > 0
    assert by_turn == [4, 4, 4]
    with Producer(server_url, pipeline) as again:
        assert again.partitions == 3
        for number in range(30):
            again.send({"a": number}, id=f"r-{number}")
    for number in range(3):
        ids = {field_map(entry.fields).get(b"_id") for entry in stream(keys.partition(number).records)} - {None}
        assert len(ids) == by_id[number]


def test_another_number_of_partitions_is_refused(server_url: str, pipeline: str) -> None:
    Producer(server_url, pipeline, partitions=2).close()
    with pytest.raises(SettingsError, match="partitions is 3 here and 2"):
        Producer(server_url, pipeline, partitions=3)


def test_no_server_is_one_sentence() -> None:
    with pytest.raises(ServerUnavailable, match=r"no Redis answers at redis://127\.0\.0\.1:1"):
        Producer("redis://127.0.0.1:1")


def test_a_server_that_stays_away_is_an_error_and_the_records_stay(
    proxy: Proxy, pipeline: str, keys: PipelineKeys
) -> None:
    producer = Producer(proxy.url, pipeline, linger_ms=NEVER_MS, give_up_s=0.05, notify=lambda _: None)
    producer.send({"a": 1})
    proxy.close()
    with pytest.raises(ServerUnavailable, match="nothing that was not sent is lost"):
        producer.flush()
    assert producer.unsent == 1
    assert producer.close(timeout_s=0) == 1
    assert keys


def test_a_stream_of_another_type_is_a_sentence_and_the_records_stay(
    server_url: str, pipeline: str, keys: PipelineKeys, connection: Connection
) -> None:
    producer = Producer(server_url, pipeline, linger_ms=NEVER_MS)
    connection.call("SET", keys.partition(0).records, "text")
    producer.send({"a": 1})
    with pytest.raises(StreamError, match="mend it and flush again"):
        producer.flush()
    connection.call("DEL", keys.partition(0).records)
    assert producer.close() == 0
    with pytest.raises(StreamError, match="closed"):
        producer.send({"a": 1})


def test_after_close_a_flush_tells_what_was_left_and_sends_nothing(
    server_url: str, pipeline: str, connection: Connection, records: str, stream: Stream
) -> None:
    producer = Producer(server_url, pipeline, linger_ms=NEVER_MS, max_backlog_entries=0, notify=lambda _: None)
    connection.call("XADD", records, "*", "a", "1")
    producer.send({"a": 2})
    assert producer.close(timeout_s=0) == 1
    read_groups_up(connection, records)
    assert producer.flush() == 1
    assert len(stream(records)) == 1


def test_the_widest_record_passes_the_script(
    server_url: str, pipeline: str, keys: PipelineKeys, stream: Stream
) -> None:
    with Producer(server_url, pipeline, on_full="raise") as producer:
        producer.send({f"f{number}": number for number in range(3_900)}, id=7, event_time_ms=1, label=1)
    (entry,) = stream(keys.partition(0).records)
    assert field_map(entry.fields)[b"_id"] == b"7"


def test_many_threads_lose_and_double_nothing(
    server_url: str, pipeline: str, keys: PipelineKeys, stream: Stream
) -> None:
    with Producer(server_url, pipeline, partitions=2, batch_rows=7, linger_ms=1) as producer:

        def push(first: int) -> None:
            for number in range(first, first + 200):
                producer.send({"a": number}, id=number)

        threads = [threading.Thread(target=push, args=(first,)) for first in (0, 200, 400)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    ids = [
        int(field_map(entry.fields)[b"_id"])
        for number in range(2)
        for entry in stream(keys.partition(number).records)
    ]
    assert sorted(ids) == list(range(600))


def test_leaving_the_block_by_an_exception_still_sends(
    server_url: str, pipeline: str, keys: PipelineKeys, stream: Stream
) -> None:

    def fail_after_a_send() -> None:
        with Producer(server_url, pipeline, linger_ms=NEVER_MS) as producer:
            producer.send({"a": 1})
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        fail_after_a_send()
    assert len(stream(keys.partition(0).records)) == 1

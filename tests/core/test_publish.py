"""Publish: each sequence once, in order, and never past the readers' cap."""

from __future__ import annotations

import pytest
from redis.exceptions import OutOfMemoryError, ResponseError

from core.connection import Connection
from core.entry import entries_of
from core.errors import BacklogFull
from core.keys import PartitionKeys, PipelineKeys
from core.scripts.close_window import close_window
from core.scripts.publish import SEQUENCE_KEPT_S, SequenceGap, publish, read_answer, submit_publish
from core.scripts.trim import trim

RECORD = [b"a", b"1"]


@pytest.fixture
def partition(keys: PipelineKeys) -> PartitionKeys:
    return keys.partition(0)


def send(
    server: Connection,
    partition: PartitionKeys,
    sequence: int,
    entries: list[list[bytes]] | None = None,
    *,
    producer: str = "p",
    max_entries: int = 1_000_000,
    max_bytes: int = 2**30,
) -> bytes | None:
    key = partition.producer(producer)
    return publish(server, partition.records, key, sequence, entries or [RECORD], max_entries, max_bytes)


def length(server: Connection, partition: PartitionKeys) -> int:
    return int(server.call("XLEN", partition.records))


def groups(server: Connection, partition: PartitionKeys, *names: str, start: str = "0") -> None:
    for name in names:
        server.call("XGROUP", "CREATE", partition.records, name, start, "MKSTREAM")


def read(server: Connection, partition: PartitionKeys, group: str, count: int) -> None:
    server.call("XREADGROUP", "GROUP", group, "c", "COUNT", count, "STREAMS", partition.records, ">")


def test_entries_arrive_in_order_and_byte_for_byte(server: Connection, partition: PartitionKeys) -> None:
    every = bytes(range(256))
    sent = [[every, every[::-1], b"", b""], RECORD, [b"_x", b"\x00" * 2**20]]
    last = send(server, partition, 1, sent)
    arrived = entries_of(server.call("XRANGE", partition.records, "-", "+"))
    assert [entry.fields for entry in arrived] == sent
    assert arrived[-1].id == last


def test_a_sequence_is_written_once(server: Connection, partition: PartitionKeys) -> None:
    assert send(server, partition, 1) is not None
    assert send(server, partition, 2) is not None
    for repeated in (2, 1, 0, -1):
        assert send(server, partition, repeated) is None
    assert length(server, partition) == 2
    assert 0 < server.call("TTL", partition.producer("p")) <= SEQUENCE_KEPT_S


def test_a_repeated_sequence_is_a_write_for_the_disk_to_confirm(
    server: Connection, partition: PartitionKeys
) -> None:
    """WAITAOF waits for the last write of its own connection; and the sequence is remembered anew."""
    send(server, partition, 1)
    server.call("EXPIRE", partition.producer("p"), 60)
    dirty = rdb_changes(server)
    assert send(server, partition, 1) is None
    assert rdb_changes(server) > dirty
    assert server.call("TTL", partition.producer("p")) > 60
    server.call("DEL", partition.producer("p"))
    dirty = rdb_changes(server)
    assert send(server, partition, 0) is None
    assert rdb_changes(server) > dirty


def rdb_changes(server: Connection) -> int:
    """Writes of the server since it last saved."""
    said = server.call("INFO", "persistence").decode()
    return int(said.split("rdb_changes_since_last_save:")[1].split()[0])


def test_calls_behind_a_refused_one_are_answered_with_a_gap(server: Connection, partition: PartitionKeys) -> None:
    groups(server, partition, "scorers", "monitors")
    with server.channel(partition.records) as channel:

        def submit(sequence: int, max_entries: int, *, with_text: bool = False) -> None:
            key = partition.producer("p")
            packed: list[str | bytes | int] = [2, b"a", b"%d" % sequence]
            submit_publish(
                channel, partition.records, key, sequence, packed, max_entries, 2**30, with_text=with_text
            )

        submit(1, 10, with_text=True)
        submit(2, 10)
        submit(3, 1)
        submit(4, 10)
        submit(5, 10)
        assert read_answer(channel.collect()) is not None
        assert read_answer(channel.collect()) is not None
        with pytest.raises(BacklogFull):
            read_answer(channel.collect())
        for _ in range(2):
            with pytest.raises(SequenceGap) as caught:
                read_answer(channel.collect())
            assert caught.value.last == 2
    arrived = entries_of(server.call("XRANGE", partition.records, "-", "+"))
    assert [entry.fields for entry in arrived] == [[b"a", b"1"], [b"a", b"2"]]


@pytest.mark.parametrize("known", [0, 1, 3])
def test_a_gap_names_the_last_sequence_and_writes_nothing(
    server: Connection, partition: PartitionKeys, known: int
) -> None:
    for sequence in range(1, known + 1):
        send(server, partition, sequence)
    with pytest.raises(SequenceGap) as caught:
        send(server, partition, known + 2)
    assert caught.value.last == known
    assert length(server, partition) == known
    assert send(server, partition, known + 1) is not None


def test_producers_count_for_themselves(server: Connection, partition: PartitionKeys) -> None:
    assert send(server, partition, 1, producer="p") is not None
    assert send(server, partition, 1, producer="q") is not None
    assert length(server, partition) == 2


def test_a_full_backlog_names_its_group_and_uses_up_no_sequence(
    server: Connection, partition: PartitionKeys
) -> None:
    groups(server, partition, "scorers", "monitors")
    for sequence in (1, 2, 3, 4):
        send(server, partition, sequence, max_entries=3)
    read(server, partition, "scorers", 3)
    with pytest.raises(BacklogFull) as caught:
        send(server, partition, 5, max_entries=3)
    assert caught.value.group == "monitors"
    read(server, partition, "scorers", 9)
    read(server, partition, "monitors", 1)
    assert send(server, partition, 5, max_entries=3) is not None
    with pytest.raises(BacklogFull, match="monitors"):
        send(server, partition, 6, max_entries=3)
    read(server, partition, "monitors", 9)
    assert send(server, partition, 6, max_entries=3) is not None


def test_a_backlog_is_full_by_bytes_too(server: Connection, partition: PartitionKeys) -> None:
    groups(server, partition, "scorers", "monitors")
    send(server, partition, 1, [[b"a", b"x" * 999]] * 5)
    read(server, partition, "monitors", 5)
    with pytest.raises(BacklogFull, match="scorers"):
        send(server, partition, 2, max_bytes=4_999)
    assert send(server, partition, 2, max_bytes=5_000) is not None


def test_a_missing_group_counts_everything(server: Connection, partition: PartitionKeys) -> None:
    groups(server, partition, "scorers")
    send(server, partition, 1, [RECORD] * 5)
    read(server, partition, "scorers", 5)
    with pytest.raises(BacklogFull, match="monitors"):
        send(server, partition, 2, max_entries=4)
    assert send(server, partition, 2, max_entries=5) is not None


def test_a_group_that_is_not_required_holds_nobody_up(server: Connection, partition: PartitionKeys) -> None:
    groups(server, partition, "scorers", "monitors", "strangers")
    send(server, partition, 1, [RECORD] * 5)
    read(server, partition, "scorers", 5)
    read(server, partition, "monitors", 5)
    assert send(server, partition, 2, max_entries=1) is not None


def lag(server: Connection, partition: PartitionKeys, group: str) -> int | None:
    for row in server.call("XINFO", "GROUPS", partition.records):
        info = dict(zip(row[::2], row[1::2], strict=True))
        if info[b"name"] == group.encode():
            found = info[b"lag"]
            return None if found is None else int(found)
    raise AssertionError(group)


def test_where_the_server_lost_count_the_unread_are_counted(server: Connection, partition: PartitionKeys) -> None:
    """After XDEL of an unread entry the lag is nil."""
    groups(server, partition, "scorers", "monitors")
    send(server, partition, 1, [RECORD] * 250)
    read(server, partition, "monitors", 250)
    read(server, partition, "scorers", 10)
    unread = entries_of(server.call("XRANGE", partition.records, "-", "+"))
    server.call("XDEL", partition.records, unread[100].id)
    assert lag(server, partition, "scorers") is None
    with pytest.raises(BacklogFull, match="scorers"):
        send(server, partition, 2, max_entries=238)
    assert send(server, partition, 2, max_entries=239) is not None


def test_a_group_that_was_created_mid_stream_is_counted_too(server: Connection, partition: PartitionKeys) -> None:
    send(server, partition, 1, [RECORD] * 150)
    middle = entries_of(server.call("XRANGE", partition.records, "-", "+"))[99].id.decode()
    groups(server, partition, "scorers", start=middle)
    groups(server, partition, "monitors", start="$")
    assert lag(server, partition, "scorers") is None
    with pytest.raises(BacklogFull, match="scorers"):
        send(server, partition, 2, max_entries=49)
    assert send(server, partition, 2, max_entries=50) is not None


def test_entries_trimmed_unread_are_no_backlog(server: Connection, partition: PartitionKeys) -> None:
    """Redis 7.0 goes on counting them in its lag."""
    groups(server, partition, "scorers", "monitors")
    send(server, partition, 1, [RECORD] * 100)
    server.call("XTRIM", partition.records, "MAXLEN", 5)
    assert send(server, partition, 2, max_entries=5) is not None


@pytest.mark.parametrize("bad", [[], [b"odd"], [b"x"] * 8_100, [b"x"] * 20_000])
def test_a_record_that_no_script_can_write_is_refused_with_its_whole_call(
    server: Connection, partition: PartitionKeys, bad: list[bytes]
) -> None:
    with pytest.raises(ResponseError, match=f"a record of {len(bad)} names and values"):
        send(server, partition, 1, [RECORD, bad, RECORD])
    assert length(server, partition) == 0
    assert send(server, partition, 1) is not None


def test_a_call_without_entries_uses_up_no_sequence(server: Connection, partition: PartitionKeys) -> None:
    with pytest.raises(ValueError, match="at least one"):
        publish(server, partition.records, partition.producer("p"), 1, [], 10, 10)
    assert send(server, partition, 1) is not None


def test_an_exhausted_stream_keeps_no_half_of_a_call(server: Connection, partition: PartitionKeys) -> None:
    server.call("XADD", partition.records, f"{2**64 - 1}-{2**64 - 2}", "last", "but one")
    with pytest.raises(ResponseError, match=r"exhausted|ID"):
        send(server, partition, 1, [RECORD, RECORD])
    assert length(server, partition) == 1
    assert server.call("GET", partition.producer("p")) is None


@pytest.mark.parametrize("which", ["records", "sequence"])
def test_a_key_of_the_wrong_type_writes_nothing(server: Connection, partition: PartitionKeys, which: str) -> None:
    wrong = partition.records if which == "records" else partition.producer("p")
    server.call("SADD", wrong, "mine")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        send(server, partition, 1)
    other = partition.producer("p") if which == "records" else partition.records
    assert server.call("EXISTS", other) == 0


def test_a_full_server_refuses_producers_and_lets_services_work(
    full_server: Connection, partition: PartitionKeys, keys: PipelineKeys
) -> None:
    full_server.call("CONFIG", "SET", "maxmemory", "0")
    send(full_server, partition, 1, [RECORD] * 3)
    full_server.call("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(OutOfMemoryError):
        send(full_server, partition, 2)
    assert length(full_server, partition) == 3
    assert full_server.call("GET", partition.producer("p")) == b"1"
    assert close_window(full_server, keys, 0, b"state", [b"window", b"1"], [], [])
    assert trim(full_server, partition.records, -1, 1) == 3  # all of them are older than what is kept
    full_server.call("CONFIG", "SET", "maxmemory", "0")
    assert send(full_server, partition, 2) is not None

from __future__ import annotations

import pytest

from core.connection import Connection
from core.keys import PartitionKeys, PipelineKeys
from core.stream_lag import StreamLag, stream_lags


@pytest.fixture
def partition(keys: PipelineKeys) -> PartitionKeys:
    return keys.partition(0)


def _add(server: Connection, partition: PartitionKeys, count: int, first_ms: int = 1_000) -> None:
    for index in range(count):
        server.call("XADD", partition.records, f"{first_ms + index}-0", "a", b"x" * 2_000)


def _read(server: Connection, partition: PartitionKeys, group: str | bytes, count: int) -> None:
    server.call("XREADGROUP", "GROUP", group, "c", "COUNT", count, "STREAMS", partition.records, ">")


def _lag(server: Connection, partition: PartitionKeys) -> StreamLag:
    (lag,) = stream_lags(server, (partition,))
    return lag


def test_a_partition_without_records_or_of_another_type_has_no_groups(
    server: Connection, keys: PipelineKeys
) -> None:
    server.call("SET", keys.partition(1).records, "no stream")
    assert stream_lags(server, keys.partitions(2)) == []


def test_lag_pending_and_age_of_each_group(server: Connection, partition: PartitionKeys) -> None:
    _add(server, partition, 5)
    server.call("XGROUP", "CREATE", partition.records, "scorers", "0")
    _read(server, partition, "scorers", 2)
    lag = _lag(server, partition)
    assert (lag.partition, lag.group, lag.lag_entries, lag.pending_entries) == (0, "scorers", 3, 2)
    assert lag.oldest_s == pytest.approx(server.now_ms() / 1000 - 1.0, abs=5)
    server.call("XACK", partition.records, "scorers", "1000-0", "1001-0")
    _read(server, partition, "scorers", 10)
    server.call("XACK", partition.records, "scorers", *(f"{ms}-0" for ms in range(1_002, 1_005)))
    lag = _lag(server, partition)
    assert (lag.lag_entries, lag.pending_entries, lag.oldest_s) == (0, 0, 0.0)


def test_where_the_server_does_not_know_the_lag_it_is_counted(
    server: Connection, partition: PartitionKeys
) -> None:
    _add(server, partition, 50)
    server.call("XGROUP", "CREATE", partition.records, "scorers", "1009-0")
    assert _lag(server, partition).lag_entries == 40
    server.call("XDEL", partition.records, "1030-0")
    assert _lag(server, partition).lag_entries == 39


def test_counting_stops_at_its_limit_of_bytes(
    server: Connection, partition: PartitionKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.stream_lag.MAX_COUNTED_BYTES", 20_000)
    _add(server, partition, 200)
    server.call("XGROUP", "CREATE", partition.records, "scorers", "1009-0")
    assert 10 <= _lag(server, partition).lag_entries < 30


def test_a_stream_that_was_made_anew_under_a_group_has_no_negative_lag(
    server: Connection, partition: PartitionKeys
) -> None:
    _add(server, partition, 3)
    server.call("XGROUP", "CREATE", partition.records, "monitors", "0")
    server.call("XGROUP", "SETID", partition.records, "monitors", "1000-0", "ENTRIESREAD", 500)
    assert _lag(server, partition).lag_entries == 2


def test_a_stream_whose_ids_are_used_up_has_nothing_unread(server: Connection, partition: PartitionKeys) -> None:
    _add(server, partition, 2)
    server.call("XADD", partition.records, f"{2**64 - 1}-{2**64 - 1}", "a", "1")
    server.call("XGROUP", "CREATE", partition.records, "scorers", "1000-0")
    assert _lag(server, partition).lag_entries == 2
    _read(server, partition, "scorers", 10)
    lag = _lag(server, partition)
    assert (lag.lag_entries, lag.pending_entries) == (0, 2)
    server.call("XGROUP", "SETID", partition.records, "scorers", f"{2**64 - 1}-{2**64 - 1}")
    assert _lag(server, partition).lag_entries == 0


def test_a_group_name_that_is_no_text_is_shown_escaped(server: Connection, partition: PartitionKeys) -> None:
    _add(server, partition, 3)
    server.call("XGROUP", "CREATE", partition.records, b"odd\xff", "0")
    _read(server, partition, b"odd\xff", 1)
    lag = _lag(server, partition)
    assert (lag.group, lag.lag_entries, lag.pending_entries) == (r"odd\xff", 2, 1)


def test_an_entry_from_a_clock_ahead_has_no_negative_age(server: Connection, partition: PartitionKeys) -> None:
    _add(server, partition, 1, first_ms=server.now_ms() + 1_000_000)
    server.call("XGROUP", "CREATE", partition.records, "scorers", "0")
    assert _lag(server, partition).oldest_s == 0.0

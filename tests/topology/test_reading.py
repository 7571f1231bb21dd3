"""Several streams of a cluster are read as one, though no command may read them together."""

from __future__ import annotations

import threading

import pytest

from core.connection import CONNECTION_ERRORS, Connection
from core.entry import EntryId
from core.keys import PartitionKeys, PipelineKeys
from core.merged_reader import LABELS, MergedRead, MergedReader, PlacedEntry
from core.stream_lag import stream_lags
from core.stream_waiter import StreamWaiter
from monitor.marker import made_anew
from tests.servers import ClusterServers, wait_until

READ_BYTES = 2**20


@pytest.fixture
def partitions(cluster: ClusterServers, keys: PipelineKeys) -> tuple[PartitionKeys, ...]:
    """One partition on each master."""
    return keys.partitions(3, cluster.tags(keys.pipeline, 3))


def _add(connection: Connection, partition: PartitionKeys, *ids: str) -> None:
    for entry_id in ids:
        connection.call("XADD", partition.records, entry_id, "a", "1")


def _places(entries: list[PlacedEntry]) -> list[tuple[int, int]]:
    return [(placed.id.ms, placed.partition) for placed in entries]


def _wait_for_ever(waiter: StreamWaiter, after: dict[str, str]) -> None:
    while True:
        waiter.wait(after, 2_000)


@pytest.mark.parametrize("read_bytes", [1, READ_BYTES])
def test_masters_are_merged_by_entry_id(
    on_cluster: Connection, partitions: tuple[PartitionKeys, ...], read_bytes: int
) -> None:
    for number, partition in enumerate(partitions):
        _add(on_cluster, partition, *(f"{ms}-0" for ms in range(1 + number, 90, 1 + 2 * number)))
    reader = MergedReader(on_cluster, partitions, read_bytes)
    places: list[tuple[int, int]] = []
    while entries := reader.read(1).entries:
        places += _places(entries)
    reader.close()
    assert places == sorted(places)
    assert len(places) == sum(len(range(1 + number, 90, 1 + 2 * number)) for number in range(3))


@pytest.mark.parametrize("read_bytes", [1, READ_BYTES])
def test_labels_of_another_slot_come_behind_the_records_of_the_same_id(
    on_cluster: Connection, keys: PipelineKeys, partitions: tuple[PartitionKeys, ...], read_bytes: int
) -> None:
    for number, partition in enumerate(partitions):
        _add(on_cluster, partition, *(f"{ms}-0" for ms in range(1 + number, 60, 1 + number)))
    for ms in range(1, 70, 3):
        on_cluster.call("XADD", keys.labels, f"{ms}-0", "id", "a", "y", "1")
    reader = MergedReader(on_cluster, partitions, read_bytes, labels=keys.labels)
    places: list[tuple[int, int]] = []
    while entries := reader.read(1).entries:
        places += _places(entries)
    reader.close()
    assert places == sorted(places)
    assert [ms for ms, number in places if number == LABELS] == list(range(1, 70, 3))
    assert len(places) == sum(len(range(1 + number, 60, 1 + number)) for number in range(3)) + 23


def test_nothing_is_handed_out_beyond_the_clock_of_the_labels(
    on_cluster: Connection,
    keys: PipelineKeys,
    partitions: tuple[PartitionKeys, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_ms = on_cluster.now_ms(keys.labels)
    real, behind = on_cluster.now_ms, {keys.labels: 30_000}
    monkeypatch.setattr(on_cluster, "now_ms", lambda stream: real(stream) - behind.get(stream, 0))
    monkeypatch.setattr(on_cluster._servers, "one_a_server", list)
    _add(on_cluster, partitions[0], f"{now_ms - 60_000}-0", f"{now_ms - 10_000}-0")
    reader = MergedReader(on_cluster, partitions[:1], READ_BYTES, labels=keys.labels)
    assert _places(reader.read(1).entries) == [(now_ms - 60_000, 0)]
    behind.clear()
    assert _places(reader.read(1).entries) == [(now_ms - 10_000, 0)]
    reader.close()


def test_a_read_that_waits_on_all_masters_ends_with_the_first_entry_on_any(
    cluster: ClusterServers,
    on_cluster: Connection,
    partitions: tuple[PartitionKeys, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("core.stream_waiter.MAX_BLOCK_MS", 100_000)
    reader = MergedReader(on_cluster, partitions, READ_BYTES)
    reads: list[MergedRead] = []
    reading = threading.Thread(target=lambda: reads.append(reader.read(100_000)))
    reading.start()
    wait_until(lambda: all(cluster.blocked_clients(port) for port in cluster.ports), "a wait on each master")
    with Connection(cluster.url) as other:
        _add(other, partitions[1], "5-0")
    reading.join(30)
    assert _places(reads[0].entries) == [(5, 1)]
    assert [cluster.blocked_clients(port) for port in cluster.ports] == [
        1,
        0,
        1,
    ]  # they wait on, for the next read
    reader.close()


def test_entries_younger_than_the_skew_are_held_back(
    on_cluster: Connection, partitions: tuple[PartitionKeys, ...]
) -> None:
    now_ms = on_cluster.now_ms(partitions[0].records)
    _add(on_cluster, partitions[0], f"{now_ms - 60_000}-0", f"{now_ms}-0")
    reader = MergedReader(on_cluster, partitions[:1], READ_BYTES, (partitions[1].records,), skew_ms=30_000)
    read = reader.read(1)
    assert _places(read.entries) == [(now_ms - 60_000, 0)]
    assert read.watermark_ms < now_ms
    assert reader.read(1).entries == []


def test_a_wait_ends_with_an_error_where_a_master_is_lost_and_the_next_one_works(
    cluster: ClusterServers, on_cluster: Connection, partitions: tuple[PartitionKeys, ...]
) -> None:
    waiter = StreamWaiter(on_cluster)
    after = {partition.records: "0-0" for partition in partitions}
    waiter.wait(after, 1)
    waiting = threading.Thread(target=cluster.cut_blocked_clients, args=(cluster.ports[2],))
    waiting.start()
    with pytest.raises(CONNECTION_ERRORS):
        _wait_for_ever(waiter, after)
    waiting.join(30)
    _add(on_cluster, partitions[2], "1-0")
    waiter.wait(after, 2_000)
    waiter.close()


def test_lags_of_all_masters_are_taken_by_their_own_clocks(
    on_cluster: Connection, partitions: tuple[PartitionKeys, ...]
) -> None:
    for partition in partitions:
        _add(on_cluster, partition, "1-0", "2-0")
        on_cluster.call("XGROUP", "CREATE", partition.records, "scorers", "0")
    lags = stream_lags(on_cluster, partitions)
    assert [(lag.partition, lag.lag_entries) for lag in lags] == [(0, 2), (1, 2), (2, 2)]
    assert all(lag.oldest_s > 0 for lag in lags)


def test_a_stream_whose_newest_entries_a_failover_lost_is_not_read_again(
    on_cluster: Connection, partitions: tuple[PartitionKeys, ...]
) -> None:
    partition = partitions[0]
    _add(on_cluster, partition, "1-0", "5-0")
    now_ms = on_cluster.now_ms(partition.records)
    assert made_anew(on_cluster, partition.records, EntryId(5, 0)) is None
    assert made_anew(on_cluster, partition.records, EntryId(now_ms, 0)) is None
    assert made_anew(on_cluster, partition.records, EntryId(now_ms + 10**9, 0)) == EntryId(5, 0)

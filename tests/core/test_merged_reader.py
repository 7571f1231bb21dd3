from __future__ import annotations

import time

import pytest

from core.connection import Connection
from core.entry import EntryId
from core.keys import PipelineKeys
from core.merged_reader import LABELS, MergedReader, PlacedEntry
from core.read_size import MAX_ENTRIES, MIN_ENTRIES

READ_BYTES = 2**20
PAST_MS = 1_700_000_000_000


def _add(connection: Connection, keys: PipelineKeys, partition: int, *ids: str, size: int = 1) -> None:
    for entry_id in ids:
        connection.call("XADD", keys.partition(partition).records, entry_id, "a", b"x" * size)


def _reader(
    connection: Connection, keys: PipelineKeys, partitions: int, read_bytes: int = READ_BYTES
) -> MergedReader:
    return MergedReader(connection, keys.partitions(partitions), read_bytes)


def _label(connection: Connection, keys: PipelineKeys, *ids: str) -> None:
    for entry_id in ids:
        connection.call("XADD", keys.labels, entry_id, "id", "a", "y", "1")


def _with_labels(
    connection: Connection, keys: PipelineKeys, partitions: int, read_bytes: int = READ_BYTES
) -> MergedReader:
    return MergedReader(connection, keys.partitions(partitions), read_bytes, labels=keys.labels)


def _places(entries: list[PlacedEntry]) -> list[tuple[int, int, int]]:
    return [(placed.id.ms, placed.id.seq, placed.partition) for placed in entries]


def _all(reader: MergedReader) -> list[PlacedEntry]:
    found: list[PlacedEntry] = []
    while entries := reader.read(1).entries:
        found += entries
    return found


def test_partitions_are_merged_by_entry_id_then_partition(connection: Connection, keys: PipelineKeys) -> None:
    _add(connection, keys, 0, "1-0", "3-5", "4-0")
    _add(connection, keys, 1, "1-0", "2-0", "3-10", "9-0")
    merged = [(1, 0, 0), (1, 0, 1), (2, 0, 1), (3, 5, 0), (3, 10, 1), (4, 0, 0), (9, 0, 1)]
    assert _places(_all(_reader(connection, keys, 2))) == merged


@pytest.mark.parametrize("read_bytes", [1, 40, 2**20])
def test_order_does_not_depend_on_the_size_of_reads(
    connection: Connection, keys: PipelineKeys, read_bytes: int
) -> None:
    _add(connection, keys, 0, *(f"{ms}-0" for ms in range(1, 60)))
    _add(connection, keys, 1, *(f"{ms}-1" for ms in range(20, 30)))
    _add(connection, keys, 2, *(f"{ms}-0" for ms in range(1, 100, 7)))
    places = _places(_all(_reader(connection, keys, 3, read_bytes)))
    assert places == sorted(places)
    assert len(places) == 59 + 10 + 15


def test_a_full_read_holds_the_other_partitions_back(connection: Connection, keys: PipelineKeys) -> None:
    _add(connection, keys, 0, *(f"{ms}-0" for ms in range(1, 20)))
    _add(connection, keys, 1, "2-0", "15-0")
    read = _reader(connection, keys, 2).read(1)
    assert _places(read.entries) == [(1, 0, 0), (2, 0, 0), (2, 0, 1), (3, 0, 0), (4, 0, 0)]
    assert read.watermark_ms == 3


def test_with_several_partitions_nothing_beyond_the_watermark_is_handed_out(
    connection: Connection, keys: PipelineKeys
) -> None:
    ahead_ms = connection.now_ms() + 200
    _add(connection, keys, 0, "1-0", f"{ahead_ms}-0")
    reader = _reader(connection, keys, 2)
    assert _places(reader.read(1).entries) == [(1, 0, 0)]
    entries: list[PlacedEntry] = []
    reads = 0
    while not entries:
        read = reader.read(50)
        entries = read.entries
        reads += 1
        assert entries == [] or connection.now_ms() > ahead_ms
    assert _places(entries) == [(ahead_ms, 0, 0)]
    assert reads < 20  # it waits for the clock instead of asking the server as fast as it can


def test_one_partition_needs_no_watermark(connection: Connection, keys: PipelineKeys) -> None:
    ahead_ms = connection.now_ms() + 1_000_000
    _add(connection, keys, 0, f"{ahead_ms}-0")
    read = _reader(connection, keys, 1).read(1)
    assert _places(read.entries) == [(ahead_ms, 0, 0)]
    assert read.watermark_ms < ahead_ms


def test_watermark_is_before_every_entry_that_may_still_come(connection: Connection, keys: PipelineKeys) -> None:
    reader = _reader(connection, keys, 1)
    for _ in range(50):
        watermark_ms = reader.read(1).watermark_ms
        added = connection.call("XADD", keys.partition(0).records, "*", "a", "1")
        assert int(added.split(b"-")[0]) > watermark_ms


def test_seek_goes_on_behind_an_id(connection: Connection, keys: PipelineKeys) -> None:
    _add(connection, keys, 0, "1-0", "2-0", "3-0")
    _add(connection, keys, 1, "1-0", "2-0")
    reader = _reader(connection, keys, 2)
    reader.seek(0, EntryId(2, 0).before)  # a half-consumed entry is read again
    reader.seek(1, EntryId(2, 0))
    assert _places(_all(reader)) == [(2, 0, 0), (3, 0, 0)]


def test_of_heavy_entries_few_are_read_at_once(connection: Connection, keys: PipelineKeys) -> None:
    for partition in range(1, 8):
        _add(connection, keys, partition, *(f"{ms}-{partition}" for ms in range(1, 120)), size=10)
    _add(connection, keys, 0, *(f"{ms}-0" for ms in range(1, 120, 6)), size=10_000)
    reader = _reader(connection, keys, 8, read_bytes=1_000)
    heaviest = 0
    while entries := reader.read(1).entries:
        heaviest = max(heaviest, sum(placed.entry.size_bytes > 1_000 for placed in entries))
    assert heaviest <= 2 * MIN_ENTRIES


def test_a_silent_stream_is_waited_for_no_longer_than_asked(connection: Connection, keys: PipelineKeys) -> None:
    started_s = time.monotonic()
    read = _reader(connection, keys, 2).read(30)
    assert read.entries == []
    assert 0.02 < time.monotonic() - started_s < 1.0


def test_a_silent_stream_does_not_keep_the_others_small(connection: Connection, keys: PipelineKeys) -> None:
    _add(connection, keys, 0, *(f"{ms}-0" for ms in range(1, 4 * MAX_ENTRIES)))
    reader = _with_labels(connection, keys, 2)
    largest = 0
    while entries := reader.read(1).entries:
        largest = max(largest, len(entries))
    assert largest == MAX_ENTRIES


def test_labels_come_behind_the_records_of_the_same_id(connection: Connection, keys: PipelineKeys) -> None:
    _add(connection, keys, 0, "2-0", "3-0")
    _add(connection, keys, 1, "2-0", "3-1")
    _label(connection, keys, "1-5", "2-0", "3-0", "9-0")
    places = [(1, 5, LABELS), (2, 0, 0), (2, 0, 1), (2, 0, LABELS), (3, 0, 0), (3, 0, LABELS), (3, 1, 1)]
    found = _all(_with_labels(connection, keys, 2))
    assert _places(found) == [*places, (9, 0, LABELS)]
    assert [placed.is_label for placed in found] == [place[2] == LABELS for place in _places(found)]


@pytest.mark.parametrize("read_bytes", [1, 40, 2**20])
@pytest.mark.parametrize("partitions", [1, 3])
def test_order_with_labels_does_not_depend_on_the_size_of_reads(
    connection: Connection, keys: PipelineKeys, partitions: int, read_bytes: int
) -> None:
    for number in range(partitions):
        _add(connection, keys, number, *(f"{ms}-{number}" for ms in range(1, 60, number + 1)))
    _label(connection, keys, *(f"{ms}-0" for ms in range(5, 90, 2)))
    places = _places(_all(_with_labels(connection, keys, partitions, read_bytes)))
    assert places == sorted(places)
    assert len(places) == sum(len(range(1, 60, number + 1)) for number in range(partitions)) + len(range(5, 90, 2))


def test_a_record_waits_until_no_label_can_come_before_it(connection: Connection, keys: PipelineKeys) -> None:
    ahead_ms = connection.now_ms() + 200
    _add(connection, keys, 0, "1-0", f"{ahead_ms}-0")
    reader = _with_labels(connection, keys, 1)
    assert _places(reader.read(1).entries) == [(1, 0, 0)]
    assert reader.read(1).entries == []
    _label(connection, keys, "5-0")
    assert _places(reader.read(1).entries) == [(5, 0, LABELS)]


def test_one_partition_far_ahead_of_its_clock_does_not_wait_for_labels(
    connection: Connection, keys: PipelineKeys
) -> None:
    ahead_ms = connection.now_ms() + 1_000_000
    _add(connection, keys, 0, f"{ahead_ms}-0", f"{ahead_ms}-1")
    _label(connection, keys, "5-0", f"{ahead_ms - 10}-0")
    reader = _with_labels(connection, keys, 1)
    read = reader.read(1)
    assert _places(read.entries) == [(5, 0, LABELS), (ahead_ms, 0, 0), (ahead_ms, 1, 0)]
    assert read.watermark_ms < ahead_ms
    _add(connection, keys, 0, f"{ahead_ms}-2")
    assert _places(reader.read(1).entries) == [(ahead_ms, 2, 0)]


def test_a_label_ends_the_wait_for_a_record(connection: Connection, keys: PipelineKeys) -> None:
    reader = _with_labels(connection, keys, 1)
    reader.seek(LABELS, EntryId(3, 0))
    _label(connection, keys, "3-0", "4-0")
    assert _places(reader.read(10_000).entries) == [(4, 0, LABELS)]

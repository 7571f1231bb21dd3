from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from core.connection import Connection
from core.entry import field_map
from core.keys import MONITORS, PartitionKeys, PipelineKeys
from core.scripts.trim import trim
from monitor.marker import create_marker, first_position, move_marker
from monitor.state import Position


@pytest.fixture
def server(any_server_url: str) -> Iterator[Connection]:
    with Connection(any_server_url) as open_connection:
        yield open_connection


@pytest.fixture
def partition(server: Connection, keys: PipelineKeys) -> PartitionKeys:
    partition = keys.partition(0)
    for ms in range(1, 11):
        server.call("XADD", partition.records, f"{ms}-0", "a", "1")
    create_marker(server, partition.records)
    return partition


def _group(server: Connection, partition: PartitionKeys) -> dict[bytes, Any]:
    (group,) = (field_map(group) for group in server.call("XINFO", "GROUPS", partition.records))
    return group


def test_the_group_stands_behind_what_is_wholly_read(server: Connection, partition: PartitionKeys) -> None:
    move_marker(server, partition.records, Position(4, 0, -1, 4))
    assert (_group(server, partition)[b"last-delivered-id"], _group(server, partition)[b"lag"]) == (b"4-0", 6)
    move_marker(server, partition.records, Position(10, 0, -1, 10))
    assert _group(server, partition)[b"lag"] == 0


def test_the_floor_is_the_half_consumed_entry(server: Connection, partition: PartitionKeys) -> None:
    move_marker(server, partition.records, Position(5, 0, 100, 4))
    assert _group(server, partition)[b"lag"] == 6
    trim(server, partition.records, 1, 1, required_groups=[MONITORS])
    assert server.call("XRANGE", partition.records, "-", "+", "COUNT", 1)[0][0] == b"5-0"


def test_the_group_can_go_back_to_the_beginning(server: Connection, partition: PartitionKeys) -> None:
    move_marker(server, partition.records, Position(10, 0, -1, 10))
    move_marker(server, partition.records, Position())
    trim(server, partition.records, 1, 1, required_groups=[MONITORS])
    assert server.call("XLEN", partition.records) == 10


def test_creating_it_twice_leaves_it_where_it_is(server: Connection, partition: PartitionKeys) -> None:
    move_marker(server, partition.records, Position(4, 0, -1, 4))
    create_marker(server, partition.records)
    assert _group(server, partition)[b"last-delivered-id"] == b"4-0"
    assert _group(server, partition)[b"name"] == MONITORS.encode()


def test_entries_trimmed_before_the_first_start_count_as_read(
    server: Connection, partition: PartitionKeys
) -> None:
    assert first_position(server, partition.records).entries == 0
    server.call("XTRIM", partition.records, "MINID", "8-0")
    assert first_position(server, partition.records) == Position(entries=7)

"""What flows, on both servers: rates, backlog, workers, rejections."""

from __future__ import annotations

import pytest

from core.connection import Connection
from core.keys import MONITORS, SCORERS, TRAINERS
from core.settings import Settings
from monitor.live.flow import Refused
from monitor.live.reader import LiveReader
from tests.both_servers import both_servers
from tests.monitor.live.written import Written

pytestmark = both_servers


def consume(written: Written, consumer: str, count: int, partition: int = 0) -> None:
    records = written.keys.partition(partition).records
    written.connection.call("XREADGROUP", "GROUP", SCORERS, consumer, "COUNT", count, "STREAMS", records, ">")


def test_rows_of_blocks_are_counted_not_entries(written: Written) -> None:
    records = written.keys.partition(0).records
    written.add(records, "_n", "256", "_x", "x" * 100)
    first = written.look().flow
    for _ in range(10):
        written.add(records, "_n", "256", "_x", "x" * 100)
    written.await_next_ms()
    second = written.look().flow
    assert first.records_per_s is None
    assert second.records_per_s is not None
    (counted,) = written.reader._flow_look._rates.values()
    assert counted.records._counted[-1].rows == 2_560
    assert (second.estimated, second.partitions) == (False, 1)


def test_backlog_is_told_in_rows_with_its_age_and_by_group(written: Written) -> None:
    records = written.keys.partition(0).records
    for group in (SCORERS, MONITORS, "others"):
        written.connection.call("XGROUP", "CREATE", records, group, "0", "MKSTREAM")
    now_ms = written.connection.now_ms()
    for number in range(5):
        written.add(records, "_n", "100", entry_id=f"{now_ms - 60_000}-{number + 1}")
    consume(written, "one", 2)
    flow = written.look().flow
    assert flow.backlog_records == 500
    assert 60 <= flow.backlog_age_s < 90
    assert [(each.group, each.not_read_entries, each.pending_entries) for each in flow.groups] == [
        ("monitors", 5, 0),
        ("scorers", 3, 2),
        ("others", 5, 0),
    ]
    assert [each.required for each in flow.groups] == [True, True, False]
    assert [each.open_window for each in flow.groups] == [True, False, False]


def behind(written: Written, rows: int, age_ms: int, block: int = 1) -> float:
    """Seconds that the monitor is said to be behind, with so many rows that came evenly within a time."""
    records = written.keys.partition(0).records
    written.connection.call("DEL", records)
    written.connection.call("XGROUP", "CREATE", records, MONITORS, "0", "MKSTREAM")
    now_ms = written.connection.now_ms()
    entries = rows // block
    written.connection.pipeline(
        [
            ("XADD", records, f"{now_ms - age_ms + age_ms * number // entries}-{number + 1}", "_n", str(block))
            for number in range(entries)
        ]
    )
    return written.look().flow.monitor_behind_s


def test_an_open_window_is_not_a_monitor_that_is_behind(written: Written) -> None:
    window = written.settings.window_records
    assert behind(written, window, 50_000) == 0
    assert behind(written, window // 100 * 100, 50_000, 100) == 0
    assert behind(written, 2 * window, 100) == 0  # less than a step of the monitor takes
    assert behind(written, 4 * window, 40_000) == pytest.approx(30, rel=0.1)
    assert behind(written, 2, 90_000) == pytest.approx(30, rel=0.2)  # its window should have closed by itself


def test_without_a_monitor_nothing_keeps_up(written: Written) -> None:
    behind(written, 5_000, 40_000)
    written.connection.call("XGROUP", "DESTROY", written.keys.partition(0).records, MONITORS)
    assert written.look().flow.monitor_behind_s > 30


def test_backlog_is_counted_where_the_server_does_not_know_it(written: Written) -> None:
    records = written.keys.partition(0).records
    ids = [written.add(records, "a", "1", entry_id=f"1700000000000-{number}") for number in range(1, 11)]
    written.connection.call("XGROUP", "CREATE", records, SCORERS, ids[3])
    written.connection.call("XDEL", records, ids[6])
    assert written.look().flow.groups[0].not_read_entries == 5


def test_a_far_backlog_that_the_server_does_not_know_is_estimated_by_time(written: Written) -> None:
    records = written.keys.partition(0).records
    commands = [("XADD", records, f"{1_700_000_000_000 + number}-0", "a", "1") for number in range(4_000)]
    written.connection.pipeline(commands)
    written.connection.call("XGROUP", "CREATE", records, SCORERS, "1700000000999-0")
    written.connection.call("XDEL", records, "1700000003000-0")
    assert written.look().flow.groups[0].not_read_entries == pytest.approx(2_999, rel=0.01)


def test_a_worker_that_goes_is_told(written: Written) -> None:
    records, retrain = written.keys.partition(0).records, written.keys.retrain
    written.connection.call("XGROUP", "CREATE", records, SCORERS, "0", "MKSTREAM")
    written.connection.call("XGROUP", "CREATE", retrain, TRAINERS, "0", "MKSTREAM")
    written.add(retrain, "reason", "manual")
    for name in ("one", "<b>two</b>"):
        written.add(records, "a", "1")
        consume(written, name, 1)
    written.connection.call("XREADGROUP", "GROUP", TRAINERS, "t", "COUNT", 1, "STREAMS", retrain, ">")
    before = written.look().flow.workers
    written.connection.call("XGROUP", "DELCONSUMER", records, SCORERS, "one")
    after = written.look().flow.workers
    assert [(worker.service, worker.name, worker.state) for worker in before] == [
        ("scorer", "<b>two</b>", "working"),
        ("scorer", "one", "working"),
        ("trainer", "t", "working"),
    ]
    assert {worker.name: worker.state for worker in after} == {
        "one": "left",
        "<b>two</b>": "working",
        "t": "working",
    }


def test_a_records_stream_that_is_made_anew_has_no_rate_once(written: Written) -> None:
    records = written.keys.partition(0).records
    for number in range(10):
        written.add(records, "a", str(number))
    written.look()
    written.await_next_ms()
    known = written.look().flow.records_per_s
    written.connection.call("DEL", records)
    written.add(records, "a", "1")
    unknown = written.look().flow.records_per_s
    written.await_next_ms()
    assert (known, unknown, written.look().flow.records_per_s) == (0.0, None, 0.0)


def test_rejections_are_told_with_rows_by_reason(written: Written) -> None:
    rejected = written.keys.partition(0).rejected
    written.add(rejected, "reason", "not_finite", "detail", "x", "record", "1-1", "_rows", b"0123" * 7)
    written.add(rejected, "reason", "bad_field", "detail", "<script>\x00", "record", "2-1", "id", "me")
    written.add(rejected, "noise", b"\xff" * 5_000)
    flow = written.look().flow
    assert flow.rejected_total == 3
    assert flow.rejected_reasons == {"not_finite": 7, "bad_field": 1, "unknown": 1}
    unknown, plain, block = flow.rejected_newest
    assert (unknown.reason, unknown.detail, unknown.id) == ("unknown", "", None)
    assert isinstance(plain, Refused)
    assert (plain.detail, plain.record, plain.id) == ("<script>\\x00", "2-1", "me")
    assert (block.reason, block.id) == ("not_finite", None)


def test_partitions_add_up(connection: Connection, pipeline: str, server_url: str) -> None:
    written = Written(connection, pipeline, partitions=16)
    for number in range(16):
        partition = written.keys.partition(number)
        connection.call("XGROUP", "CREATE", partition.records, SCORERS, "0", "MKSTREAM")
        for _ in range(3):
            written.add(partition.records, "_n", "10")
        written.add(partition.rejected, "reason", "poison")
        consume(written, "one", 1, number)
    flow = LiveReader(connection, Settings(redis_url=server_url, pipeline=pipeline)).read().flow
    assert (flow.partitions, flow.backlog_records, flow.rejected_total) == (16, 480, 16)
    assert flow.rejected_reasons == {"poison": 16}
    (worker,) = flow.workers
    assert (worker.name, worker.pending_entries) == ("one", 16)

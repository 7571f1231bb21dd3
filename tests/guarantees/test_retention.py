"""Memory stays bounded in a long run, and what is let go is never needed again."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from core.entry import parse_entry_id
from core.keys import SCORERS
from core.scripts.trim import trim, trim_results
from scorer.group_recovery import recover_group
from tests.guarantees.stage import Stage
from tests.guarantees.troubled_server import TroubledServer
from tests.servers import wait_until

MIB = 1024 * 1024
KEEP_BYTES = MIB
#: What may come to a stream between two trimmings, and what an entry more than the limit weighs.
SLACK_BYTES = MIB


@pytest.fixture(params=["valkey", "redis"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    """A pipeline on a server of its own."""
    server = TroubledServer(request.param, tmp_path, durable=False)
    server.start()
    try:
        with closing(Stage(server, tmp_path, server.url)) as made:
            yield made
    finally:
        server.end(signal.SIGKILL)


def memory(stage: Stage, stream: str) -> int:
    """What a stream weighs on the server."""
    return int(stage.connection.call("MEMORY", "USAGE", stream, "SAMPLES", 0) or 0)


def used(stage: Stage) -> int:
    """What everything weighs, less what connections hold."""
    return int(stage.connection.call("INFO", "memory").partition(b"used_memory_dataset:")[2].split()[0])


@pytest.mark.timeout(60)
def test_a_run_of_many_times_what_is_kept_stays_in_its_memory_and_answers_everything(stage: Stage) -> None:
    """Small records and large blocks take turns, so that no entry tells what the next ones weigh."""
    partition = stage.streams.partition
    keep = ("--records-keep-bytes", str(KEEP_BYTES), "--trim-every-ms", "50")
    windows = ("--window-records", "10000", "--slide-records", "10000")
    stage.start("trainer", *keep)
    stage.start("scorer", *keep).wait_for("ready")
    stage.start("monitor", *keep, "--sample-share", "0", *windows).wait_for("ready")
    empty = used(stage)
    pushed_bytes = highest = 0
    last = dict.fromkeys((partition.predictions, partition.rejected), b"0-0")
    while pushed_bytes < 7 * KEEP_BYTES:
        wanted, size_bytes = stage.push_bulk(blocks=1 + pushed_bytes // MIB % 4, block_rows=3_000, plain=300)
        pushed_bytes += size_bytes
        last = stage.streams.await_results(wanted, last)
        highest = max(highest, used(stage) - empty)
        wait_until(lambda: memory(stage, partition.records) <= KEEP_BYTES + SLACK_BYTES, "trimmed records")
        wait_until(lambda: memory(stage, partition.predictions) <= KEEP_BYTES + SLACK_BYTES, "trimmed results")
    assert highest < 3 * (KEEP_BYTES + SLACK_BYTES) < pushed_bytes  # records, results and what is on its way
    assert stage.connection.call("XLEN", partition.records) < len(stage.rows) / 4
    assert stage.streams.pending() == 0


def test_a_required_group_that_has_not_read_yet_holds_everything(stage: Stage) -> None:
    """No monitor was ever started: nothing of the records goes, however little is kept."""
    partition = stage.streams.partition
    keep = ("--records-keep-bytes", "1000", "--records-keep-ms", "1", "--trim-every-ms", "50")
    stage.start("trainer", *keep)
    stage.start("scorer", *keep).wait_for("ready")
    stage.push(100)
    stage.streams.await_results(set(stage.rows))
    behind = str(max(map(parse_entry_id, stage.rows)).after).encode()
    wait_until(lambda: stage.connection.call("GET", partition.floor) == behind, "a floor behind the newest")
    assert stage.connection.call("XLEN", partition.records) == len(stage.rows)


def test_what_was_answered_is_not_answered_again_though_its_results_are_gone(stage: Stage) -> None:
    """The monitor is far behind, so the records stay; their results do not; then the scorers' group is lost."""
    call, partition = stage.connection.call, stage.streams.partition
    for group in ("scorers", "monitors"):
        call("XGROUP", "CREATE", partition.records, group, "0", "MKSTREAM")
    ids = _push_and_answer(stage, 150)
    open_ids = [call("XADD", partition.records, "*", "a", 1) for _ in range(10)]
    call("XREADGROUP", "GROUP", SCORERS, "dead", "STREAMS", partition.records, ">")
    ids += _push_and_answer(stage, 40)
    unread_ids = [call("XADD", partition.records, "*", "a", 1) for _ in range(10)]
    remember = (SCORERS, partition.floor)
    assert trim(stage.connection, partition.records, 1, 1, (SCORERS, "monitors"), remember=remember) == 0
    trim_results(stage.connection, partition.predictions, 3_600_000, 1, partition.floor)
    assert call("XLEN", partition.predictions) < len(ids) / 2
    call("XGROUP", "DESTROY", partition.records, SCORERS)
    recovered = recover_group(stage.connection, partition, "two", 0)
    assert recovered is not None
    pending = call("XPENDING", partition.records, SCORERS, "-", "+", 300)
    ((_, unread),) = call("XREADGROUP", "GROUP", SCORERS, "two", "STREAMS", partition.records, ">")
    assert [item[0] for item in pending] == open_ids
    assert [entry_id for entry_id, _ in unread] == unread_ids


def _push_and_answer(stage: Stage, count: int) -> list[bytes]:
    """Records as a scorer leaves them, their results, and a later millisecond reached."""
    call, partition = stage.connection.call, stage.streams.partition
    ids: list[bytes] = [call("XADD", partition.records, "*", "a", 1) for _ in range(count)]
    call("XREADGROUP", "GROUP", SCORERS, "one", "STREAMS", partition.records, ">")
    for entry_id in ids:
        call("XADD", partition.predictions, "*", "record", entry_id, "padding", b"x" * 1_000)
        call("XACK", partition.records, SCORERS, entry_id)
    newest = parse_entry_id(call("XREVRANGE", partition.predictions, "+", "-", "COUNT", 1)[0][0])
    wait_until(lambda: stage.connection.now_ms() > newest.ms, "a later millisecond")
    return ids

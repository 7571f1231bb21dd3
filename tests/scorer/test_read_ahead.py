"""Reading ahead strands nothing and answers nothing twice: at a stop, after trouble, and behind a pause."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from typing import Any

import pytest
import structlog.testing
from redis.exceptions import ConnectionError as LostConnection

import scorer.lane as lane_module
from core.channel import Channel
from core.connection import Connection, RedisError, ServerError
from core.keys import PipelineKeys
from core.model_file import ModelFile
from core.prediction import PredictionBlock
from tests.scorer.in_process import TurnedWorker, add_blocks, answered
from tests.scorer.streams import Streams

MakeWorker = Callable[..., TurnedWorker]
PLAIN = ("Area", "1", "MajorAxisLength", "2", "Eccentricity", "3")
#: Rows of blocks whose results are committed by the script in the two ways that it has for blocks, and natively.
ROWS = (4, 60, 250)
LARGEST_ID = "18446744073709551615-18446744073709551615"
BLOCKS = 400


@pytest.fixture
def server(any_server_url: str) -> Iterator[Connection]:
    """A connection to the embedded Valkey, then to redis-server."""
    with Connection(any_server_url) as open_connection:
        yield open_connection


@pytest.fixture
def streams(server: Connection, keys: PipelineKeys) -> Streams:
    """The pipeline's streams on that server."""
    return Streams(server, keys)


@pytest.fixture
def make_worker(server: Connection, keys: PipelineKeys, model_file: ModelFile) -> Iterator[MakeWorker]:
    """Makes workers, whose sockets are closed with the test."""
    given: dict[str, Any] = {"connection": server, "keys": keys, "model_file": model_file}
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(closing(TurnedWorker(**(given | options))))


@pytest.fixture
def worker(make_worker: MakeWorker) -> TurnedWorker:
    """A worker that reads little at once and is not done soon with a backlog of BLOCKS."""
    return make_worker(read_bytes=4_000)


def held(streams: Streams, consumer: str = "w") -> int:
    """Entries that are pending for a consumer."""
    reply = streams.connection.call("XPENDING", streams.partition.records, "scorers")[3] or ()
    return int(dict(reply).get(consumer.encode(), b"0"))


def test_more_than_one_read_is_under_way_and_not_more_than_three(
    worker: TurnedWorker, streams: Streams, model_file: ModelFile
) -> None:
    add_blocks(streams, model_file, BLOCKS)
    seen: list[int] = []
    worker.while_scoring = lambda: seen.append(held(streams))
    worker.turn(20)
    size = worker.lane._size.entries
    assert size < max(seen) <= 3 * size


@pytest.mark.parametrize("turns", [0, 1, 2, 5, 9])
def test_a_stop_answers_what_was_read_ahead_and_leaves_the_rest_unread(
    worker: TurnedWorker, streams: Streams, model_file: ModelFile, turns: int
) -> None:
    ids = add_blocks(streams, model_file, BLOCKS)
    worker.turn(turns)
    worker.worker.leave()
    found = answered(streams)
    assert found == ids[: len(found)]
    assert (len(found) > 0) == (turns > 0)
    assert len(found) < BLOCKS
    assert (streams.pending(), streams.consumers()) == (0, [])
    assert worker.scored() == 4 * len(found)


def test_a_stop_waits_for_a_blocked_read_and_answers_what_it_brings(
    worker: TurnedWorker, streams: Streams, model_file: ModelFile
) -> None:
    worker.turn(block_ms=1)
    worker.turn(block_ms=300)  # from here on a read waits for 300 ms at a time
    (entry_id,) = add_blocks(streams, model_file, 1)
    worker.worker.leave()
    assert answered(streams) == [entry_id]
    assert (streams.pending(), streams.consumers()) == (0, [])


@pytest.mark.parametrize("rows", ROWS)
def test_a_worker_that_paused_past_the_idle_time_answers_nothing_twice(
    worker: TurnedWorker, make_worker: MakeWorker, streams: Streams, model_file: ModelFile, rows: int
) -> None:
    """One batch committed without its reply seen, one read ahead: another worker takes over what is open."""
    ids = add_blocks(streams, model_file, BLOCKS, rows)
    worker.turn(4)
    assert held(streams) > 0
    second = make_worker(consumer="second", takeover_idle_ms=20)
    while streams.pending() or len(answered(streams)) < BLOCKS:
        second.turn(block_ms=20)
    worker.turn(3)
    worker.worker.leave()
    second.worker.leave()
    assert sorted(answered(streams)) == sorted(ids)
    assert worker.scored() + second.scored() == rows * BLOCKS
    assert (streams.pending(), streams.consumers()) == (0, [])


@pytest.mark.parametrize("rows", ROWS)
def test_after_a_lost_connection_everything_in_flight_is_answered_at_once_and_counted_once(
    worker: TurnedWorker, server: Connection, streams: Streams, model_file: ModelFile, rows: int
) -> None:
    """Nobody takes anything over here: what the lost replies handed out is found by looking back."""
    ids = add_blocks(streams, model_file, BLOCKS, rows)
    lost = 0
    while len(answered(streams)) < BLOCKS:
        try:
            worker.turn(2)
            server.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            worker.turn()
        except LostConnection:
            lost += 1
    with suppress(LostConnection):  # the last one, where a reply had come before it
        worker.turn(2)
    worker.turn(2)
    worker.worker.leave()
    assert lost > 3
    assert sorted(answered(streams)) == sorted(ids)
    assert worker.scored() == rows * BLOCKS
    assert (streams.pending(), streams.consumers()) == (0, [])


def test_a_stop_right_behind_a_lost_connection_leaves_nothing_open(
    worker: TurnedWorker, streams: Streams, model_file: ModelFile
) -> None:
    """What the lost read handed out is nobody else's for a long time."""
    ids = add_blocks(streams, model_file, BLOCKS)
    worker.turn(3)
    assert held(streams) > 0
    before = len(answered(streams))
    worker.lane.channel.close()
    worker.worker.leave()
    found = answered(streams)
    assert sorted(found) == sorted(ids[: len(found)])
    assert before < len(found) < BLOCKS
    assert (streams.pending(), streams.consumers()) == (0, [])
    assert worker.scored() == 4 * len(found)


def test_what_was_taken_over_and_cannot_be_written_is_kept_whole(
    make_worker: MakeWorker,
    server: Connection,
    streams: Streams,
    model_file: ModelFile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever commit of a batch fails first: nothing behind it has to be taken over once more."""
    monkeypatch.setattr("core.scripts.commit.MAX_CALL_ENTRIES", 1)
    dead = make_worker(consumer="dead")
    ids = add_blocks(streams, model_file, 4)
    server.call("XREADGROUP", "GROUP", "scorers", "dead", "STREAMS", streams.partition.records, ">")
    dead.close()
    worker = make_worker(consumer="heir", takeover_idle_ms=200)
    server.call("SET", streams.partition.predictions, "somebody's")
    while held(streams, "heir") < 4:
        with suppress(ServerError):
            worker.turn()
    for _ in range(3):
        with pytest.raises(ServerError, match="move it aside"):
            worker.turn()
    server.call("DEL", streams.partition.predictions)
    monkeypatch.setattr(worker.lane._takeover, "next_batch", lambda: None)
    worker.turn(2)
    worker.worker.leave()
    assert sorted(answered(streams)) == sorted(ids)
    assert (streams.pending(), "heir" in streams.consumers()) == (0, False)


@pytest.mark.parametrize("rows", ROWS)
def test_a_server_that_forgets_its_scripts_in_mid_stream_is_told_again(
    worker: TurnedWorker, server: Connection, streams: Streams, model_file: ModelFile, rows: int
) -> None:
    ids = add_blocks(streams, model_file, BLOCKS, rows)
    while len(answered(streams)) < BLOCKS:
        worker.turn(2)
        server.call("SCRIPT", "FLUSH")
    worker.worker.leave()
    assert sorted(answered(streams)) == sorted(ids)
    assert worker.scored() == rows * BLOCKS


@pytest.mark.parametrize("rows", ROWS)
def test_large_results_and_no_others_are_committed_natively(
    worker: TurnedWorker, server: Connection, streams: Streams, model_file: ModelFile, rows: int
) -> None:
    add_blocks(streams, model_file, BLOCKS, rows)
    worker.turn()
    server.call("CONFIG", "RESETSTAT")
    worker.turn(10)
    natively = b"cmdstat_multi:" in server.call("INFO", "commandstats")
    assert natively == (rows == max(ROWS))
    worker.worker.leave()


@pytest.mark.parametrize("trouble", ["wrong type", "exhausted"])
@pytest.mark.parametrize("rows", [1, *ROWS[1:]])
def test_results_that_cannot_be_written_are_kept_and_nothing_new_is_read_until_it_is_mended(
    worker: TurnedWorker, server: Connection, streams: Streams, model_file: ModelFile, trouble: str, rows: int
) -> None:
    ids = add_blocks(streams, model_file, BLOCKS, rows)
    worker.turn(3)
    predictions, aside = streams.partition.predictions, streams.partition.floor
    before = len(streams.predictions())
    server.call("RENAME", predictions, aside)
    if trouble == "wrong type":
        server.call("SET", predictions, "somebody's")
    else:
        server.call("XADD", predictions, LARGEST_ID, "full", "1")
    open_entries = set()
    for _ in range(6):
        with pytest.raises(ServerError):
            worker.turn(3)
        open_entries.add(streams.pending())
    assert len(open_entries) == 1, "it went on reading"
    server.call("DEL", predictions)
    server.call("RENAME", aside, predictions)
    while len(answered(streams)) < BLOCKS:
        worker.turn()
    worker.worker.leave()
    assert before < BLOCKS
    assert sorted(answered(streams)) == sorted(ids)
    assert worker.scored() == rows * BLOCKS
    assert (streams.pending(), streams.consumers()) == (0, [])


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("command", ["xadd", "xack"])
def test_a_worker_that_may_not_write_keeps_its_entries_and_goes_on_once_it_may(
    make_worker: MakeWorker, server: Connection, streams: Streams, model_file: ModelFile, rows: int, command: str
) -> None:
    user, word = f"u{secrets.token_hex(4)}", secrets.token_hex(8)
    server.call("ACL", "SETUSER", user, "on", f">{word}", "~*", "+@all")
    ids = add_blocks(streams, model_file, BLOCKS, rows)
    try:
        with Connection(server.url.replace("redis://", f"redis://{user}:{word}@")) as limited:
            worker = make_worker(connection=limited, read_bytes=4_000)
            worker.turn(3)
            server.call("ACL", "SETUSER", user, f"-{command}")
            for _ in range(4):
                with pytest.raises(RedisError):
                    worker.turn(3)
            assert len(answered(streams)) + streams.pending() < BLOCKS
            assert streams.pending() > 0
            server.call("ACL", "SETUSER", user, f"+{command}")
            while len(answered(streams)) < BLOCKS:
                worker.turn()
            worker.worker.leave()
    finally:
        server.call("ACL", "DELUSER", user)
    assert sorted(answered(streams)) == sorted(ids)
    assert (streams.pending(), streams.consumers()) == (0, [])


def test_a_busy_lane_does_not_starve_a_quiet_one(
    make_worker: MakeWorker,
    server: Connection,
    keys: PipelineKeys,
    streams: Streams,
    model_file: ModelFile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a cluster each partition has a lane; so here, with both on one server."""
    monkeypatch.setattr(Connection, "groups", lambda _, names: [(name,) for name in names])
    worker = make_worker(partitions=keys.partitions(2), read_bytes=2_000)
    busy, quiet = worker.worker._lanes
    add_blocks(streams, model_file, 5 * BLOCKS)
    worker.turn(4)
    server.call("XADD", keys.partition(1).records, "*", *PLAIN)
    turns = 0
    while not server.call("XLEN", keys.partition(1).predictions):
        worker.turn(block_ms=500)
        turns += 1
    assert turns < 10
    assert (busy.streams, quiet.streams) == ((keys.partition(0).records,), (keys.partition(1).records,))
    assert len(answered(streams)) < 5 * BLOCKS, "the busy lane was done before: the test proves nothing"
    worker.worker.leave()
    assert [server.call("XPENDING", p.records, "scorers")[0] for p in keys.partitions(2)] == [0, 0]


def test_trouble_in_one_lane_does_not_stop_the_other(
    make_worker: MakeWorker, server: Connection, keys: PipelineKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Connection, "groups", lambda _, names: [(name,) for name in names])
    worker = make_worker(partitions=keys.partitions(2))
    server.call("SET", keys.partition(0).predictions, "somebody's")
    for partition in keys.partitions(2):
        server.call("XADD", partition.records, "*", *PLAIN)
    with pytest.raises(ServerError, match="move it aside"):
        worker.turn(6, block_ms=100)
    for _ in range(3):
        server.call("XADD", keys.partition(1).records, "*", *PLAIN)
        with pytest.raises(ServerError, match="move it aside"):
            worker.turn(6, block_ms=100)
    while server.call("XLEN", keys.partition(1).predictions) < 4:
        with pytest.raises(ServerError, match="move it aside"):
            worker.turn(block_ms=100)
    server.call("DEL", keys.partition(0).predictions)
    worker.turn(3, block_ms=100)
    worker.worker.leave()
    assert [server.call("XLEN", p.predictions) for p in keys.partitions(2)] == [1, 4]


def test_blocks_right_behind_small_records_do_not_fill_the_memory(
    make_worker: MakeWorker,
    streams: Streams,
    model_file: ModelFile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Small records make reads of many entries; large ones behind them must not come all at once."""
    taken: list[int] = []
    collect = Channel.collect

    def measured(self: Channel, most_bytes: int | None = None) -> Any:
        try:
            return collect(self, most_bytes)
        finally:
            taken.append(self.reply_bytes)

    monkeypatch.setattr(Channel, "collect", measured)
    read_bytes = 100_000
    worker = make_worker(read_bytes=read_bytes)
    small = streams.connection.pipeline([("XADD", streams.partition.records, "*", *PLAIN)] * 3_000)
    large = add_blocks(streams, model_file, 60, 4_000)  # of 96 kB
    with structlog.testing.capture_logs() as logs:
        while len(streams.predictions()) < len(small) + len(large):
            worker.turn()
    assert any(line["event"] == "reply too large" for line in logs)
    worker.worker.leave()
    assert sorted(answered(streams)) == sorted([*small, *large])
    assert any(isinstance(prediction, PredictionBlock) for prediction in streams.predictions())
    assert max(taken) <= lane_module.REPLY_READS * read_bytes + 2**18
    assert 2 * max(taken) < 60 * 96_000, "the blocks would have fitted: the test proves nothing"
    assert worker.scored() == len(small) + 60 * 4_000
    assert (streams.pending(), streams.consumers()) == (0, [])


def test_an_idle_worker_turns_in_its_time(worker: TurnedWorker) -> None:
    started_s = time.monotonic()
    worker.turn(3, block_ms=1)
    assert time.monotonic() - started_s < 20

"""Windows and episodes with more than one monitor, on a server that may lose everything."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from core.connection import Connection
from core.entry import entries_of, field_map
from core.keys import PipelineKeys
from core.model_file import ModelFile
from core.record_encoder import encode_block
from core.redis_registry import RedisRegistry
from core.settings import Settings
from monitor.service import Monitor
from tests.both_servers import both_servers
from tests.monitor.scenario import make_model
from tests.servers import wait_until

FEATURES = ("a", "b")


@pytest.fixture
def settings(server_url: str, pipeline: str) -> Settings:
    """Only its 50 records close a window, or an alarm."""
    return Settings(
        redis_url=server_url,
        pipeline=pipeline,
        http_port=0,
        window_records=50,
        window_limit_s=3_600.0,
        retrain_cooldown_s=0.0,
    )


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps that take no half second, and no look at the backlog."""
    monkeypatch.setattr("monitor.service.BLOCK_MS", 10)
    monkeypatch.setattr("monitor.service.LAG_EVERY_S", 3_600.0)


def push(connection: Connection, keys: PipelineKeys, file: ModelFile, windows: int, shift: float = 0.0) -> None:
    """Records of so many windows, of which none is like another."""
    numbers = np.random.default_rng(connection.call("XLEN", keys.partition(0).records))
    for _ in range(windows):
        x = numbers.normal(shift, 1.0, (50, len(FEATURES)))
        connection.call("XADD", keys.partition(0).records, "*", *encode_block(x, file.model.schema))


def turn(*monitors: Monitor) -> None:
    """Step them in turn until none of them closes a window."""
    seen = [-1]
    while seen != (seen := [monitor._window for monitor in monitors]):
        for monitor in monitors:
            for _ in range(2):
                monitor.step()


def drift_windows(connection: Connection, keys: PipelineKeys) -> list[dict[bytes, bytes]]:
    return [field_map(entry.fields) for entry in entries_of(connection.call("XRANGE", keys.drift, "-", "+"))]


def has_passed(connection: Connection, ms: int) -> bool:
    return connection.now_ms() > ms


def close(*monitors: Monitor) -> None:
    for monitor in monitors:
        monitor.close()
        monitor.http.close()


@both_servers
def test_after_a_flush_a_rival_that_got_to_the_same_window_is_not_continued_from_memory(
    connection: Connection, keys: PipelineKeys, settings: Settings
) -> None:
    """The first monitor sleeps through the flush; the number of the window alone would fit what it expects."""
    file = make_model(FEATURES, 1)
    RedisRegistry(connection, keys).promote("run0", file, 0, "first")
    push(connection, keys, file, windows=3)
    sleeper, rival = Monitor(settings), Monitor(settings)
    sleeper.start()
    turn(sleeper)
    assert len(drift_windows(connection, keys)) == 3
    connection.call(
        "DEL", *connection.call("KEYS", f"sg:{{{keys.pipeline}*")
    )  # what FLUSHALL does to this pipeline
    RedisRegistry(connection, keys).promote("run0", file, 0, "again")
    push(connection, keys, file, windows=3)
    rival.start()
    turn(rival)
    push(connection, keys, file, windows=2)
    turn(sleeper)
    close(sleeper, rival)
    windows = drift_windows(connection, keys)
    assert [window[b"window"] for window in windows] == [b"1", b"2", b"3", b"4", b"5"]
    entries = entries_of(connection.call("XRANGE", keys.partition(0).records, "-", "+"))
    assert [window[b"first_entry"] for window in windows] == [entry.id for entry in entries]
    assert [window[b"last_entry"] for window in windows] == [entry.id for entry in entries]


@both_servers
def test_a_state_without_an_incarnation_is_continued_and_given_one(
    connection: Connection, keys: PipelineKeys, settings: Settings
) -> None:
    file = make_model(FEATURES, 1)
    RedisRegistry(connection, keys).promote("run0", file, 0, "first")
    push(connection, keys, file, windows=1)
    first, second = Monitor(settings), Monitor(settings)
    first.start()
    turn(first)
    connection.call("HDEL", keys.monitor, "incarnation")  # as an older version stored it
    push(connection, keys, file, windows=1)
    second.start()
    turn(second)
    close(first, second)
    assert [window[b"window"] for window in drift_windows(connection, keys)] == [b"1", b"2"]
    assert connection.call("HGET", keys.monitor, "incarnation")


@both_servers
def test_two_monitors_ask_for_one_retraining_an_episode(
    connection: Connection, keys: PipelineKeys, settings: Settings
) -> None:
    file = make_model(FEATURES, 1)
    RedisRegistry(connection, keys).promote("run0", file, 0, "first")
    monitors = Monitor(settings), Monitor(settings)
    for monitor in monitors:
        monitor.start()
    for epoch in (1, 2):
        for shift in (0.0, 2.0):
            push(connection, keys, file, windows=2, shift=shift)
            turn(*monitors)
        promoted = RedisRegistry(connection, keys).promote(f"run{epoch}", file, epoch, "drift")  # ends the episode
        wait_until(partial(has_passed, connection, promoted.updated_ts_ms + 1), "a later millisecond")
    close(*monitors)
    episodes = [window[b"episode"] for window in drift_windows(connection, keys) if b"episode" in window]
    events = [field_map(entry.fields) for entry in entries_of(connection.call("XRANGE", keys.retrain, "-", "+"))]
    assert len(set(episodes)) == 2 < len(episodes)
    assert [event[b"episode"] for event in events] == sorted(set(episodes), key=int)

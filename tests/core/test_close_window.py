"""Closing a window: everything that belongs to it in one step, once."""

from __future__ import annotations

import pytest
from redis.exceptions import ResponseError

from core.connection import Connection
from core.entry import entries_of
from core.keys import PipelineKeys
from core.scripts.close_window import Closed, close_window

MAX_ID = "18446744073709551615-18446744073709551615"
EVERY_BYTE = bytes(range(256))


def close(server: Connection, keys: PipelineKeys, expected: int, who: bytes = b"w") -> Closed:
    return close_window(
        server,
        keys,
        expected,
        who + EVERY_BYTE,
        [b"window", who],
        [[b"_n", who], [b"_x", EVERY_BYTE]],
        [[b"why", who]],
    )


def snapshot(server: Connection, keys: PipelineKeys) -> tuple[object, ...]:
    streams = [
        [entry.fields for entry in entries_of(server.call("XRANGE", stream, "-", "+"))]
        for stream in (keys.drift, keys.samples, keys.retrain)
        if server.call("TYPE", stream) in {b"stream", b"none"}
    ]
    return server.call("HMGET", keys.monitor, "window", "state"), streams


def test_state_and_streams_are_written_together(server: Connection, keys: PipelineKeys) -> None:
    assert close(server, keys, 0)
    assert snapshot(server, keys) == (
        [b"1", b"w" + EVERY_BYTE],
        [[[b"window", b"w"]], [[b"_n", b"w"], [b"_x", EVERY_BYTE]], [[b"why", b"w"]]],
    )


def test_of_two_writers_exactly_one_wins(server: Connection, keys: PipelineKeys) -> None:
    assert close(server, keys, 0, b"first")
    before = snapshot(server, keys)
    assert not close(server, keys, 0, b"second")
    assert snapshot(server, keys) == before
    assert close(server, keys, 1, b"second")
    assert server.call("HGET", keys.monitor, "window") == b"2"


@pytest.mark.parametrize("expected", [1, 7, -1])
def test_a_writer_whose_state_is_gone_writes_nothing(
    server: Connection, keys: PipelineKeys, expected: int
) -> None:
    assert not close(server, keys, expected)
    assert snapshot(server, keys) == ([None, None], [[], [], []])


def test_a_state_that_was_begun_anew_is_another_one_even_at_the_same_window(
    server: Connection, keys: PipelineKeys
) -> None:
    def close_next(expected: int, incarnation: bytes) -> Closed:
        return close_window(server, keys, expected, b"s", [b"window", b"w"], [], [], incarnation)

    assert close_next(0, b"")  # as it was stored before there were incarnations
    server.call("HSETNX", keys.monitor, "incarnation", "first")
    assert not close_next(1, b"")
    assert close_next(1, b"first")
    server.call("DEL", keys.monitor)
    server.call("HSET", keys.monitor, "incarnation", "second", "window", "2")
    before = snapshot(server, keys)
    assert not close_next(2, b"first")
    assert snapshot(server, keys) == before
    assert close_next(2, b"second")


@pytest.mark.parametrize("stream", ["drift", "samples", "retrain"])
def test_a_wrong_type_leaves_everything_unchanged(server: Connection, keys: PipelineKeys, stream: str) -> None:
    assert close(server, keys, 0)
    server.call("DEL", getattr(keys, stream))
    server.call("SET", getattr(keys, stream), "mine")
    before = snapshot(server, keys)
    with pytest.raises(ResponseError, match=r"WRONGTYPE.*move it aside"):
        close(server, keys, 1)
    assert snapshot(server, keys) == before
    server.call("DEL", getattr(keys, stream))
    assert close(server, keys, 1)


def test_a_monitor_key_of_the_wrong_type_leaves_everything_unchanged(
    server: Connection, keys: PipelineKeys
) -> None:
    server.call("SET", keys.monitor, "mine")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        close(server, keys, 0)
    assert server.call("EXISTS", keys.drift, keys.samples, keys.retrain) == 0


@pytest.mark.parametrize("stream", ["drift", "samples", "retrain"])
def test_an_exhausted_stream_leaves_everything_unchanged(
    server: Connection, keys: PipelineKeys, stream: str
) -> None:
    server.call("XADD", getattr(keys, stream), MAX_ID, "last", "one")
    before = snapshot(server, keys)
    with pytest.raises(ResponseError, match=r"exhausted|ID"):
        close(server, keys, 0)
    assert snapshot(server, keys) == before


@pytest.mark.parametrize("bad", [[], [b"odd"], [b"x"] * 8_100])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_entry_that_no_script_can_write_leaves_everything_unchanged(
    server: Connection, keys: PipelineKeys, bad: list[bytes], place: int
) -> None:
    good = [b"a", b"b"]
    drift, sample, retrain = (bad if place == number else good for number in range(3))
    with pytest.raises(ResponseError, match=f"an entry of {len(bad)} names and values"):
        close_window(server, keys, 0, b"", drift, [good, sample], [retrain])
    assert snapshot(server, keys) == ([None, None], [[], [], []])


@pytest.mark.parametrize("command", ["hset", "xadd", "xdel", "hget", "type"])
def test_a_command_that_is_forbidden_leaves_everything_unchanged(
    server: Connection, any_server_url: str, keys: PipelineKeys, pipeline: str, command: str
) -> None:
    server.call("ACL", "SETUSER", pipeline, "on", ">secret", "allkeys", "+@all", f"-{command}")
    with Connection(any_server_url.replace("redis://", f"redis://{pipeline}:secret@")) as limited:
        with pytest.raises(ResponseError):
            close(limited, keys, 0)
        assert snapshot(server, keys) == ([None, None], [[], [], []])
        server.call("ACL", "SETUSER", pipeline, "+@all")
        assert close(limited, keys, 0)
    server.call("ACL", "DELUSER", pipeline)


@pytest.mark.parametrize("command", ["xinfo", "xpending", "time"])
def test_a_command_that_looks_for_an_alerts_event_is_forbidden_before_anything_is_written(
    server: Connection, any_server_url: str, keys: PipelineKeys, pipeline: str, command: str
) -> None:
    event = server.call("XADD", keys.retrain, "*", "reason", "alert").decode()
    server.call("XGROUP", "CREATE", keys.retrain, "trainers", "$")
    server.call("HSET", keys.monitor, "asked", f"{event} - ")  # of the model without a name, answered
    server.call("ACL", "SETUSER", pipeline, "on", ">secret", "allkeys", "+@all", f"-{command}")
    before = snapshot(server, keys)
    with Connection(any_server_url.replace("redis://", f"redis://{pipeline}:secret@")) as limited:
        with pytest.raises(ResponseError):
            close(limited, keys, 0)
        assert snapshot(server, keys) == before
        server.call("ACL", "SETUSER", pipeline, "+@all")
        assert close(limited, keys, 0) is Closed.WRITTEN
    server.call("ACL", "DELUSER", pipeline)


def test_a_window_may_have_no_samples_and_no_event(server: Connection, keys: PipelineKeys) -> None:
    assert close_window(server, keys, 0, b"s", [b"window", b"1"], [], [])
    assert server.call("EXISTS", keys.samples, keys.retrain) == 0

"""A socket with commands sent ahead: replies in order, errors that close it and errors that do not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis.exceptions import ConnectionError as LostConnection
from redis.exceptions import ResponseError

from core.channel import Channel, Packed, ReplyTooLarge, wait_for_reply
from core.connection import Connection
from core.keys import PipelineKeys


@pytest.fixture
def stream(keys: PipelineKeys) -> str:
    return keys.partition(0).records


@pytest.fixture
def channel(server: Connection, stream: str) -> Iterator[Channel]:
    with server.channel(stream) as open_channel:
        yield open_channel


def test_replies_come_in_the_order_of_the_commands(channel: Channel) -> None:
    for number in range(500):
        channel.submit("ECHO", number)
    assert channel.outstanding == 500
    assert [int(channel.collect()) for _ in range(500)] == list(range(500))
    assert channel.outstanding == 0


def test_an_error_reply_belongs_to_its_command_alone(channel: Channel, stream: str) -> None:
    channel.submit("SET", stream, "x")
    channel.submit("XLEN", stream)
    channel.submit("GET", stream)
    assert channel.collect() == b"OK"
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        channel.collect()
    assert (channel.collect(), channel.outstanding, channel.closed) == (b"x", 0, False)


@pytest.mark.parametrize("size", [3, 200_000])
def test_arguments_that_are_packed_already_arrive_as_they_are(channel: Channel, stream: str, size: int) -> None:
    value = b"\r\n\0" + b"v" * size
    packed = Packed(2, memoryview(b"$1\r\nf\r\n$%d\r\n%b\r\n" % (len(value), value)))
    channel.call("XADD", stream, "*", "first", "1", packed=packed)
    ((_, fields),) = channel.call("XRANGE", stream, "-", "+")
    assert fields == [b"first", b"1", b"f", value]
    assert len(value) <= channel.reply_bytes <= len(value) + 400


def test_a_call_waits_for_nobody_elses_reply(channel: Channel) -> None:
    channel.submit("PING")
    with pytest.raises(RuntimeError, match="1 replies"):
        channel.call("PING")
    assert channel.collect() == b"PONG"
    with pytest.raises(RuntimeError, match="submit"):
        channel.collect()


def test_a_reply_beyond_its_limit_is_not_taken_and_closes_the_channel(channel: Channel, stream: str) -> None:
    for _ in range(20):
        channel.submit("XADD", stream, "*", "x", b"v" * 2**17)
    for _ in range(20):
        channel.collect()
    channel.submit("XRANGE", stream, "-", "+")
    with pytest.raises(ReplyTooLarge):
        channel.collect(2**19)
    assert channel.closed
    assert channel.reply_bytes <= 2**19 + 2**18


def test_a_lost_connection_closes_the_channel(channel: Channel, server: Connection) -> None:
    own_id = channel.call("CLIENT", "ID")
    channel.submit("PING")
    assert channel.collect() == b"PONG"
    server.call("CLIENT", "KILL", "ID", own_id)
    with pytest.raises(LostConnection):
        channel.call("PING")
    assert (channel.closed, channel.outstanding) == (True, 0)
    for use in (channel.collect, channel.readable, lambda: channel.submit("PING")):
        with pytest.raises(LostConnection):
            use()
    channel.close()


def test_the_wait_ends_for_the_channel_that_has_a_reply(server: Connection, stream: str) -> None:
    with server.channel(stream) as blocked, server.channel(stream) as answered:
        blocked.submit("XREAD", "BLOCK", 2000, "STREAMS", stream, "$")
        assert wait_for_reply([blocked, answered], 0) == []
        answered.submit("PING")
        assert wait_for_reply([blocked, answered], 20) == [answered]
        assert answered.readable()
        server.call("XADD", stream, "*", "a", "b")
        assert blocked in wait_for_reply([blocked], 20)


def test_what_is_buffered_counts_as_there(channel: Channel) -> None:
    for _ in range(3):
        channel.submit("PING")
    channel.collect()
    assert wait_for_reply([channel], 20) == [channel]
    channel.collect()
    assert channel.readable(20)
    channel.collect()
    assert not channel.readable()

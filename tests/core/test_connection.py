"""The connection: raw replies, one attempt, no password in any message."""

from __future__ import annotations

import socket
import threading

import pytest

from core.connection import CONNECTION_ERRORS, Connection, ServerError, without_password
from core.errors import ServerUnavailable, SettingsError
from core.keys import PipelineKeys


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://h:6379/0", "redis://h:6379/0"),
        ("redis://:secret@h/0", "redis://:***@h/0"),
        ("redis://user:secret@h:1/0", "redis://user:***@h:1/0"),
        ("redis://user@h", "redis://user@h"),
        ("redis://:secret@[::1]:6379", "redis://:***@[::1]:6379"),
        ("redis://:se/cr@et@h:port", "redis://:***@h:port"),
        ("rediss://h?password=secret&db=1", "rediss://h?password=***&db=1"),
        ("unix://:secret@/tmp/s?db=1&password=secret", "unix://:***@/tmp/s?db=1&password=***"),
        ("redis://:secret@[::1", "redis://:***@[::1"),
        (":secret@h", ":***@h"),
    ],
)
def test_no_message_shows_a_password(url: str, shown: str) -> None:
    assert without_password(url) == shown


@pytest.mark.parametrize("url", ["http://h", "", "localhost", "redis://:sec:ret@h:port", "redis://[::1"])
def test_a_url_that_cannot_be_read_is_named_without_its_password(url: str) -> None:
    with pytest.raises(SettingsError, match=r"redis_url .* cannot be read") as caught:
        Connection(url)
    assert "ret" not in str(caught.value)


def _closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_where_nobody_answers_the_sentence_names_the_url() -> None:
    url = f"redis://:secret@127.0.0.1:{_closed_port()}/0"
    with Connection(url) as connection:
        with pytest.raises(ServerUnavailable, match=r"no Redis answers at redis://:\*\*\*@127") as caught:
            connection.require()
        assert "secret" not in str(caught.value)
        with pytest.raises(CONNECTION_ERRORS):
            connection.call("PING")


def test_a_command_whose_reply_is_lost_is_sent_once() -> None:
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for _ in range(2):
                peer, _ = listener.accept()
                with peer:
                    data = peer.recv(65_536)
                    while b"XADD" not in data:  # the client introduces itself first
                        peer.sendall(b"+OK\r\n" * data.count(b"*"))
                        data = peer.recv(65_536)
                        if not data:
                            break
                    received.append(data)
                if b"last" in data:
                    return

        server = threading.Thread(target=serve)
        server.start()
        with Connection(f"redis://127.0.0.1:{listener.getsockname()[1]}") as connection:
            for value in ("first", "last"):
                with pytest.raises(CONNECTION_ERRORS):
                    connection.call("XADD", "s", "*", "a", value)
        server.join(10)
    assert [data.count(b"XADD") for data in received] == [1, 1]
    assert b"first" in received[0]
    assert b"last" in received[1]


def test_replies_are_raw(server: Connection, keys: PipelineKeys) -> None:
    stream = keys.retrain
    entry_id = server.call("XADD", stream, "*", "a", "1", "a", b"\xff")
    assert server.call("XRANGE", stream, "-", "+") == [[entry_id, [b"a", b"1", b"a", b"\xff"]]]
    assert server.call("HGETALL", keys.production) == []
    assert server.call("GET", keys.production) is None
    assert server.require() is server


def test_errors_in_a_pipeline_come_back_as_values(server: Connection, keys: PipelineKeys) -> None:
    first, second, third = server.pipeline(
        [("SET", keys.config, 1), ("LPUSH", keys.config, "x"), ("GET", keys.config)]
    )
    assert (first in {b"OK", True}, third) == (True, b"1")
    assert isinstance(second, ServerError)


def test_the_servers_clock_is_in_milliseconds(server: Connection) -> None:
    seconds = int(server.call("TIME")[0])
    assert seconds * 1000 <= server.now_ms() <= (seconds + 60) * 1000

"""Under Sentinel the next command after a failover goes to the new master."""

from __future__ import annotations

import pytest

from core.channel import Channel
from core.connection import CONNECTION_ERRORS, Connection
from core.errors import ServerUnavailable
from core.keys import PipelineKeys
from core.server_errors import NotInCharge
from tests.servers import SentinelServers, free_port, kill_server, wait_until


def _taken(connection: Connection, stream: str) -> bool:
    """Whether a record is taken; no other error than that of a lost server is expected."""
    try:
        connection.call("XADD", stream, "*", "a", "1")
    except CONNECTION_ERRORS:
        return False
    return True


def _port(connection: Connection) -> int:
    return int(connection.call("CONFIG", "GET", "port")[1])


def test_the_master_is_found_though_one_sentinel_does_not_answer(sentinel: SentinelServers) -> None:
    with Connection(sentinel.url).require() as connection:
        assert _port(connection) == sentinel.first
        assert connection.one_clock
        assert connection.groups(("a", "b")) == [("a", "b")]


def test_a_failover_that_was_asked_for_is_followed(sentinel: SentinelServers, keys: PipelineKeys) -> None:
    stream = keys.drift
    with Connection(sentinel.url) as connection:
        connection.call("XADD", stream, "1-0", "a", "1")
        with connection.channel(stream) as channel:
            channel.submit("XREAD", "BLOCK", 20_000, "STREAMS", stream, "1-0")
            wait_until(sentinel.replicated, "a replica that is level")
            sentinel.fail_over("COORDINATED")
            with pytest.raises(CONNECTION_ERRORS):  # its master became a replica, which ends what waits on it
                channel.collect()
        wait_until(lambda: _taken(connection, stream), "a master that takes records")
        assert _port(connection) == sentinel.second
        with connection.channel(stream) as channel:
            assert channel.call("XLEN", stream) >= 2


def test_a_master_that_dies_is_replaced(sentinel: SentinelServers, keys: PipelineKeys) -> None:
    with Connection(sentinel.url) as connection:
        connection.call("XADD", keys.drift, "1-0", "a", "1")
        wait_until(sentinel.replicated, "a replica that is level")
        kill_server(sentinel.first)
        wait_until(lambda: _taken(connection, keys.drift), "a master that takes records")
        assert _port(connection) == sentinel.second
        assert connection.call("XRANGE", keys.drift, "1-0", "1-0") != []


def test_a_replica_that_was_asked_by_name_is_a_lost_server(sentinel: SentinelServers, keys: PipelineKeys) -> None:
    with Connection(f"redis://127.0.0.1:{sentinel.second}") as connection:
        with pytest.raises(NotInCharge, match="READONLY"):
            connection.call("XADD", keys.drift, "*", "a", "1")
        (reply,) = connection.pipeline([("XADD", keys.drift, "*", "a", "1")])
        assert isinstance(reply, NotInCharge)
        channel: Channel
        with connection.channel(keys.drift) as channel, pytest.raises(NotInCharge, match="READONLY"):
            channel.call("XADD", keys.drift, "*", "a", "1")


def test_a_master_with_too_few_replicas_is_waited_out(sentinel: SentinelServers, keys: PipelineKeys) -> None:
    with Connection(sentinel.url) as connection:
        connection.call("CONFIG", "SET", "min-replicas-to-write", 2)
        with pytest.raises(NotInCharge, match="NOREPLICAS"):
            connection.call("XADD", keys.drift, "*", "a", "1")
        connection.call("CONFIG", "SET", "min-replicas-to-write", 1)
        assert _taken(connection, keys.drift)


def test_a_master_that_was_replaced_but_does_not_know_it_takes_nothing(
    sentinel: SentinelServers, keys: PipelineKeys
) -> None:
    with Connection(sentinel.url) as connection, Connection(f"redis://127.0.0.1:{sentinel.first}") as first:
        first.call("CONFIG", "SET", "min-replicas-to-write", 1)
        first.call("ACL", "SETUSER", "default", "-replicaof", "-slaveof")  # the Sentinel cannot tell it
        assert _taken(connection, keys.drift)
        wait_until(sentinel.replicated, "a replica that is level")
        sentinel.fail_over()
        wait_until(lambda: _taken(connection, keys.drift), "a master that takes records")
        assert _port(connection) == sentinel.second
        assert first.call("ROLE")[0] == b"master"
        assert first.call("XLEN", keys.drift) == 1


def test_where_no_sentinel_knows_the_service_the_sentence_names_the_url(sentinel: SentinelServers) -> None:
    for url in (sentinel.url.replace("/main/", "/other/"), f"redis+sentinel://127.0.0.1:{free_port()}/main"):
        with (
            Connection(url) as connection,
            pytest.raises(ServerUnavailable, match=r"no Redis answers at redis\+s"),
        ):
            connection.require()

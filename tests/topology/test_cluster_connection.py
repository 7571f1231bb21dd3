"""On a cluster each command goes to the node that holds its key, also after that changed."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from bench.chaos.proxy import Proxy
from core.connection import CONNECTION_ERRORS, Connection, ServerError
from core.errors import ServerUnavailable, SettingsError
from core.keys import PartitionKeys, PipelineKeys
from core.scripts.publish import publish
from core.server_errors import NotInCharge
from tests.servers import (
    ClusterServers,
    free_port,
    kill_server,
    running_cluster,
    running_cluster_node,
    running_replica,
    slot_of,
    wait_until,
)


@pytest.fixture
def partitions(cluster: ClusterServers, keys: PipelineKeys) -> tuple[PartitionKeys, ...]:
    """One partition on each master."""
    return keys.partitions(3, cluster.tags(keys.pipeline, 3))


def _length(port: int, stream: str) -> int:
    with Connection(f"redis://127.0.0.1:{port}") as connection:
        return int(connection.call("XLEN", stream))


def test_each_stream_lies_on_its_own_master(
    cluster: ClusterServers, on_cluster: Connection, partitions: tuple[PartitionKeys, ...]
) -> None:
    for port, partition in zip(cluster.ports, partitions, strict=True):
        on_cluster.call("XADD", partition.records, "1-0", "a", b"\xff", "a", "2")
        assert on_cluster.call("XRANGE", partition.records, "-", "+") == [[b"1-0", [b"a", b"\xff", b"a", b"2"]]]
        assert _length(port, partition.records) == 1


def test_a_pipeline_of_commands_is_answered_in_its_order(
    on_cluster: Connection, partitions: tuple[PartitionKeys, ...]
) -> None:
    streams = [partition.records for partition in partitions]
    commands = [("XADD", stream, f"{number}-0", "a", number) for number in (1, 2) for stream in streams]
    replies = on_cluster.pipeline([*commands, ("GET", streams[1]), ("PING",)])
    assert replies[:6] == [b"1-0"] * 3 + [b"2-0"] * 3
    assert isinstance(replies[6], ServerError)
    assert replies[7] == b"PONG"
    assert [on_cluster.call("XLEN", stream) for stream in streams] == [2, 2, 2]


def test_streams_of_one_slot_are_read_together_and_others_apart(
    on_cluster: Connection, partitions: tuple[PartitionKeys, ...]
) -> None:
    first, second, third = partitions
    groups = on_cluster.groups((first.records, second.records, first.rejected, third.records))
    assert groups == [(first.records, first.rejected), (second.records,), (third.records,)]
    for group in groups:
        on_cluster.call("XREAD", "STREAMS", *group, *("0" for _ in group))
    with pytest.raises(ServerError, match="same slot"):
        on_cluster.call("XREAD", "STREAMS", first.records, second.records, "0", "0")


def test_scripts_run_where_their_keys_are(on_cluster: Connection, partitions: tuple[PartitionKeys, ...]) -> None:
    for partition in partitions:
        on_cluster.call("XGROUP", "CREATE", partition.records, "scorers", "0", "MKSTREAM")
        assert publish(on_cluster, partition.records, partition.producer("p"), 1, [[b"a", b"1"]], 10, 10**6)
        assert on_cluster.call("XLEN", partition.records) == 1


def test_commands_about_servers_reach_all_of_them(
    cluster: ClusterServers, on_cluster: Connection, partitions: tuple[PartitionKeys, ...]
) -> None:
    ports = {int(call("CONFIG", "GET", "port")[1]) for call in on_cluster.each_server()}
    assert ports == set(cluster.ports)
    assert on_cluster.require() is on_cluster
    clocks = [on_cluster.now_ms(partition.records) for partition in partitions]
    assert on_cluster.now_ms() >= min(clocks)
    assert on_cluster.earliest_now_ms([partition.records for partition in partitions]) >= min(clocks)


def test_a_stream_that_moved_is_followed(
    cluster: ClusterServers, on_cluster: Connection, partitions: tuple[PartitionKeys, ...]
) -> None:
    stream, other = partitions[0].records, partitions[1].records
    on_cluster.call("XADD", stream, "1-0", "a", "1")
    target = cluster.move(stream)
    assert on_cluster.call("XADD", stream, "2-0", "a", "1") == b"2-0"
    assert _length(target, stream) == 2
    cluster.move(stream)
    replies = on_cluster.pipeline([("XADD", stream, "3-0", "a", "1"), ("XADD", other, "1-0", "a", "1")])
    assert replies == [b"3-0", b"1-0"]
    assert on_cluster.call("XLEN", stream) == 3


def test_a_stream_that_is_on_its_way_is_followed(
    cluster: ClusterServers, on_cluster: Connection, partitions: tuple[PartitionKeys, ...]
) -> None:
    stream = partitions[0].records
    source, target = cluster.holder(stream), cluster.ports[1]
    on_cluster.require()
    cluster.start_move(stream, target)
    try:
        assert on_cluster.call("XADD", stream, "1-0", "a", "1") == b"1-0"  # not there yet: asked of the target
        assert on_cluster.pipeline([("XADD", stream, "2-0", "a", "1")]) == [b"2-0"]
    finally:
        cluster.end_move(source, stream, target)
    assert _length(target, stream) == 2


def test_a_channel_ends_with_a_move_and_the_next_one_goes_to_the_new_node(
    cluster: ClusterServers, on_cluster: Connection, partitions: tuple[PartitionKeys, ...]
) -> None:
    stream = partitions[0].records
    with on_cluster.channel(stream) as channel:
        channel.call("XADD", stream, "1-0", "a", "1")
        channel.submit("XREAD", "BLOCK", 2_000, "STREAMS", stream, "1-0")
        cluster.move(stream)
        with pytest.raises(CONNECTION_ERRORS, match=r"^MOVED "):
            channel.collect()
        assert channel.closed
    with on_cluster.channel(stream) as channel:
        assert channel.call("XADD", stream, "2-0", "a", "1") == b"2-0"


def test_a_slot_that_nobody_holds_is_waited_out(
    cluster: ClusterServers, on_cluster: Connection, partitions: tuple[PartitionKeys, ...]
) -> None:
    stream = partitions[0].records
    holder, slot = cluster.holder(stream), slot_of(stream)
    on_cluster.require()
    cluster.ask(holder, "CLUSTER", "DELSLOTS", slot)
    try:
        with pytest.raises(NotInCharge):
            on_cluster.call("XADD", stream, "*", "a", "1")
    finally:
        cluster.ask(holder, "CLUSTER", "ADDSLOTS", slot)
    cluster.await_whole()
    assert on_cluster.call("XADD", stream, "1-0", "a", "1") == b"1-0"


def test_a_master_that_dies_is_replaced_by_its_replica(tmp_path: Path, keys: PipelineKeys) -> None:
    with (
        running_cluster(tmp_path, timeout_ms=1_000) as servers,
        running_replica(tmp_path / "replica", servers, timeout_ms=1_000) as replica,
        Connection(servers.url) as connection,
    ):
        stream, *_ = (partition.records for partition in keys.partitions(1, servers.tags(keys.pipeline, 1)))
        connection.call("XADD", stream, "1-0", "a", "1")
        wait_until(lambda: servers.replicated(servers.ports[0]), "a replica that has it")
        channel = connection.channel(stream)
        kill_server(servers.ports[0])
        with pytest.raises(CONNECTION_ERRORS):
            channel.call("XLEN", stream)

        def taken() -> bool:
            try:
                return bool(connection.call("XADD", stream, "2-0", "a", "1") == b"2-0")
            except CONNECTION_ERRORS:
                return False

        wait_until(taken, "a replica in the master's place")
        assert _length(replica, stream) == 2
        with connection.channel(stream) as again:
            assert again.call("XLEN", stream) == 2


def test_a_cluster_that_comes_back_at_other_addresses_is_found_by_those_of_the_url(
    tmp_path: Path, keys: PipelineKeys
) -> None:
    with ExitStack() as stack:
        servers = stack.enter_context(running_cluster(tmp_path / "first", masters=1))
        name = Proxy(f"redis://127.0.0.1:{servers.ports[0]}")  # as a host's name that is looked up anew
        stack.callback(name.close)
        connection = stack.enter_context(Connection(name.url.replace("redis://", "redis+cluster://")))
        assert connection.call("XADD", keys.drift, "1-0", "a", "1") == b"1-0"
        later = stack.enter_context(running_cluster(tmp_path / "second", masters=1))
        kill_server(servers.ports[0])
        name.switch(f"redis://127.0.0.1:{later.ports[0]}")
        with pytest.raises(CONNECTION_ERRORS):
            connection.call("XLEN", keys.drift)
        assert connection.call("XLEN", keys.drift) == 0
        assert connection.call("CONFIG", "GET", "port")[1] == b"%d" % later.ports[0]


def test_a_cluster_without_slots_yet_is_waited_out(tmp_path: Path, keys: PipelineKeys) -> None:
    port = free_port()
    with running_cluster_node(tmp_path, port), Connection(f"redis+cluster://127.0.0.1:{port}") as connection:
        for _ in range(2):
            with pytest.raises(NotInCharge, match="holds a slot"):
                connection.call("XLEN", keys.drift)
        with Connection(f"redis://127.0.0.1:{port}") as node:
            node.call("CLUSTER", "ADDSLOTSRANGE", 0, 16_383)
            wait_until(lambda: b"cluster_state:ok" in node.call("CLUSTER", "INFO"), "a whole cluster")
        assert connection.call("XLEN", keys.drift) == 0


def test_a_closed_connection_holds_no_socket(cluster: ClusterServers, keys: PipelineKeys) -> None:
    connection = Connection(cluster.url + f"?client_name={keys.pipeline}")
    connection.require()
    named = f"name={keys.pipeline} "

    def clients() -> int:
        return sum(cluster.ask(port, "CLIENT", "LIST").count(named) for port in cluster.ports)

    assert clients() >= len(cluster.ports)
    connection.close()
    wait_until(lambda: clients() == 0, "an end of every socket")  # ``connection`` still holds its pools


def test_one_node_of_a_cluster_is_refused_with_what_to_send(
    cluster: ClusterServers, partitions: tuple[PartitionKeys, ...]
) -> None:
    elsewhere = next(
        partition.records for partition in partitions if cluster.holder(partition.records) != cluster.ports[0]
    )
    with (
        Connection(f"redis://127.0.0.1:{cluster.ports[0]}/0") as connection,
        pytest.raises(SettingsError, match=r"is a node of a cluster .* send redis\+cluster://"),
    ):
        connection.call("XLEN", elsewhere)


def test_a_server_that_is_no_cluster_is_refused_with_what_to_send(server_url: str) -> None:
    url = server_url.replace("redis://", "redis+cluster://")
    with Connection(url) as connection, pytest.raises(SettingsError, match="is no cluster; send redis://"):
        connection.call("PING")


def test_a_user_who_may_not_ask_for_the_slots_is_told_so(cluster: ClusterServers, keys: PipelineKeys) -> None:
    user = keys.pipeline
    for port in cluster.ports:
        cluster.ask(port, "ACL", "SETUSER", user, "on", ">p", "~*", "+@all", "-cluster|slots")
    url = cluster.url.replace("://", f"://{user}:p@")
    with Connection(url) as connection, pytest.raises(ServerError, match=r"cluster\|slots"):
        connection.call("PING")


def test_where_no_node_answers_the_sentence_names_the_url_without_its_password() -> None:
    with Connection(f"redis+cluster://:secret@127.0.0.1:{free_port()}") as connection:
        with pytest.raises(ServerUnavailable, match=r"no Redis answers at redis\+cluster://:\*\*\*@127") as caught:
            connection.require()
        assert "secret" not in str(caught.value)
        with pytest.raises(CONNECTION_ERRORS):
            connection.call("PING")

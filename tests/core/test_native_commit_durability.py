"""What a native commit did is whole wherever it is looked at: after a kill, and on a replica."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.connection import Connection
from core.keys import PipelineKeys
from core.last_id import last_id
from core.server_errors import NotInCharge
from tests.core.alike_results import pending
from tests.core.native_stage import Stage, set_up
from tests.servers import kill_server, running_server, server_program, wait_until

APPEND = ("--appendonly", "yes", "--appendfsync", "always")


@pytest.fixture(params=["valkey", "redis"])
def program(request: pytest.FixtureRequest) -> str:
    return server_program(request.param)


def shown(server: Connection, stage: Stage) -> list[Any]:
    """All that there is to see."""
    streams = (stage.partition.records, stage.partition.predictions)
    return [
        *(server.call("XRANGE", stream, "-", "+") for stream in streams),
        *(str(last_id(server, stream)) for stream in streams),
        pending(server, stage.partition.records),
        server.call("EXISTS", stage.partition.commit),
    ]


def play(stage: Stage) -> None:
    """Commits of which one is done, one in part late, and one taken back."""
    with stage.native() as native:
        assert native.commit(stage.call_for(stage.ids[:3])).committed == 3
        assert native.commit(stage.call_for(stage.ids[1:6])).late == 2
        stage.server.call("XGROUP", "CREATE", stage.partition.predictions, "other", "0")
        assert native.commit(stage.call_for(stage.ids[:1])).late == 1


def test_a_killed_server_has_it_all_when_it_is_back(program: str, tmp_path: Path, keys: PipelineKeys) -> None:
    with running_server(program, tmp_path, *APPEND) as port, Connection(f"redis://127.0.0.1:{port}") as server:
        stage = set_up(server, keys.partition(0))
        play(stage)
        before = shown(server, stage)
        kill_server(port)
    with running_server(program, tmp_path, *APPEND) as port, Connection(f"redis://127.0.0.1:{port}") as server:
        assert shown(server, stage) == before
        assert len(before[1]) == 6


def test_a_replica_shows_the_same(program: str, tmp_path: Path, keys: PipelineKeys) -> None:
    with (
        running_server(program, tmp_path / "master") as port,
        running_server(program, tmp_path / "replica", "--replicaof", f"127.0.0.1 {port}") as replica_port,
        Connection(f"redis://127.0.0.1:{port}") as server,
        Connection(f"redis://127.0.0.1:{replica_port}") as replica,
    ):
        wait_until(lambda: b"state=online" in server.call("INFO", "replication"), "a replica")
        stage = set_up(server, keys.partition(0))
        play(stage)
        assert server.call("WAIT", 1, 20_000) == 1
        assert shown(replica, stage) == shown(server, stage)


def test_a_master_that_became_a_replica_does_nothing_and_is_left(
    program: str, tmp_path: Path, keys: PipelineKeys
) -> None:
    with (
        running_server(program, tmp_path) as port,
        Connection(f"redis://127.0.0.1:{port}") as server,
    ):
        stage = set_up(server, keys.partition(0))
        with stage.native() as native:
            server.call("REPLICAOF", "127.0.0.1", port)
            with pytest.raises(NotInCharge):
                native.commit(stage.call)
            assert native.channel.closed
        server.call("REPLICAOF", "NO", "ONE")
        stage.assert_untouched()


def test_a_server_killed_at_any_moment_of_many_commits_has_a_result_for_each_that_is_not_pending(
    program: str, tmp_path: Path, keys: PipelineKeys
) -> None:
    for kill_after in (1, 4, 9):
        folder = tmp_path / str(kill_after)
        with running_server(program, folder, *APPEND) as port, Connection(f"redis://127.0.0.1:{port}") as server:
            stage = set_up(server, keys.partition(0), 400)
            with stage.native() as native:
                calls = [stage.call_for(stage.ids[at : at + 20]) for at in range(0, 400, 20)]
                for call in calls:
                    native.commits.submit(call)
                for call in calls[:kill_after]:
                    native.commits.collect(call)
                kill_server(port)
        with running_server(program, folder, *APPEND) as port, Connection(f"redis://127.0.0.1:{port}") as server:
            again = Stage(server, stage.partition, stage.ids)
            answered = again.answered()
            assert len(answered) >= 20 * kill_after
            assert answered + again.pending() == stage.ids
            assert not again.remembered()

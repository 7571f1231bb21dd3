"""The repair commands on a cluster of three masters."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.connection import Connection
from core.keys import MONITORS, SCORERS, PipelineKeys
from core.pipeline_config import agree
from core.settings import Settings
from tests.servers import ClusterServers
from tests.streamgauge.repair_stage import Stage


@pytest.fixture
def server(cluster: ClusterServers) -> Iterator[Connection]:
    with Connection(cluster.url) as connection:
        yield connection


@pytest.fixture
def stage(server: Connection, keys: PipelineKeys) -> Stage:
    """A pipeline whose three partitions lie on three masters."""
    place = ("--redis-url", server.url, "--pipeline", keys.pipeline)
    said = Stage.run_as_given("partitions", "create", "--partitions", "3", *place)
    assert (said.status, said.error) == (0, None)
    return Stage(server, keys, partitions=3)


def test_tags_that_are_chosen_cover_every_master(stage: Stage, cluster: ClusterServers) -> None:
    holders = {cluster.holder(partition.records) for partition in stage.partitions}
    assert holders == set(cluster.ports)
    overview = stage.run("partitions", "--json").json
    told = [int(state["master"].rpartition(":")[2]) for state in overview["partitions"]]
    assert told == [cluster.holder(partition.records) for partition in stage.partitions]
    assert overview["uncovered"] == []


def test_masters_without_a_partition_are_told_with_tags_that_would_cover_them(
    server: Connection, keys: PipelineKeys, cluster: ClusterServers
) -> None:
    agree(server, Settings(pipeline=keys.pipeline, partitions=1))
    stage = Stage(server, keys)
    overview = stage.run("partitions", "--json").json
    assert len(overview["uncovered"]) == 2
    proposed = {cluster.holder(f"sg:{{{tag}}}:records") for tag in overview["proposed_tags"]}
    assert proposed == set(cluster.ports)
    assert "streamgauge partitions create" in stage.run("partitions").out


def test_doctor_looks_at_every_master(stage: Stage) -> None:
    stage.promote()
    for number in range(3):
        for group in (SCORERS, MONITORS):
            stage.group(group, number)
    said = stage.run("doctor", "--json")
    about = [(one["level"], one["about"], one["what"]) for one in said.json["findings"]]
    assert len([what for _, check, what in about if check == "server" and what.startswith("master ")]) == 3
    assert ("ok", "cluster", "3 partitions on 3 masters") in about
    assert ("ok", "types", "every key holds what it should") in about
    assert stage.run("doctor").error is None


def test_doctor_says_that_partitions_share_a_master(
    server: Connection, keys: PipelineKeys, cluster: ClusterServers
) -> None:
    numbers = [n for n in range(99) if cluster.holder(f"sg:{{{keys.pipeline}:{n}}}:records") == cluster.ports[0]]
    tags = ",".join(f"{keys.pipeline}:{number}" for number in numbers[:2])
    place = ("--redis-url", server.url, "--pipeline", keys.pipeline)
    assert Stage.run_as_given("partitions", "create", "--partitions", "2", "--tags", tags, *place).error is None
    findings = Stage.run_as_given("doctor", "--json", *place).json["findings"]
    (found,) = [one for one in findings if one["about"] == "cluster"]
    assert (found["level"], str(cluster.ports[0]) in found["what"].split(" hold ")[0]) == ("warn", True)


def test_groups_and_redrive_reach_every_partition(stage: Stage) -> None:
    stage.promote()
    for number in range(3):
        stage.rejected("Area", "x", "Extent", "1", "_id", f"r{number}", partition=number)
    assert stage.run("groups", "require", "audit", "--json").json["partitions"] == [0, 1, 2]
    assert stage.run("redrive", "--set", "Area=1", "--json").json["sent_records"] == 3
    assert [stage.newest(number)[b"_id"] for number in range(3)] == [b"r0", b"r1", b"r2"]
    assert stage.run("groups", "retire", "audit", "--json").json["partitions"] == [0, 1, 2]
    assert stage.run("groups").error is None

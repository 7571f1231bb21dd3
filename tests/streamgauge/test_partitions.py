"""Where partitions lie, tags that reach every master, and pipelines that are set up beforehand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.connection import Connection
from core.entry import field_map
from core.errors import SettingsError, UsageError
from core.keys import SCORERS, PipelineKeys
from core.pipeline_config import agree
from core.settings import Settings
from streamgauge.partitions.slots import even_masters, propose_tags, slot_of
from tests.streamgauge.repair_stage import Stage


@pytest.fixture
def server(any_server_url: str) -> Iterator[Connection]:
    with Connection(any_server_url) as connection:
        yield connection


def config_of(connection: Connection, keys: PipelineKeys) -> dict[bytes, bytes]:
    return field_map(connection.call("HGETALL", keys.config))


def create(server: Connection, keys: PipelineKeys, *options: str) -> BaseException | None:
    place = ("--redis-url", server.url, "--pipeline", keys.pipeline)
    return Stage.run_as_given("partitions", "create", *options, *place).error


def test_slots_are_those_of_the_cluster_specification() -> None:
    assert [slot_of(tag) for tag in ("123456789", "foo", "")] == [12739, 12182, 0]


def test_an_even_split_is_that_of_redis_cli() -> None:
    assert [master.ranges for master in even_masters(3)] == [((0, 5460),), ((5461, 10922),), ((10923, 16383),)]
    assert sum(last - first + 1 for master in even_masters(7) for first, last in master.ranges) == 16384


@given(st.from_regex(r"[a-z0-9-]{1,12}", fullmatch=True), st.integers(1, 40), st.integers(1, 12))
def test_proposed_tags_cover_all_masters_evenly(name: str, count: int, masters: int) -> None:
    split = even_masters(masters)
    tags = propose_tags(name, count, split)
    assert PipelineKeys(name).checked_tags(tags, count) == tags
    loads = Counter(next(master.address for master in split if master.holds(slot_of(tag))) for tag in tags)
    assert max(loads.values()) - min(loads.values()) <= 1
    assert len(loads) == min(count, masters)


def test_the_proposal_is_printed_without_a_server() -> None:
    said = Stage.run_as_given("partitions", "--masters", "3", "--partitions", "6", "--pipeline", "prod")
    assert (said.status, said.out) == (0, "prod:0,prod:1,prod:2,prod:3,prod:4,prod:5.1\n")


@pytest.mark.parametrize(
    "options", [("--masters", "0"), ("--masters", "3", "--partitions", "0"), ("--partitions", "2")]
)
def test_numbers_that_cannot_be_are_refused(options: tuple[str, ...]) -> None:
    assert isinstance(Stage.run_as_given("partitions", *options).error, SettingsError)


def test_a_pipeline_is_created_and_its_services_adopt_it(server: Connection, keys: PipelineKeys) -> None:
    assert create(server, keys, "--partitions", "4", "--masters", "3") is None
    tags = [partition.tag for partition in agree(server, Settings(pipeline=keys.pipeline)).partitions]
    assert tags == list(propose_tags(keys.pipeline, 4, even_masters(3)))
    assert config_of(server, keys)[b"records_keep_ms"] == b"3600000"


def test_given_tags_are_taken(server: Connection, keys: PipelineKeys) -> None:
    tags = (f"{keys.pipeline}:x", f"{keys.pipeline}:y")
    assert create(server, keys, "--partitions", "2", "--tags", ",".join(tags)) is None
    assert tuple(partition.tag for partition in agree(server, Settings(pipeline=keys.pipeline)).partitions) == tags


@pytest.mark.parametrize("tags", ["other:0,other:1", "{0}:a", "{0}:a,{0}:a", "{0}:a,{0}:b}}", "{0}:a,{0}:b,{0}:c"])
def test_tags_that_cannot_be_write_nothing(server: Connection, keys: PipelineKeys, tags: str) -> None:
    error = create(server, keys, "--partitions", "2", "--tags", tags.format(keys.pipeline))
    assert isinstance(error, SettingsError)
    assert config_of(server, keys) == {}


def test_a_pipeline_that_has_started_is_left_alone(server: Connection, keys: PipelineKeys) -> None:
    agree(server, Settings(pipeline=keys.pipeline, partitions=2))
    before = config_of(server, keys)
    error = create(server, keys, "--partitions", "3")
    assert isinstance(error, UsageError)
    assert "docs/partitions.md" in str(error)
    assert config_of(server, keys) == before


def test_the_list_tells_what_each_partition_holds(server: Connection, keys: PipelineKeys) -> None:
    stage = Stage(server, keys, partitions=2)
    stage.group(SCORERS, 1)
    stage.add("a", "1", partition=1)
    first, second = stage.run("partitions", "--json").json["partitions"]
    assert (first["entries"], first["lag_entries"], first["master"]) == (0, 0, None)
    assert (second["tag"], second["entries"], second["lag_entries"]) == (f"{keys.pipeline}:1", 1, 1)
    assert second["bytes"] > 0
    assert second["slot"] == slot_of(f"{keys.pipeline}:1")
    assert "this server" in stage.run("partitions").out


def test_a_pipeline_that_never_started_is_one_sentence(server: Connection, keys: PipelineKeys) -> None:
    said = Stage.run_as_given("partitions", "--redis-url", server.url, "--pipeline", keys.pipeline)
    assert isinstance(said.error, UsageError)
    assert keys.pipeline in str(said.error)

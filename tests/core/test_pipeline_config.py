"""The pipeline's config: made by the first, adopted by who does not care, a refusal for who disagrees."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from msgspec import structs

from core.connection import Connection
from core.entry import field_map
from core.errors import SettingsError
from core.keys import REQUIRED_GROUPS, PipelineKeys
from core.pipeline_config import DEFAULTS, PipelineConfig, agree, agree_again, look_up
from core.settings import Settings


def test_the_first_to_start_writes_the_defaults(server: Connection, keys: PipelineKeys) -> None:
    config = agree(server, Settings(pipeline=keys.pipeline))
    assert config.partitions == keys.partitions(1)
    assert config.required_groups == REQUIRED_GROUPS
    assert (config.records_keep_ms, config.records_keep_bytes) == (3_600_000, 256 * 2**20)
    stored = field_map(server.call("HGETALL", keys.config))
    assert stored[b"version"] == b"1"
    assert stored[b"required_groups"] == b"scorers,monitors"


def test_an_unset_setting_adopts_what_there_is(server: Connection, keys: PipelineKeys) -> None:
    first = agree(
        server, Settings(pipeline=keys.pipeline, partitions=3, records_keep_ms=5_000, records_keep_bytes=6_000)
    )
    assert agree(server, Settings(pipeline=keys.pipeline)) == first
    assert first.partitions == keys.partitions(3)
    assert (first.records_keep_ms, first.records_keep_bytes) == (5_000, 6_000)
    assert agree(server, Settings(pipeline=keys.pipeline, partitions=3, records_keep_ms=5_000)) == first


@pytest.mark.parametrize("name", DEFAULTS)
def test_who_disagrees_is_refused_with_both_values(server: Connection, keys: PipelineKeys, name: str) -> None:
    mine, theirs = (structs.replace(Settings(pipeline=keys.pipeline), **{name: value}) for value in (7, 8))
    agree(server, mine)
    with pytest.raises(SettingsError, match=rf"{name} is 8 here and 7 in pipeline"):
        agree(server, theirs)
    assert server.call("HGET", keys.config, name) == b"7"


def test_the_default_itself_disagrees_where_it_is_set(server: Connection, keys: PipelineKeys) -> None:
    agree(server, Settings(pipeline=keys.pipeline, partitions=2))
    with pytest.raises(SettingsError, match="partitions is 1 here and 2"):
        agree(server, Settings(pipeline=keys.pipeline, partitions=1))


def test_another_version_is_refused(server: Connection, keys: PipelineKeys) -> None:
    server.call("HSET", keys.config, "version", "2")
    with pytest.raises(SettingsError, match="version 2, this program knows 1"):
        agree(server, Settings(pipeline=keys.pipeline))


@pytest.mark.parametrize("value", ["", "0", "-1", "two", b"\xff", "1.5", "9" * 30])
def test_a_config_that_was_spoilt_by_hand_names_the_field(
    server: Connection, keys: PipelineKeys, value: str | bytes
) -> None:
    server.call("HSET", keys.config, "records_keep_ms", value)
    with pytest.raises(SettingsError, match="correct field records_keep_ms of sg:"):
        agree(server, Settings(pipeline=keys.pipeline))


def test_required_groups_are_those_of_the_config(server: Connection, keys: PipelineKeys) -> None:
    server.call("HSET", keys.config, "required_groups", "scorers,monitors,audit")
    assert agree(server, Settings(pipeline=keys.pipeline)).required_groups == ("scorers", "monitors", "audit")


@pytest.mark.parametrize(("text", "groups"), [("", REQUIRED_GROUPS), (",audit,,", ("audit",))])
def test_required_groups_without_a_name_are_none(
    server: Connection, keys: PipelineKeys, text: str, groups: tuple[str, ...]
) -> None:
    server.call("HSET", keys.config, "required_groups", text)
    assert agree(server, Settings(pipeline=keys.pipeline)).required_groups == groups


def test_looking_up_a_pipeline_that_nobody_started_writes_nothing(server: Connection, keys: PipelineKeys) -> None:
    assert look_up(server, Settings(pipeline=keys.pipeline, partitions=3)) is None
    assert not server.call("EXISTS", keys.config)


def test_looking_up_finds_what_was_agreed(server: Connection, keys: PipelineKeys) -> None:
    agreed = agree(server, Settings(pipeline=keys.pipeline, partitions=3, records_keep_ms=5_000))
    before = server.call("HGETALL", keys.config)
    assert look_up(server, Settings(pipeline=keys.pipeline)) == agreed
    assert server.call("HGETALL", keys.config) == before


def test_looking_up_while_the_first_is_still_writing_fills_the_rest_in(
    server: Connection, keys: PipelineKeys
) -> None:
    server.call("HSET", keys.config, "version", "1")
    assert look_up(server, Settings(pipeline=keys.pipeline)) is None
    server.call("HSET", keys.config, "partitions", "2")
    config = look_up(server, Settings(pipeline=keys.pipeline))
    assert config is not None
    assert (config.partitions, config.required_groups) == (keys.partitions(2), REQUIRED_GROUPS)
    assert server.call("HLEN", keys.config) == 2


@pytest.mark.parametrize(
    ("field", "value", "partitions"),
    [("version", "2", None), ("partitions", "abc", None), ("partitions", "abc", 1), ("partitions", "2", 1)],
)
def test_looking_up_says_the_same_sentence_as_agreeing(
    server: Connection, keys: PipelineKeys, field: str, value: str, partitions: int | None
) -> None:
    agree(server, Settings(pipeline=keys.pipeline))
    server.call("HSET", keys.config, field, value)
    settings = Settings(pipeline=keys.pipeline, partitions=partitions)
    with pytest.raises(SettingsError) as found:
        look_up(server, settings)
    with pytest.raises(SettingsError) as agreed:
        agree(server, settings)
    assert str(found.value) == str(agreed.value)


def _tags(keys: PipelineKeys, *suffixes: str) -> str:
    return ",".join(f"{keys.pipeline}:{suffix}" for suffix in suffixes)


def test_tags_that_the_first_to_start_chose_are_adopted(server: Connection, keys: PipelineKeys) -> None:
    tags = _tags(keys, "a", "b.2", "c-3")
    config = agree(server, Settings(pipeline=keys.pipeline, partition_tags=tags.replace(",", " , ")))
    assert [partition.tag for partition in config.partitions] == tags.split(",")
    assert [partition.number for partition in config.partitions] == [0, 1, 2]
    assert server.call("HGET", keys.config, "partition_tags") == tags.encode()
    assert agree(server, Settings(pipeline=keys.pipeline)) == config
    assert look_up(server, Settings(pipeline=keys.pipeline, partitions=3, partition_tags=tags)) == config


def test_tags_that_every_pipeline_has_are_no_choice(server: Connection, keys: PipelineKeys) -> None:
    config = agree(server, Settings(pipeline=keys.pipeline, partition_tags=_tags(keys, "0", "1")))
    assert config.partitions == keys.partitions(2)
    assert server.call("HGET", keys.config, "partition_tags") == b""
    assert agree(server, Settings(pipeline=keys.pipeline, partition_tags=_tags(keys, "0", "1"))) == config
    with pytest.raises(
        SettingsError, match=r"partition_tags is \S+:0,\S+:1,\S+:2 here and \S+:0,\S+:1 in pipeline"
    ):
        agree(server, Settings(pipeline=keys.pipeline, partition_tags=_tags(keys, "0", "1", "2")))


def test_tags_that_another_one_has_just_written_tell_the_number_of_partitions(
    server: Connection, keys: PipelineKeys
) -> None:
    tags = _tags(keys, "a", "b")
    server.call("HSET", keys.config, "partition_tags", tags)  # of one that starts now, or was killed just here
    before = server.call("HGETALL", keys.config)
    with pytest.raises(SettingsError, match="partitions is 3 here and 2 in pipeline"):
        agree(server, Settings(pipeline=keys.pipeline, partitions=3))
    assert server.call("HGETALL", keys.config) == before  # who is refused changes nothing
    assert agree(server, Settings(pipeline=keys.pipeline)).partitions == keys.partitions(2, tags.split(","))


def test_two_that_start_at_once_agree(server: Connection, keys: PipelineKeys) -> None:
    tags = _tags(keys, "a", "b")

    def start(chosen: str | None) -> PipelineConfig | SettingsError:
        with Connection(server.url) as own:
            try:
                return agree(own, Settings(pipeline=keys.pipeline, partition_tags=chosen))
            except SettingsError as error:
                return error

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(start, [None, tags] * 4))
    agreed = agree(server, Settings(pipeline=keys.pipeline))
    assert agreed in found
    refusals = [str(each) for each in found if each != agreed]
    assert all("partition_tags is" in sentence and " here and " in sentence for sentence in refusals), refusals


def test_whoever_has_other_tags_is_refused_with_both(server: Connection, keys: PipelineKeys) -> None:
    agree(server, Settings(pipeline=keys.pipeline, partitions=2))
    with pytest.raises(SettingsError, match=r"partition_tags is \S+:a,\S+:b here and \S+:0,\S+:1 in pipeline"):
        agree(server, Settings(pipeline=keys.pipeline, partition_tags=_tags(keys, "a", "b")))


def test_a_pipeline_that_is_older_than_tags_keeps_its_places(server: Connection, keys: PipelineKeys) -> None:
    server.call("HSET", keys.config, "version", "1", "partitions", "2")
    for read in (look_up, agree):
        with pytest.raises(SettingsError, match="partition_tags is"):
            read(server, Settings(pipeline=keys.pipeline, partition_tags=_tags(keys, "a", "b")))
    assert agree(server, Settings(pipeline=keys.pipeline)).partitions == keys.partitions(2)


@pytest.mark.parametrize("suffixes", [("a",), ("a", "a"), ("a", "{b}"), ("a", "b", "c")])
def test_tags_that_were_spoilt_by_hand_name_the_field(
    server: Connection, keys: PipelineKeys, suffixes: tuple[str, ...]
) -> None:
    agree(server, Settings(pipeline=keys.pipeline, partitions=2))
    server.call("HSET", keys.config, "partition_tags", _tags(keys, *suffixes))
    with pytest.raises(SettingsError, match="correct field partition_tags of sg:"):
        agree(server, Settings(pipeline=keys.pipeline))


def test_what_the_server_lost_is_written_again_as_it_was_known(server: Connection, keys: PipelineKeys) -> None:
    first = agree(
        server, Settings(pipeline=keys.pipeline, partition_tags=_tags(keys, "a", "b"), records_keep_ms=7)
    )
    server.call("DEL", keys.config)
    assert agree_again(server, Settings(pipeline=keys.pipeline), first) == first
    server.call("HSET", keys.config, "required_groups", "scorers,audit")
    audited = agree_again(server, Settings(pipeline=keys.pipeline), first)
    server.call("DEL", keys.config)
    assert agree_again(server, Settings(pipeline=keys.pipeline), audited).required_groups == ("scorers", "audit")
    server.call("DEL", keys.config)
    other = agree(server, Settings(pipeline=keys.pipeline, partitions=3))
    assert agree_again(server, Settings(pipeline=keys.pipeline), first) == other

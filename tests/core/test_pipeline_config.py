"""The pipeline's config: made by the first, adopted by who does not care, a refusal for who disagrees."""

from __future__ import annotations

import pytest
from msgspec import structs

from core.connection import Connection
from core.entry import field_map
from core.errors import SettingsError
from core.keys import REQUIRED_GROUPS, PipelineKeys
from core.pipeline_config import DEFAULTS, agree, look_up
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

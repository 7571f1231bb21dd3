from __future__ import annotations

import re

import pytest

from core.errors import SettingsError
from core.keys import PartitionKeys, PipelineKeys


@pytest.mark.parametrize("name", ["", "a b", "a{b", "a}b", "ä", "a" * 65, "a:b", "a\n", "١"])
def test_a_pipeline_name_outside_the_pattern_is_refused_and_named(name: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(repr(name))):
        PipelineKeys(name)


@pytest.mark.parametrize("name", ["a", "A-b_c.9", "x" * 64])
def test_a_pipeline_name_of_the_pattern_is_taken(name: str) -> None:
    assert PipelineKeys(name).config == f"sg:{{{name}}}:config"


def test_names_are_those_of_the_wire_format() -> None:
    keys = PipelineKeys("raisin")
    partition = keys.partition(2)
    assert partition.records == "sg:{raisin:2}:records"
    assert partition.predictions == "sg:{raisin:2}:predictions"
    assert partition.rejected == "sg:{raisin:2}:rejected"
    assert partition.floor == "sg:{raisin:2}:floor"
    assert partition.producer("p1") == "sg:{raisin:2}:producer:p1"
    for name in (
        "config", "labels", "samples", "unmatched", "monitor", "drift", "retrain", "promotions", "models",
        "production", "shadows", "decisions",
    ):  # fmt: skip
        assert getattr(keys, name) == f"sg:{{raisin}}:{name}"


def test_no_two_keys_of_a_pipeline_are_equal() -> None:
    keys = PipelineKeys("p")
    found = [
        getattr(owner, name)
        for owner in (keys, *keys.partitions(3))
        for name, attribute in vars(type(owner)).items()
        if isinstance(attribute, property)
    ]
    assert len(found) == len(set(found)) == 12 + 3 * 5


def test_all_keys_of_a_partition_share_one_hash_tag() -> None:
    for partition in PipelineKeys("p").partitions(2):
        names = (
            partition.records,
            partition.predictions,
            partition.rejected,
            partition.floor,
            partition.producer("x"),
        )
        assert {re.findall(r"{(.*?)}", name)[0] for name in names} == {partition.tag}


def test_partitions_are_numbered_from_zero() -> None:
    assert PipelineKeys("p").partitions(2) == (PartitionKeys("p:0", 0), PartitionKeys("p:1", 1))


def test_tags_take_the_place_of_the_numbers() -> None:
    first, second = PipelineKeys("raisin").partitions(2, ("raisin:east", "raisin:west"))
    assert (first.records, first.number) == ("sg:{raisin:east}:records", 0)
    assert (second.producer("p"), second.number) == ("sg:{raisin:west}:producer:p", 1)


@pytest.mark.parametrize(
    "tags",
    [
        ("p:a",),
        ("p:a", "p:a"),
        ("p:a", "q:b"),
        ("p:a", "p"),
        ("p:a", "p:{b}"),
        ("p:a", "p:b c"),
        ("p:a", "p:b", "p:c"),
    ],
)
def test_tags_that_cannot_be_are_refused(tags: tuple[str, ...]) -> None:
    with pytest.raises(SettingsError, match="partition_tags"):
        PipelineKeys("p").partitions(2, tags)

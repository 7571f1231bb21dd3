"""Any death and any rival: the windows are those of an undisturbed run."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.connection import Connection
from core.entry import field_map
from core.keys import MONITORS, PipelineKeys
from core.model_file import ModelFile
from core.scripts.trim import trim
from core.settings import Settings
from tests.monitor.conftest import MakeScenario, Outputs, Read
from tests.monitor.lives import Lives
from tests.monitor.scenario import changing, dice_of

SHAPES = [
    pytest.param(1, None, id="tumbling"),
    pytest.param(1, 10, id="sliding"),
    pytest.param(3, None, id="tumbling, three partitions"),
    pytest.param(3, 10, id="sliding, three partitions"),
]


def _settings(slide: int | None, share: float = 1.0, unusable: float = 0.6) -> Settings:
    """Under which garbage, of which the scenarios are full, is tolerated where a test does not ask for less."""
    return Settings(
        window_records=40,
        slide_records=slide,
        window_limit_s=2.0,
        window_min_records=20,
        false_alarm_records=1_000,
        tolerated_unusable_share=unusable,
        retrain_cooldown_s=1.0,
        sample_share=share,
    )


def alarms_of(written: Outputs) -> list[tuple[dict[bytes, bytes], dict[str, Any]]]:
    """Windows with an alarm, and the alarm."""
    windows = [field_map(fields) for fields in written["drift"]]
    return [(window, json.loads(window[b"alarm"])) for window in windows if b"alarm" in window]


def assert_alarms_ask_once_an_episode(written: Outputs) -> None:
    """There are alarms, they know their records, and what was asked is what one of them said."""
    alarms = alarms_of(written)
    assert alarms
    assert all(alarm["records"] >= 1 and alarm["first"] and alarm["record"] for _, alarm in alarms)
    said = {alarm["window"]: alarm["sentence"].encode() for _, alarm in alarms}
    events = [field_map(fields) for fields in written["retrain"]]
    assert events
    assert [event[b"sentence"] for event in events] == [said[int(event[b"window"])] for event in events]
    assert len({event[b"episode"] for event in events}) == len(events)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("partitions", "slide"), SHAPES)
def test_windows_after_random_kills_equal_those_of_an_undisturbed_run(
    connection: Connection,
    pipeline: str,
    make_scenario: MakeScenario,
    outputs: Read,
    partitions: int,
    slide: int | None,
    seed: int,
) -> None:  # fmt: skip  (fixtures, then parameters)
    calm, killed = PipelineKeys(f"{pipeline}-calm"), PipelineKeys(f"{pipeline}-killed")
    scenario = make_scenario(seed, 400, partitions)
    for keys in (calm, killed):
        scenario.store(connection, keys)
    settings = _settings(slide)
    Lives(connection, calm, settings).undisturbed()
    assert Lives(connection, killed, settings).killed(dice_of(seed)) > 5
    expected = outputs(calm)
    assert outputs(killed) == expected
    assert len(expected["drift"]) > 20
    assert_alarms_ask_once_an_episode(expected)
    assert expected["samples"]
    assert connection.call("HGET", killed.monitor, "state") == connection.call("HGET", calm.monitor, "state")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("partitions", "slide"), SHAPES)
def test_two_monitors_at_once_write_the_windows_of_one(
    connection: Connection,
    pipeline: str,
    make_scenario: MakeScenario,
    outputs: Read,
    partitions: int,
    slide: int | None,
    seed: int,
) -> None:  # fmt: skip  (fixtures, then parameters)
    calm, contested = PipelineKeys(f"{pipeline}-calm"), PipelineKeys(f"{pipeline}-contested")
    scenario = make_scenario(100 + seed, 250, partitions)
    for keys in (calm, contested):
        scenario.store(connection, keys)
    settings = _settings(slide, share=0.3, unusable=0.01)
    Lives(connection, calm, settings).undisturbed()
    assert all(Lives(connection, contested, settings).contested(dice_of(seed)))
    assert outputs(contested) == outputs(calm)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("slide", [None, 10])
def test_alarms_that_end_a_pane_in_the_midst_of_an_entry_survive_kills_and_a_rival(
    connection: Connection, pipeline: str, files: list[ModelFile], outputs: Read, slide: int | None, seed: int
) -> None:
    calm, killed = PipelineKeys(f"{pipeline}-calm"), PipelineKeys(f"{pipeline}-killed")
    for keys in (calm, killed):
        changing(files[0], seed).store(connection, keys)
    settings = _settings(slide)
    Lives(connection, calm, settings).undisturbed()
    Lives(connection, killed, settings).contested(dice_of(seed), killed_share=0.15)
    expected = outputs(calm)
    assert outputs(killed) == expected
    assert connection.call("HGET", killed.monitor, "state") == connection.call("HGET", calm.monitor, "state")
    assert_alarms_ask_once_an_episode(expected)
    asked = {int(field_map(fields)[b"window"]) for fields in expected["retrain"]}
    assert len(asked) == 2
    alarms = alarms_of(expected)
    assert all(alarm["record"].encode() == window[b"last"] for window, alarm in alarms if alarm["window"] in asked)
    assert any(int(window[b"n"]) % (slide or 40) for window, alarm in alarms if alarm["window"] in asked)
    assert any(alarm["record"].encode() != window[b"last"] for window, alarm in alarms)  # in an open episode


@pytest.mark.parametrize("partitions", [1, 2])
def test_every_record_is_counted_in_exactly_one_window(
    connection: Connection, keys: PipelineKeys, make_scenario: MakeScenario, outputs: Read, partitions: int
) -> None:
    scenario = make_scenario(7, 400, partitions, models=2)
    scenario.store(connection, keys)
    Lives(connection, keys, _settings(None)).undisturbed(dice_of(7))
    windows = [field_map(fields) for fields in outputs(keys)["drift"]]
    assert sum(int(window[b"n"]) + int(window[b"skipped"]) for window in windows) == scenario.total


def test_marker_is_level_at_rest_and_trimming_at_every_pause_changes_no_window(
    connection: Connection, pipeline: str, make_scenario: MakeScenario, outputs: Read
) -> None:
    calm, trimmed = PipelineKeys(f"{pipeline}-calm"), PipelineKeys(f"{pipeline}-trimmed")
    scenario = make_scenario(11, 300, 2)
    for keys in (calm, trimmed):
        scenario.store(connection, keys)
    settings = _settings(10)
    Lives(connection, calm, settings).undisturbed()

    def trim_records() -> None:
        for partition in trimmed.partitions(2):
            trim(connection, partition.records, 1, 1, required_groups=[MONITORS])

    Lives(connection, trimmed, settings).trimmed(dice_of(11), trim_records)
    assert outputs(trimmed) == outputs(calm)
    for keys in (calm, trimmed):
        for number, partition in enumerate(keys.partitions(2)):
            group: dict[bytes, Any] = field_map(connection.call("XINFO", "GROUPS", partition.records)[0])
            assert group[b"lag"] == 0
            assert group[b"entries-read"] == len(scenario.records[number])
            assert group[b"last-delivered-id"] == scenario.records[number][-1].id

"""Any death and any rival: the windows are those of an undisturbed run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from core.connection import Connection
from core.entry import field_map
from core.keys import MONITORS, PipelineKeys
from core.scripts.trim import trim
from core.settings import Settings
from tests.monitor.conftest import MakeScenario, Read
from tests.monitor.driver import Driver
from tests.monitor.scenario import dice_of

SHAPES = [
    pytest.param(1, None, id="tumbling"),
    pytest.param(1, 10, id="sliding"),
    pytest.param(3, None, id="tumbling, three partitions"),
    pytest.param(3, 10, id="sliding, three partitions"),
]


def _settings(slide: int | None, share: float = 1.0) -> Settings:
    return Settings(
        window_records=40,
        slide_records=slide,
        window_limit_s=2.0,
        window_min_records=20,
        window_false_alarm_rate=0.05,
        retrain_cooldown_s=1.0,
        sample_share=share,
    )


def _run(lives: Iterator[str]) -> None:
    for _ in lives:
        pass


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
    _run(Driver(connection, calm, settings).live())
    dice = dice_of(seed)
    lives = 0
    finished = False
    while not finished:
        lives += 1
        life = Driver(connection, killed, settings, dice).live()
        finished = all(dice.random() > 0.15 for _ in life)  # all() drops the generator at the first False
    expected = outputs(calm)
    assert outputs(killed) == expected
    assert lives > 5
    assert len(expected["drift"]) > 20
    assert expected["retrain"]
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
    settings = _settings(slide, share=0.3)
    _run(Driver(connection, calm, settings).live())
    dice = dice_of(seed)
    rivals = [Driver(connection, contested, settings, dice) for _ in range(2)]
    lives = [rival.live() for rival in rivals]
    while lives:
        life = dice.choice(lives)
        if next(life, None) is None:
            lives.remove(life)
    assert outputs(contested) == outputs(calm)
    assert all(rival.lost_races for rival in rivals)


@pytest.mark.parametrize("partitions", [1, 2])
def test_every_record_is_counted_in_exactly_one_window(
    connection: Connection, keys: PipelineKeys, make_scenario: MakeScenario, outputs: Read, partitions: int
) -> None:
    scenario = make_scenario(7, 400, partitions, models=2)
    scenario.store(connection, keys)
    _run(Driver(connection, keys, _settings(None), dice_of(7)).live())
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
    _run(Driver(connection, calm, settings).live())
    dice = dice_of(11)
    finished = False
    while not finished:
        finished = True
        for _ in Driver(connection, trimmed, settings, dice).live():
            for partition in trimmed.partitions(2):
                trim(connection, partition.records, 1, 1, required_groups=[MONITORS])
            if dice.random() < 0.1:
                finished = False
                break
    assert outputs(trimmed) == outputs(calm)
    for keys in (calm, trimmed):
        for number, partition in enumerate(keys.partitions(2)):
            group: dict[bytes, Any] = field_map(connection.call("XINFO", "GROUPS", partition.records)[0])
            assert group[b"lag"] == 0
            assert group[b"entries-read"] == len(scenario.records[number])
            assert group[b"last-delivered-id"] == scenario.records[number][-1].id

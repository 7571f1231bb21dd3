"""Any death, any rival and any reading: with labels, too, the windows are those of an undisturbed run."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.connection import Connection
from core.entry import field_map
from core.keys import MONITORS, PipelineKeys
from core.model_file import ModelFile
from core.scripts.trim import trim
from core.settings import Settings
from monitor.detectors import concept
from monitor.model_timeline import JudgingModel
from monitor.state import decode_state, encode_state
from tests.monitor.conftest import MakeScenario, Outputs, Read
from tests.monitor.feeding import FixedTimeline, samples_of, windows, written
from tests.monitor.label_scenario import with_labels
from tests.monitor.lives import Lives
from tests.monitor.scenario import Scenario, ScenarioMaker, dice_of, make_model

SHAPES = [
    pytest.param(1, None, id="tumbling"),
    pytest.param(1, 10, id="sliding"),
    pytest.param(3, None, id="tumbling, three partitions"),
    pytest.param(3, 10, id="sliding, three partitions"),
]
#: What a label can come to.
OUTCOMES = ("tested", "early", "stale", "repeated", "left_out", "waiting")


def _settings(slide: int | None, share: float = 1.0, cooldown_s: float = 0.2) -> Settings:
    """Under which the labels of the scenario alarm, and the garbage among its records does not."""
    return Settings(
        window_records=40,
        slide_records=slide,
        window_limit_s=2.0,
        window_min_records=20,
        false_alarm_records=1_000,
        label_false_alarm_records=1_000,
        tolerated_unusable_share=0.6,
        retrain_cooldown_s=cooldown_s,
        sample_share=share,
    )


def figures_of(outputs: Outputs) -> list[dict[str, Any]]:
    """What the windows say of labels."""
    found = [field_map(fields).get(b"labels") for fields in outputs["drift"]]
    return [json.loads(text) for text in found if text]


def assert_every_outcome_and_an_alarm(outputs: Outputs, *, left_out: bool = False) -> None:
    """The scenario shows what the test is about."""
    figures = figures_of(outputs)
    came = {name for name in OUTCOMES if any(one[name] for one in figures)}
    assert came | {"left_out"} == set(OUTCOMES)
    assert ("left_out" in came) == left_out
    readings = [json.loads(field_map(fields)[b"readings"])[-1] for fields in outputs["drift"]]
    assert {reading["detector"] for reading in readings} == {concept.NAME}
    assert any(reading["alarm"] for reading in readings)


@pytest.fixture(scope="session")
def make_labelled(make_scenario: MakeScenario, files: list[ModelFile]) -> MakeScenario:
    def make(seed: int, entries: int, partitions: int) -> Scenario:
        return with_labels(make_scenario(seed, entries, partitions), files, seed)

    return make


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("partitions", "slide"), SHAPES)
def test_windows_after_random_kills_equal_those_of_an_undisturbed_run(
    connection: Connection,
    pipeline: str,
    make_labelled: MakeScenario,
    outputs: Read,
    partitions: int,
    slide: int | None,
    seed: int,
) -> None:  # fmt: skip  (fixtures, then parameters)
    calm, killed = PipelineKeys(f"{pipeline}-calm"), PipelineKeys(f"{pipeline}-killed")
    scenario = make_labelled(seed, 300, partitions)
    for keys in (calm, killed):
        scenario.store(connection, keys)
    own = _settings(slide)
    Lives(connection, calm, own).undisturbed()
    assert Lives(connection, killed, own).killed(dice_of(seed)) > 5
    expected = outputs(calm)
    assert outputs(killed) == expected
    assert_every_outcome_and_an_alarm(expected)
    assert connection.call("HGET", killed.monitor, "state") == connection.call("HGET", calm.monitor, "state")


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("partitions", "slide"), SHAPES)
def test_two_monitors_at_once_write_the_windows_of_one(
    connection: Connection,
    pipeline: str,
    make_labelled: MakeScenario,
    outputs: Read,
    partitions: int,
    slide: int | None,
    seed: int,
) -> None:  # fmt: skip  (fixtures, then parameters)
    calm, contested = PipelineKeys(f"{pipeline}-calm"), PipelineKeys(f"{pipeline}-contested")
    scenario = make_labelled(200 + seed, 250, partitions)
    for keys in (calm, contested):
        scenario.store(connection, keys)
    own = _settings(slide, share=0.7)
    Lives(connection, calm, own).undisturbed()
    assert sum(Lives(connection, contested, own).contested(dice_of(seed), killed_share=0.05)) > 2
    expected = outputs(calm)
    assert outputs(contested) == expected
    assert_every_outcome_and_an_alarm(expected, left_out=True)


def test_trimming_labels_up_to_the_marker_at_every_pause_changes_no_window(
    connection: Connection, pipeline: str, make_labelled: MakeScenario, outputs: Read
) -> None:
    calm, trimmed = PipelineKeys(f"{pipeline}-calm"), PipelineKeys(f"{pipeline}-trimmed")
    scenario = make_labelled(11, 300, 2)
    for keys in (calm, trimmed):
        scenario.store(connection, keys)
    own = _settings(None)
    Lives(connection, calm, own).undisturbed()

    def trim_labels() -> None:
        trim(connection, trimmed.labels, 1, 1, required_groups=[MONITORS])

    Lives(connection, trimmed, own).trimmed(dice_of(11), trim_labels)
    assert outputs(trimmed) == outputs(calm)
    group: dict[bytes, Any] = field_map(connection.call("XINFO", "GROUPS", calm.labels)[0])
    state = decode_state(connection.call("HGET", calm.monitor, "state"))
    behind = [entry for entry in scenario.labels if int(entry.id.split(b"-")[0]) > state.trail.runs[-1].ms]
    assert 0 <= group[b"lag"] <= len(behind)  # those that came behind the last record wait for the next window
    assert group[b"entries-read"] == len(scenario.labels) - group[b"lag"]


FILES = [make_model(("a", "b"), 1), make_model(("b", "c"), 3)]


def _scenario(seed: int) -> tuple[Scenario, FixedTimeline]:
    made = ScenarioMaker(FILES, dice_of(seed), np.random.default_rng(seed)).make(150, 2)
    promoted = [(one.ms, JudgingModel(one.run_id, one.file)) for one in made.promotions]
    return with_labels(made, FILES, seed), FixedTimeline(promoted)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 5),
    cuts=st.lists(st.integers(1, 40), max_size=60),
    slide=st.sampled_from([None, 8]),
    cooldown_s=st.sampled_from([0.0, 0.1, 3.0]),
    share=st.sampled_from([0.5, 1.0]),
)
def test_windows_with_labels_do_not_depend_on_read_boundaries(
    seed: int, cuts: list[int], slide: int | None, cooldown_s: float, share: float
) -> None:
    scenario, timeline = _scenario(seed)
    own = msgspec.structs.replace(_settings(slide, share, cooldown_s), window_limit_s=0.3)
    whole = windows(scenario.merged(), own, timeline)
    assert written(windows(scenario.merged(), own, timeline, cuts)) == written(whole)
    assert len(whole) > 5


@pytest.mark.parametrize("cooldown_s", [0.0, 0.1])
@pytest.mark.parametrize("seed", [3, 4, 7])
def test_from_the_state_of_any_window_the_later_ones_follow(seed: int, cooldown_s: float) -> None:
    scenario, timeline = _scenario(seed)
    own = msgspec.structs.replace(_settings(8, 1.0, cooldown_s), window_limit_s=0.3)
    merged = scenario.merged()
    closed = windows(merged, own, timeline)
    for one in closed:
        state = decode_state(encode_state(one.state))
        assert state == one.state
        rest = [
            item
            for item in merged
            if item.partition not in state.positions or item.id > state.positions[item.partition].done
        ]
        before = samples_of(closed[: one.drift.window])
        later = windows(rest, own, timeline, state=state, samples=before)
        assert written(later) == written(closed[one.drift.window :])
    alarms = Counter(one.drift.alarm.detector for one in closed if one.drift.alarm is not None)
    assert alarms[concept.NAME]

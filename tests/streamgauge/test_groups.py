"""Which groups keep records from being trimmed, and how that changes while the services run."""

from __future__ import annotations

import pytest

from core.connection import Connection
from core.entry import field_map
from core.errors import SettingsError, UsageError
from core.keys import MONITORS, SCORERS, PipelineKeys
from core.pipeline_config import agree
from core.required_groups import required_groups
from core.scripts.trim import trim
from streamgauge.groups.change import retire
from streamgauge.groups.overview import read_groups
from tests.scorer.scorer_process import Scorer
from tests.servers import wait_until
from tests.streamgauge.repair_stage import Stage


@pytest.fixture
def stage(any_server_url: str, keys: PipelineKeys) -> Stage:
    return Stage(Connection(any_server_url), keys, partitions=2)


def config_of(stage: Stage) -> bytes:
    return field_map(stage.connection.call("HGETALL", stage.keys.config))[b"required_groups"]


def groups_of(stage: Stage, partition: int = 0) -> dict[str, str]:
    """Last delivered id by group."""
    reply = stage.connection.call("XINFO", "GROUPS", stage.partitions[partition].records)
    infos = [field_map(group) for group in reply]
    return {info[b"name"].decode(): info[b"last-delivered-id"].decode() for info in infos}


def progress_of(stage: Stage) -> set[tuple[str, str, int]]:
    """Name, last delivered id and pending entries of each group."""
    reply = stage.connection.call("XINFO", "GROUPS", stage.partitions[0].records)
    infos = [field_map(group) for group in reply]
    return {(info[b"name"].decode(), info[b"last-delivered-id"].decode(), int(info[b"pending"])) for info in infos}


def test_the_list_tells_who_holds_the_floor(stage: Stage) -> None:
    for name in (SCORERS, MONITORS, "audit"):
        for partition in (0, 1):
            stage.group(name, partition)
    ids = [stage.add("a", "1").decode() for _ in range(4)]
    stage.read(SCORERS, 3)
    stage.read(MONITORS, 4)
    stage.connection.call("XACK", stage.partitions[0].records, MONITORS, *ids)
    stage.connection.call("XACK", stage.partitions[0].records, SCORERS, ids[0])
    overview = stage.run("groups", "--json").json
    states = {state["group"]: state for state in overview["groups"] if state["partition"] == 0}
    told = ("required", "consumers", "lag_entries", "pending_entries", "needs", "holds_floor")
    assert [states[SCORERS][name] for name in told] == [True, 1, 1, 2, ids[1], True]
    assert states[MONITORS]["holds_floor"] is False
    assert (states["audit"]["required"], states["audit"]["lag_entries"]) == (False, 4)
    assert overview["floors"][0] == {"partition": 0, "floor": ids[1], "missing": []}
    trim(stage.connection, stage.partitions[0].records, 1, 1, [SCORERS, MONITORS])
    assert stage.records()[0].id.decode() == ids[1]


def test_the_list_says_that_nothing_is_trimmed_without_a_required_group(stage: Stage) -> None:
    stage.group(SCORERS)
    assert stage.run("groups", "--json").json["floors"][0] == {
        "partition": 0,
        "floor": None,
        "missing": [MONITORS],
    }
    assert "nothing is trimmed, for the required group monitors is missing" in stage.run("groups").out


def test_a_group_is_required_and_made_on_every_partition(stage: Stage) -> None:
    stage.group("audit", 1, at="$")
    said = stage.run("groups", "require", "audit", "--json").json
    assert said["required_groups"] == [SCORERS, MONITORS, "audit"]
    assert said["partitions"] == [0]
    assert groups_of(stage, 0) == {"audit": "0-0"}
    assert config_of(stage) == b"scorers,monitors,audit"
    assert stage.run("groups", "require", "audit", "--json").json["partitions"] == []
    assert config_of(stage) == b"scorers,monitors,audit"


def test_a_group_that_begins_now_reads_nothing_old(stage: Stage) -> None:
    record = stage.add("a", "1").decode()
    assert stage.run("groups", "require", "audit", "--start", "now").status == 0
    assert groups_of(stage) == {"audit": record}


def test_a_retired_group_is_destroyed_and_no_longer_required(stage: Stage) -> None:
    stage.run("groups", "require", "audit")
    said = stage.run("groups", "retire", "audit", "--json").json
    assert (said["required_groups"], said["partitions"]) == ([SCORERS, MONITORS], [0, 1])
    assert config_of(stage) == b"scorers,monitors"
    assert groups_of(stage) == {}


def test_a_group_that_holds_entries_is_retired_on_demand_alone(stage: Stage) -> None:
    stage.run("groups", "require", "audit")
    stage.add("a", "1")
    stage.read("audit")
    said = stage.run("groups", "retire", "audit")
    assert isinstance(said.error, UsageError)
    assert (config_of(stage), list(groups_of(stage))) == (b"scorers,monitors,audit", ["audit"])
    assert stage.run("groups", "retire", "audit", "--yes", "--json").json["abandoned_entries"] == 1
    assert (config_of(stage), list(groups_of(stage))) == (b"scorers,monitors", [])


def test_a_group_that_takes_entries_meanwhile_is_left_and_said(stage: Stage) -> None:
    stage.run("groups", "require", "audit")
    stage.add("a", "1", partition=1)
    config = agree(stage.connection, stage.settings)
    overview = read_groups(stage.connection, stage.keys.pipeline, config)
    stage.read("audit", partition=1)
    changed = retire(stage.connection, stage.keys, config, overview, "audit", yes=False)
    assert (changed.partitions, changed.kept) == ([0], [1])
    assert (groups_of(stage, 0), list(groups_of(stage, 1))) == ({}, ["audit"])
    assert stage.run("groups", "retire", "audit", "--yes").status == 0
    assert groups_of(stage, 1) == {}


@pytest.mark.parametrize("name", [SCORERS, "nobody", ""])
def test_what_must_not_be_retired_is_refused(stage: Stage, name: str) -> None:
    stage.group(SCORERS)
    assert isinstance(stage.run("groups", "retire", name).error, UsageError)
    assert config_of(stage) == b"scorers,monitors"
    assert SCORERS in groups_of(stage)


def test_the_last_required_group_stays(stage: Stage) -> None:
    assert stage.run("groups", "retire", MONITORS).status == 0
    assert isinstance(stage.run("groups", "retire", SCORERS, "--yes").error, UsageError)
    assert config_of(stage) == b"scorers"


@pytest.mark.parametrize("name", ["a,b", "", "a b", "\x1b[2J", "x" * 65])
def test_a_name_that_cannot_stand_in_the_config_is_refused(stage: Stage, name: str) -> None:
    assert isinstance(stage.run("groups", "require", name).error, SettingsError)
    assert config_of(stage) == b"scorers,monitors"


def test_the_group_of_a_shadow_is_not_required(stage: Stage) -> None:
    """It goes with its last scorer: then nothing would be trimmed, and production's producers would wait."""
    refused = stage.run("groups", "require", "shadow:0123456789ab").error
    assert isinstance(refused, SettingsError)
    assert "must hold no record of production" in str(refused)
    assert config_of(stage) == b"scorers,monitors"
    assert stage.connection.call("EXISTS", stage.partitions[0].records) == 0


def test_options_before_the_sub_command_count(stage: Stage) -> None:
    """Else `groups --pipeline a retire x` would change the default pipeline."""
    other = PipelineKeys(stage.keys.pipeline + "-other")
    elsewhere = Stage(stage.connection, other)
    place = ("--redis-url", stage.connection.url)
    said = elsewhere.run_as_given("groups", *place, "--pipeline", other.pipeline, "--json", "require", "audit")
    assert said.json["group"] == "audit"
    assert config_of(elsewhere) == b"scorers,monitors,audit"
    assert config_of(stage) == b"scorers,monitors"


def test_hostile_group_names_do_not_reach_the_terminal(stage: Stage) -> None:
    stage.group("\x1b]0;owned\x07[red]")
    said = stage.run("groups")
    assert (said.status, said.error) == (0, None)
    assert "\\x1b]0;owned\\x07[red]" in said.out


def test_a_config_that_lost_the_field_or_its_type_keeps_what_was_known(stage: Stage) -> None:
    known = ("scorers", "audit")
    assert required_groups(stage.connection, stage.keys, known) == (SCORERS, MONITORS)
    stage.connection.call("HSET", stage.keys.config, "required_groups", ",")
    assert required_groups(stage.connection, stage.keys, known) == known
    stage.connection.call("HDEL", stage.keys.config, "required_groups")
    assert required_groups(stage.connection, stage.keys, known) == known
    stage.connection.call("DEL", stage.keys.config)
    stage.connection.call("SET", stage.keys.config, "mine")
    assert required_groups(stage.connection, stage.keys, known) == known


def test_scorers_that_are_required_again_answer_nothing_twice(server_url: str, keys: PipelineKeys) -> None:
    stage = Stage(Connection(server_url), keys)
    stage.promote()
    stage.group(MONITORS)
    predictions, options = (
        stage.partitions[0].predictions,
        ("--redis-url", server_url, "--pipeline", keys.pipeline),
    )
    stage.add("Area", "1", "Extent", "2")
    scorer = Scorer(*options).ready()
    wait_until(lambda: len(stage.entries(predictions)) == 1, "a prediction")
    scorer.end()
    assert stage.run("groups", "retire", SCORERS, "--yes").status == 0
    said = stage.run("groups", "require", SCORERS)
    assert "makes it where it is missing" in said.out
    assert SCORERS not in groups_of(stage)
    later = stage.add("Area", "1", "Extent", "2")
    scorer = Scorer(*options).ready()
    try:
        wait_until(
            lambda: later in [field_map(e.fields)[b"record"] for e in stage.entries(predictions)],
            "another prediction",
        )
        assert len(stage.entries(predictions)) == 2
    finally:
        scorer.end()


def test_a_running_scorer_trims_by_what_is_required_now(server_url: str, keys: PipelineKeys) -> None:
    stage = Stage(Connection(server_url), keys)
    stage.promote()
    records, floor = stage.partitions[0].records, stage.partitions[0].floor
    call = stage.connection.call
    stage.group(MONITORS)
    options = ("--redis-url", server_url, "--pipeline", keys.pipeline, "--trim-every-ms", "20")
    call("HSET", keys.config, "records_keep_ms", "1")
    scorer = Scorer(*options).ready()
    try:
        assert stage.run("groups", "require", "audit").status == 0
        first = stage.add("Area", "1", "Extent", "2")
        # its prediction is no sign: that may be trimmed in the same moment, for nothing holds it
        answered = (SCORERS, first.decode(), 0)
        wait_until(lambda: answered in progress_of(stage), "an answered record")
        call("XGROUP", "SETID", records, MONITORS, "$")
        for _ in range(2):  # the trim that is under way, and one after it
            call("DEL", floor)
            wait_until(lambda: call("EXISTS", floor) == 1, "a trim")
        assert [entry.id for entry in stage.records()] == [first]
        assert stage.run("groups", "retire", "audit").status == 0
        wait_until(lambda: stage.records() == [], "a trim without the retired group")
    finally:
        scorer.end()

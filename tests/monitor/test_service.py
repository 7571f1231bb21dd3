"""The monitor as it runs: in a thread, waited for by what it writes."""

from __future__ import annotations

import json

import msgspec
import pytest
import structlog

from core.connection import Connection
from core.entry import entries_of, field_map, parse_entry_id
from core.keys import MONITORS
from core.model_file import ModelFile
from core.settings import Settings
from monitor.detectors import concept
from monitor.detectors.panel import DETECTORS
from tests.both_servers import both_servers
from tests.monitor.running import Feed, expect, get, level, metrics, push_after_promotion, running
from tests.monitor.scenario import make_model

pytestmark = pytest.mark.usefixtures("quick")


def test_without_a_model_it_is_not_ready_but_shows_the_backlog(
    options: Settings, feed: Feed, files: list[ModelFile]
) -> None:
    feed.push(files[0])
    lag = f'streamgauge_stream_lag_entries{{group="monitors",partition="0",pipeline="{options.pipeline}"}}'
    with running(options) as service:
        expect(lambda: metrics(service).get(lag) == 1, feed.connection, "nothing")
        status, text = get(service, "/readyz")
        assert (status, json.loads(text)["error"]) == (
            503,
            "there is no model in production yet; run streamgauge fit",
        )
        assert get(service, "/healthz")[0] == 200
        feed.registry.promote("run0", files[0], 0, "first")
        assert feed.window()[b"n"] == b"50"  # the records that came before the first promotion
        expect(lambda: get(service, "/readyz")[0] == 200, feed.connection, "nothing")
        expect(lambda: metrics(service)[lag] == 0, feed.connection, "nothing")


def test_what_a_shadow_has_not_read_is_no_backlog(
    options: Settings, feed: Feed, files: list[ModelFile], connection: Connection
) -> None:
    feed.push(files[0])
    records = options.keys.partition(0).records
    for group in ("shadow:0123456789ab", "others"):
        connection.call("XGROUP", "CREATE", records, group, "0")
    of = f'partition="0",pipeline="{options.pipeline}"'
    with running(options) as service:
        others = f'streamgauge_stream_lag_entries{{group="others",{of}}}'
        expect(lambda: metrics(service).get(others) == 1, feed.connection, "nothing")
        assert not [name for name in metrics(service) if "shadow" in name]


def test_metrics_are_those_of_the_design_and_follow_verdict_and_schema(
    options: Settings, feed: Feed, files: list[ModelFile]
) -> None:
    feed.registry.promote("run0", files[0], 0, "first")
    other = make_model(("b", "c"), 3)
    with running(options) as service:
        feed.push(files[0], shift=2.0)
        opened, window = feed.window(), feed.window()  # what comes behind the alarm is closed by its time limit
        of = f'pipeline="{options.pipeline}"'
        events = f'streamgauge_retrain_events_total{{{of},reason="drift"}}'
        expect(lambda: metrics(service)[events] == 1, feed.connection, "nothing")
        expect(lambda: "streamgauge_production_info" in str(metrics(service)), feed.connection, "nothing")
        expect(lambda: level(feed), feed.connection, "nothing")  # the marker moves once the window is shown
        shown = metrics(service)
        assert shown[f"streamgauge_drift_score{{{of}}}"] == float(window[b"score"])
        assert shown[f"streamgauge_drift_threshold{{{of}}}"] == float(window[b"threshold"])
        assert shown[f"streamgauge_prediction_probability_mean{{{of}}}"] == float(window[b"p_mean"])
        alarmed = json.loads(window[b"alarmed"])
        assert json.loads(opened[b"alarm"])["detector"] in alarmed
        names = (*DETECTORS, concept.NAME)
        alerts = {f'streamgauge_drift_alert{{detector="{name}",{of}}}': name in alarmed for name in names}
        assert {name: value for name, value in shown.items() if "drift_alert" in name} == alerts
        assert shown[f'streamgauge_drift_windows_total{{{of},state="drift"}}'] >= 1
        assert shown[f'streamgauge_production_info{{{of},run_id="run0"}}'] == 1
        assert {name.partition("{")[0] for name in shown} == {
            f"streamgauge_{name}"
            for name in (
                "build_info",
                "waiting",
                "reconnects_total",
                "stream_lag_entries",
                "stream_pending_entries",
                "oldest_unread_seconds",
                "drift_score",
                "drift_threshold",
                "feature_z_shift",
                "drift_alert",
                "drift_windows_total",
                "prediction_probability_mean",
                "retrain_events_total",
                "webhook_alerts_total",
                "production_info",
                "production_updated_timestamp_seconds",
            )
        }  # fmt: skip  (the list of the design)
        z = json.loads(window[b"z"])
        shifts = {name: value for name, value in shown.items() if "feature_z_shift" in name}
        assert shifts == {f'streamgauge_feature_z_shift{{feature="{name}",{of}}}': z[name] for name in z}

        feed.registry.promote("run1", other, 1, "manual")
        push_after_promotion(feed, other, rows=10)
        assert feed.window()[b"state"] == b"insufficient"
        expect(lambda: not any(metrics(service)[name] for name in alerts), feed.connection, "nothing")
        feed.push(other)
        feed.window()
        expect(
            lambda: (
                {name for name in metrics(service) if "feature_z_shift" in name}
                == {f'streamgauge_feature_z_shift{{feature="{name}",{of}}}' for name in ("b", "c")}
            ),
            feed.connection,
            "nothing",
        )


def test_a_group_that_is_gone_vanishes_from_the_backlog(
    options: Settings, feed: Feed, files: list[ModelFile]
) -> None:
    feed.registry.promote("run0", files[0], 0, "first")
    feed.push(files[0])
    records = feed.keys.partition(0).records
    feed.connection.call("XGROUP", "CREATE", records, b"odd\xff", "0")
    with running(options) as service:
        feed.window()
        expect(lambda: 'group="odd' in str(metrics(service)), feed.connection, "nothing")
        feed.connection.call("XGROUP", "DESTROY", records, b"odd\xff")
        expect(lambda: 'group="odd' not in str(metrics(service)), feed.connection, "nothing")


def test_a_restart_shows_the_verdict_of_the_process_before(
    options: Settings, feed: Feed, files: list[ModelFile]
) -> None:
    feed.registry.promote("run0", files[0], 0, "first")
    feed.push(files[0], shift=2.0)
    with running(options):
        feed.window()
        window = feed.window()  # what comes behind the alarm
    with running(options) as service:
        expect(lambda: "drift_score" in str(metrics(service)), feed.connection, "nothing")
        shown = metrics(service)
        assert shown[f'streamgauge_drift_score{{pipeline="{options.pipeline}"}}'] == float(window[b"score"])
        for name in json.loads(window[b"alarmed"]):
            assert shown[f'streamgauge_drift_alert{{detector="{name}",pipeline="{options.pipeline}"}}'] == 1
        assert {value for name, value in shown.items() if "drift_windows_total" in name} == {0}


@both_servers
def test_a_lost_marker_group_is_made_again_where_the_monitor_is(
    options: Settings, feed: Feed, files: list[ModelFile]
) -> None:
    feed.registry.promote("run0", files[0], 0, "first")
    feed.push(files[0])
    records = feed.keys.partition(0).records
    with running(options):
        feed.window()
        feed.connection.call("XGROUP", "DESTROY", records, MONITORS)
        expect(lambda: level(feed), feed.connection, "nothing")


def test_trimmed_records_from_before_its_first_start_are_no_lag(
    options: Settings, feed: Feed, files: list[ModelFile]
) -> None:
    feed.registry.promote("run0", files[0], 0, "first")
    for _ in range(5):
        feed.push(files[0])
    feed.connection.call("XTRIM", feed.keys.partition(0).records, "MAXLEN", 2)
    with running(options):
        assert [feed.window()[b"n"] for _ in range(2)] == [b"50", b"50"]
        expect(lambda: level(feed), feed.connection, "nothing")


def test_a_state_of_the_version_before_is_gone_on_from_and_that_is_said(
    options: Settings, feed: Feed, files: list[ModelFile]
) -> None:
    feed.registry.promote("run0", files[0], 0, "first")
    feed.push(files[0])
    records = feed.keys.partition(0).records
    (first,) = entries_of(feed.connection.call("XRANGE", records, "-", "+"))
    ms, seq = parse_entry_id(first.id)
    older = {
        "version": 1,
        "window": 6,
        "slide": 50,
        "model": "run0",
        "panes": [],
        "episode": {},
        "positions": {"0": {"ms": ms, "seq": seq, "row": -1, "entries": 1}},
    }  # fmt: skip  (as it was)
    feed.connection.call("HSET", feed.keys.monitor, "window", 6, "state", json.dumps(older))
    with structlog.testing.capture_logs() as logs, running(options):
        feed.push(files[1])
        window = feed.window()
    assert (window[b"window"], window[b"n"]) == (b"7", b"50")
    assert parse_entry_id(window[b"first_entry"]) > parse_entry_id(first.id)
    assert [log["window"] for log in logs if "older version" in log["event"]] == [6]


def test_an_alarm_is_said_once_as_the_sentence_that_stands_in_its_window(
    options: Settings, feed: Feed, files: list[ModelFile]
) -> None:
    feed.registry.promote("run0", files[0], 0, "first")
    with structlog.testing.capture_logs() as logs, running(options):
        feed.push(files[0], shift=2.0)
        alarm = json.loads(feed.window()[b"alarm"])
        feed.window()
    said = [log for log in logs if log["event"] == "alarm" and log["log_level"] == "warning"]
    assert [(log["says"], log["since"], log["retrain"]) for log in said] == [
        (alarm["sentence"], alarm["since"], True)
    ]
    (event,) = entries_of(feed.connection.call("XRANGE", feed.keys.retrain, "-", "+"))
    assert field_map(event.fields)[b"sentence"].decode() == alarm["sentence"]


#: A time ahead of every clock.
AHEAD = "4102444800000-0"


def _begin_ahead(feed: Feed, file: ModelFile) -> str:
    """A stream whose first entry has an id ahead of the clock, so that all later ones have; returns its name."""
    records = feed.keys.partition(0).records
    feed.registry.promote("run0", file, 0, "first")
    feed.connection.call("XADD", records, AHEAD, "no", "record")
    return records


def _aside(feed: Feed, records: str) -> None:
    feed.connection.call("RENAME", records, f"{records}:aside")


def test_a_stream_made_anew_with_smaller_ids_is_read_while_the_monitor_runs(
    options: Settings, feed: Feed, files: list[ModelFile]
) -> None:
    records = _begin_ahead(feed, files[0])
    feed.push(files[0])
    with structlog.testing.capture_logs() as logs, running(options):
        first = feed.window()
        expect(lambda: level(feed), feed.connection, "nothing")
        _aside(feed, records)
        feed.push(files[0])
        second = feed.window()
        assert (second[b"n"], int(second[b"window"])) == (b"50", int(first[b"window"]) + 1)
        expect(lambda: level(feed), feed.connection, "nothing")
    assert [log["stream"] for log in logs if "made anew" in log["event"]] == [records]


def test_a_monitor_notices_a_new_stream_whose_group_another_one_made(
    options: Settings, feed: Feed, files: list[ModelFile]
) -> None:
    records = _begin_ahead(feed, files[0])
    feed.push(files[0])
    with running(options):
        feed.window()
        expect(lambda: level(feed), feed.connection, "nothing")
        swap = """redis.call('RENAME', KEYS[1], KEYS[2])
            redis.call('XGROUP', 'CREATE', KEYS[1], ARGV[1], 0, 'MKSTREAM')"""
        feed.connection.call("EVAL", swap, 2, records, f"{records}:aside", MONITORS)
        feed.push(files[0])
        assert feed.window()[b"n"] == b"50"
        expect(lambda: level(feed), feed.connection, "nothing")


def test_a_monitor_that_starts_on_a_new_stream_reads_it_and_a_cooldown_of_the_old_one_ends(
    options: Settings, feed: Feed, files: list[ModelFile]
) -> None:
    records = _begin_ahead(feed, files[0])
    options = msgspec.structs.replace(options, retrain_cooldown_s=60.0)
    feed.push(files[0], shift=2.0)
    with running(options):
        first = feed.window()
        assert feed.connection.call("XLEN", feed.keys.retrain) == 1
    _aside(feed, records)
    with running(options) as service:
        expect(lambda: get(service, "/readyz")[0] == 200, feed.connection, "nothing")
        feed.push(files[0])  # ends the episode
        assert b"episode" not in feed.window()
        feed.push(files[0], shift=2.0)
        second = feed.window()
        assert int(second[b"window"]) == int(first[b"window"]) + 2
        assert feed.connection.call("XLEN", feed.keys.retrain) == 2
        assert not json.loads(second[b"alarm"])["since"].startswith(AHEAD.partition("-")[0])


def test_a_stream_trimmed_to_nothing_is_not_a_new_one(
    options: Settings, feed: Feed, files: list[ModelFile]
) -> None:
    records = _begin_ahead(feed, files[0])
    feed.push(files[0])
    with running(options):
        feed.window()
    feed.connection.call("XTRIM", records, "MAXLEN", 0)
    with running(options) as service:
        expect(lambda: get(service, "/readyz")[0] == 200, feed.connection, "nothing")
        (group,) = (field_map(group) for group in feed.connection.call("XINFO", "GROUPS", records))
        assert group[b"last-delivered-id"] == b"4102444800000-1"
        feed.push(files[0])
        assert feed.window()[b"n"] == b"50"

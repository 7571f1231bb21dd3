"""POST /alerts of a monitor that runs: what asks, what does not, and what is refused."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from core.connection import Connection
from core.entry import entries_of, field_map
from core.keys import PipelineKeys
from core.model_file import ModelFile
from core.settings import Settings
from monitor.alert_webhook import NAME_CHARACTERS, SUMMARY_CHARACTERS, Outcome
from monitor.service import Monitor
from tests.both_servers import both_servers
from tests.monitor.alerting import (
    LONG_AGO_S,
    TOKEN,
    Json,
    an_alert,
    grafana_notification,
    notification,
    post_alerts,
)
from tests.monitor.running import Feed, expect, metrics, running


@pytest.fixture
def asking(options: Settings) -> Settings:
    """Settings of a monitor that takes alerts."""
    return msgspec.structs.replace(options, alerts_token=TOKEN)


@pytest.fixture
def monitor(asking: Settings, feed: Feed, files: list[ModelFile]) -> Iterator[Monitor]:
    """One that runs, with a model in production."""
    feed.registry.promote("run0", files[0], 0, "first")
    with running(asking) as service:
        yield service


def events(connection: Connection, keys: PipelineKeys) -> list[dict[bytes, bytes]]:
    return [field_map(entry.fields) for entry in entries_of(connection.call("XRANGE", keys.retrain, "-", "+"))]


def assert_nothing_asked(connection: Connection, keys: PipelineKeys) -> None:
    assert events(connection, keys) == []
    assert connection.call("KEYS", f"sg:{{{keys.pipeline}}}:alerts:*") == []


@both_servers
@pytest.mark.parametrize("body", [notification, grafana_notification], ids=["alertmanager", "grafana"])
def test_an_alert_becomes_one_event_before_it_is_answered(
    monitor: Monitor, connection: Connection, keys: PipelineKeys, body: Any
) -> None:
    status, answer = post_alerts(monitor.http.url, body([an_alert(pipeline=keys.pipeline)]))
    (entry,) = entries_of(connection.call("XRANGE", keys.retrain, "-", "+"))
    assert (status, answer) == (
        200,
        {"retrain_event": entry.id.decode(), "alerts": {"written": 1}, "truncated_alerts": 0},
    )
    assert field_map(entry.fields) == {
        b"_v": b"1",
        b"reason": b"alert",
        b"model": b"run0",
        b"alert": b"StreamgaugeDrift",
        b"sentence": b"It drifts.",
    }


@both_servers
def test_what_was_asked_before_is_not_asked_again_by_whichever_sender(
    monitor: Monitor, connection: Connection, keys: PipelineKeys
) -> None:
    alert = an_alert()
    first = post_alerts(monitor.http.url, notification([alert]))[1]
    for body in (
        notification([alert]),
        grafana_notification([alert, alert]),
        notification([alert, alert | {"status": "resolved"}]),
    ):
        status, answer = post_alerts(monitor.http.url, body)
        assert (status, answer["retrain_event"]) == (200, first["retrain_event"])
        assert answer["alerts"]["duplicate"] >= 1
    assert len(events(connection, keys)) == 1
    shown = metrics(monitor)
    of = f'pipeline="{keys.pipeline}"'
    assert shown[f'streamgauge_retrain_events_total{{{of},reason="alert"}}'] == 1
    assert [
        shown[f'streamgauge_webhook_alerts_total{{outcome="{outcome}",{of}}}']
        for outcome in ("written", "duplicate", "resolved", "refused")
    ] == [1, 4, 1, 0]


@pytest.mark.parametrize(
    ("alert", "outcome"),
    [
        (an_alert(status="resolved"), "resolved"),
        (an_alert(action="page"), "other_action"),
        ({**an_alert(), "labels": {"alertname": "Watchdog"}}, "other_action"),
        ({name: value for name, value in an_alert().items() if name != "labels"}, "other_action"),
        (an_alert(pipeline="another"), "other_pipeline"),
        (an_alert(alertname="DatasourceNoData"), "no_data"),
        (an_alert(alertname="DatasourceError"), "no_data"),
        (an_alert(started_s=LONG_AGO_S), "outdated"),
        (an_alert() | {"startsAt": "0001-01-01T00:00:00Z"}, "outdated"),
    ],
)
def test_an_alert_that_asks_for_nothing_is_said_to(
    monitor: Monitor, connection: Connection, keys: PipelineKeys, alert: Json, outcome: str
) -> None:
    status, answer = post_alerts(monitor.http.url, notification([alert]))
    assert (status, answer["retrain_event"], answer["alerts"]) == (200, None, {outcome: 1})
    assert_nothing_asked(connection, keys)


def test_alerts_of_many_kinds_are_counted_each_and_make_one_event(
    monitor: Monitor, connection: Connection, keys: PipelineKeys
) -> None:
    alerts = [an_alert("a1"), an_alert("b2"), an_alert("c3", status="resolved"), an_alert("d4", action="")]
    status, answer = post_alerts(monitor.http.url, notification(alerts, truncatedAlerts=7))
    assert (status, answer["alerts"]) == (200, {"other_action": 1, "resolved": 1, "written": 2})
    assert answer["truncated_alerts"] == 7
    assert len(events(connection, keys)) == 1


def test_a_long_name_and_summary_are_cut(monitor: Monitor, connection: Connection, keys: PipelineKeys) -> None:
    post_alerts(monitor.http.url, notification([an_alert(alertname="n" * 9_999, summary="ü" * 99_999)]))
    (event,) = events(connection, keys)
    assert (len(event[b"alert"]), len(event[b"sentence"].decode())) == (NAME_CHARACTERS, SUMMARY_CHARACTERS)


@pytest.mark.parametrize(
    ("token", "scheme"),
    [
        (None, ""),
        ("wrong" * 5, "Bearer"),
        (TOKEN[:-1], "Bearer"),
        (TOKEN + "x", "Bearer"),
        (TOKEN, "Basic"),
        (f"{TOKEN}, {TOKEN}", "Bearer"),
        ("", "Bearer"),
        ("ü" * 16, "Bearer"),
    ],
)  # fmt: skip  (pairs)
def test_a_wrong_token_is_a_401_that_says_how_to_ask(
    monitor: Monitor, connection: Connection, keys: PipelineKeys, token: str | None, scheme: str
) -> None:
    status, answer = post_alerts(monitor.http.url, notification([an_alert()]), token, scheme=scheme)
    assert (status, list(answer)) == (401, ["error"])
    assert TOKEN not in answer["error"]
    assert_nothing_asked(connection, keys)
    request = urllib.request.Request(f"{monitor.http.url}/alerts", data=b"{}")  # noqa: S310  (our own service)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=5)  # noqa: S310  (as above)
    with caught.value as refused:
        assert refused.headers["WWW-Authenticate"] == 'Bearer realm="alerts"'


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer "])
def test_the_scheme_is_read_as_http_has_it(monitor: Monitor, scheme: str) -> None:
    assert post_alerts(monitor.http.url, notification([]), scheme=scheme)[0] == 200


def test_without_a_token_of_its_own_a_monitor_takes_nothing(
    options: Settings, feed: Feed, files: list[ModelFile], connection: Connection, keys: PipelineKeys
) -> None:
    feed.registry.promote("run0", files[0], 0, "first")
    with running(options) as service:
        for token in (TOKEN, "", "None"):
            status, answer = post_alerts(service.http.url, notification([an_alert()]), token)
            assert (status, "set alerts_token" in answer["error"]) == (403, True)
    assert_nothing_asked(connection, keys)


_GOOD = json.dumps(notification([an_alert()])).encode()


@pytest.mark.parametrize(
    ("body", "content_type", "status", "said"),
    [
        (b"", "application/json", 400, "no notification"),
        (b"{", "application/json", 400, "no notification"),
        (b"[]", "application/json", 400, "Expected `object`, got `array`"),
        (b"{}", "application/json", 400, "missing required field `version`"),
        (b"\xff\xfe", "application/json", 400, "no notification"),
        (b"[" * 100_000, "application/json", 400, "no notification"),
        (_GOOD.replace(b'"4"', b'"5"'), "application/json", 400, "version '5' of Alertmanager"),
        (_GOOD.replace(b'"4"', b"4"), "application/json", 400, "$.version"),
        (_GOOD.replace(b'"alerts": [', b'"alerts": [3, '), "application/json", 400, "$.alerts[0]"),
        (_GOOD.replace(b"firing", b"burning"), "application/json", 400, "burning"),
        (_GOOD.replace(b"a1b2", b"a1:b2"), "application/json", 400, "fingerprint"),
        (_GOOD.replace(b"a1b2", b"a" * 61), "application/json", 400, "fingerprint"),
        (_GOOD.replace(b'"startsAt": "', b'"startsAt": "yesterday '), "application/json", 400, "startsAt"),
        (_GOOD.replace(b'"StreamgaugeDrift"', b"[1]"), "application/json", 400, "alertname"),
        (_GOOD, "text/plain", 415, "Content-Type: application/json"),
        (_GOOD, "application/jsonx", 415, "Content-Type: application/json"),
    ],
)
def test_what_is_no_notification_is_one_sentence_and_asks_nothing(
    monitor: Monitor,
    connection: Connection,
    keys: PipelineKeys,
    body: bytes,
    content_type: str,
    status: int,
    said: str,
) -> None:
    answered, answer = post_alerts(monitor.http.url, body, content_type=content_type)
    assert (answered, list(answer)) == (status, ["error"])
    assert said in answer["error"]
    assert len(answer["error"]) < 300
    assert_nothing_asked(connection, keys)


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON"])
def test_a_content_type_may_say_more(monitor: Monitor, content_type: str) -> None:
    assert post_alerts(monitor.http.url, _GOOD, content_type=content_type)[0] == 200


def test_what_alertmanager_and_grafana_may_add_or_leave_null_is_passed_over(monitor: Monitor) -> None:
    alert = an_alert() | {"values": None, "imageURL": "", "new": {"a": [1]}}
    body = grafana_notification([alert], new=None, groupKey=None, commonLabels=None)
    assert post_alerts(monitor.http.url, body)[1]["alerts"] == {"written": 1}


def test_other_methods_are_told_what_there_is(monitor: Monitor) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{monitor.http.url}/alerts", timeout=5)  # noqa: S310  (our own service)
    with caught.value as refused:
        assert (refused.code, refused.headers["Allow"]) == (405, "POST")


@both_servers
def test_without_a_model_the_sender_is_told_to_try_again_and_then_heard(
    asking: Settings, feed: Feed, files: list[ModelFile], connection: Connection, keys: PipelineKeys
) -> None:
    with running(asking) as service:
        status, answer = post_alerts(service.http.url, notification([an_alert()]))
        assert (status, "streamgauge fit" in answer["error"]) == (503, True)
        assert_nothing_asked(connection, keys)
        feed.registry.promote("run0", files[0], 0, "first")
        assert post_alerts(service.http.url, notification([an_alert()]))[1]["alerts"] == {"written": 1}


@both_servers
def test_an_alert_in_an_episode_asks_for_nothing_more(
    monitor: Monitor, feed: Feed, files: list[ModelFile], connection: Connection, keys: PipelineKeys
) -> None:
    feed.push(files[0], shift=2.0)
    assert feed.window()[b"episode"] == b"1"
    (before,) = entries_of(connection.call("XRANGE", keys.retrain, "-", "+"))
    status, answer = post_alerts(monitor.http.url, notification([an_alert()]))
    assert (status, answer["alerts"], answer["retrain_event"]) == (200, {"coalesced": 1}, before.id.decode())
    assert [event[b"reason"] for event in events(connection, keys)] == [b"drift"]


@both_servers
def test_an_episode_after_an_alert_asks_for_nothing_more(
    monitor: Monitor, feed: Feed, files: list[ModelFile], connection: Connection, keys: PipelineKeys
) -> None:
    assert post_alerts(monitor.http.url, notification([an_alert("a1")]))[1]["alerts"] == {"written": 1}
    feed.push(files[0], shift=2.0)
    assert feed.window()[b"episode"] == b"1"
    of = f'pipeline="{keys.pipeline}"'
    expect(
        lambda: metrics(monitor)[f'streamgauge_drift_windows_total{{{of},state="drift"}}'] >= 1, connection, "none"
    )
    assert metrics(monitor)[f'streamgauge_retrain_events_total{{{of},reason="drift"}}'] == 0
    assert post_alerts(monitor.http.url, notification([an_alert("b2")]))[1]["alerts"] == {"coalesced": 1}
    assert [event[b"reason"] for event in events(connection, keys)] == [b"alert"]


@both_servers
def test_of_two_monitors_that_are_told_at_once_one_writes(
    monitor: Monitor, asking: Settings, connection: Connection, keys: PipelineKeys
) -> None:
    with running(asking) as second:
        rounds: list[list[str]] = []
        with ThreadPoolExecutor(4) as pool:
            for number in range(20):
                body = notification([an_alert(f"a{number}")])
                urls = [monitor.http.url, second.http.url] * 2
                answers = pool.map(post_alerts, urls, [body] * len(urls))
                rounds.append(sorted(outcome for _, answer in answers for outcome in answer["alerts"]))
    assert rounds[0] == ["duplicate", "duplicate", "duplicate", "written"]
    assert rounds[1:] == [["coalesced", "duplicate", "duplicate", "duplicate"]] * 19
    assert len(events(connection, keys)) == 1


PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations" / "alerting.md"


def test_the_page_lists_every_outcome_and_no_other() -> None:
    table = PAGE.read_text(encoding="utf-8").partition("| outcome | meaning |")[2].partition("\n\n")[0]
    named = [
        name
        for row in table.splitlines()
        for name in re.findall(r"`(\w+)`", row.partition("|")[2].partition("|")[0])
    ]
    assert sorted(named) == sorted(get_args(Outcome))


def test_the_pages_example_asks(monitor: Monitor) -> None:
    (body,) = re.findall(r"-d '(.*?)'\n", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    alert = json.loads(body)
    assert post_alerts(monitor.http.url, alert)[1]["alerts"] == {"outdated": 1}  # its date has passed
    alert["alerts"][0]["startsAt"] = an_alert()["startsAt"]
    assert post_alerts(monitor.http.url, alert)[1]["alerts"] == {"written": 1}

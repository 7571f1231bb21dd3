"""amtool accepts the configuration, alerts go where they should, and what follows from another is held back."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from core.settings import Settings
from tests.ops.documents import documents
from tests.ops.prometheus.observability import ALERTMANAGER, SHIPPED, alert_names, alerts, broken, copied
from tests.ops.tools import program, run
from tests.servers import free_port, wait_until

_WEBHOOK = "http://monitor:8001/alerts"


def _routed(config: Path, receivers: str, **labels: str) -> subprocess.CompletedProcess[str]:
    words = [f"{name}={value}" for name, value in labels.items()]
    options = (f"--config.file={config}", f"--verify.receivers={receivers}")
    return run("amtool", "config", "routes", "test", *options, *words)


def _receivers(labels: dict[str, str]) -> str:
    return "retrain,default" if labels.get("action") == "retrain" else "default"


def test_amtool_accepts_the_configuration() -> None:
    done = run("amtool", "check-config", SHIPPED / ALERTMANAGER)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("group_by", "groupby"),
        ("receiver: retrain", "receiver: retrian"),
        ("- action = retrain", "action ="),
        ("http://monitor", "monitor"),
        ("equal: [pipeline, group]", "equal: pipeline"),
    ],
)
def test_a_broken_configuration_is_found(tmp_path: Path, old: str, new: str) -> None:
    config = copied(tmp_path) / ALERTMANAGER
    broken(config, (old, new) if old != "- action = retrain" else ("[action = retrain]", "[action]"))
    assert run("amtool", "check-config", config).returncode != 0


def test_amlint_has_nothing_to_say_but_that_the_default_receiver_keeps_quiet(tmp_path: Path) -> None:
    done = run("amlint", "check", SHIPPED / ALERTMANAGER)
    assert done.returncode == 0, done.stdout
    assert set(re.findall(r"[A-Z] +\[([a-z-]+)\]", done.stdout)) == {
        "empty-receiver",
        "global-resolve-timeout-missing",
    }
    shadowed = broken(
        copied(tmp_path) / ALERTMANAGER, ("      continue: true\n", ""), ("[action = retrain]", "[]")
    )
    assert "unreachable" in run("amlint", "check", shadowed).stdout


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}")
def test_each_alert_goes_where_it_should(rule: dict[str, Any]) -> None:
    labels = {"alertname": rule["alert"], "pipeline": "default", **rule["labels"]}
    done = _routed(SHIPPED / ALERTMANAGER, _receivers(labels), **labels)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[action = retrain]", "[action = other]"),  # nobody asks to retrain
        ("      continue: true\n", ""),  # nobody hears of drift
    ],
)
def test_a_wrong_route_is_found(tmp_path: Path, old: str, new: str) -> None:
    config = broken(copied(tmp_path) / ALERTMANAGER, (old, new))
    assert _routed(config, "retrain,default", alertname="StreamgaugeDrift", action="retrain").returncode != 0


def test_the_webhook_is_asked_with_the_token_of_a_file() -> None:
    (document,) = documents(SHIPPED / ALERTMANAGER)
    (webhook,) = next(one for one in document["receivers"] if one["name"] == "retrain")["webhook_configs"]
    assert (webhook["url"], webhook["send_resolved"]) == (_WEBHOOK, True)
    authorization = webhook["http_config"]["authorization"]
    assert authorization == {"type": "Bearer", "credentials_file": "/run/secrets/alerts-token"}


def test_an_alert_that_came_within_the_cooldown_is_said_again_soon_after_it() -> None:
    (document,) = documents(SHIPPED / ALERTMANAGER)
    (route,) = (one for one in document["route"]["routes"] if one["receiver"] == "retrain")
    assert route["repeat_interval"] == "5m"
    assert Settings().retrain_cooldown_s < 5 * 60


def test_the_default_receiver_keeps_quiet() -> None:
    (document,) = documents(SHIPPED / ALERTMANAGER)
    assert {"name": "default"} in document["receivers"]
    assert document["route"]["receiver"] == "default"


def test_whatever_is_held_back_or_holds_back_is_an_alert() -> None:
    (document,) = documents(SHIPPED / ALERTMANAGER)
    for rule, side in product(document["inhibit_rules"], ("source_matchers", "target_matchers")):
        named = next(matcher for matcher in rule[side] if matcher.startswith("alertname"))
        names = named.replace('"', "").replace("~", "").partition("= ")[2].split("|")
        assert set(names) <= set(alert_names()), named
        assert "pipeline" in rule["equal"]
        assert side == "source_matchers" or "StreamgaugeDrift" not in names


class RunningAlertmanager:
    """The real one, with the shipped configuration."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self._url}/-/ready", timeout=5):  # noqa: S310  (on loopback)
                return True
        except OSError:
            return False

    def fire(self, *labels: dict[str, str]) -> None:
        """Say that these alerts fire."""
        now = datetime.now(UTC).isoformat()
        body = json.dumps([{"labels": one, "startsAt": now} for one in labels]).encode()
        request = urllib.request.Request(  # noqa: S310  (on loopback)
            f"{self._url}/api/v2/alerts", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=5):  # noqa: S310  (as above)
            pass

    def held_back(self) -> dict[tuple[str, str], bool]:
        """Whether it is, by name and pipeline of each alert."""
        with urllib.request.urlopen(f"{self._url}/api/v2/alerts", timeout=5) as answer:  # noqa: S310  (as above)
            told = json.load(answer)
        return {
            (one["labels"]["alertname"], one["labels"]["pipeline"]): bool(one["status"]["inhibitedBy"])
            for one in told
        }


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[RunningAlertmanager]:
    port = free_port()
    options = (
        f"--config.file={SHIPPED / ALERTMANAGER}",
        f"--storage.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    )
    with subprocess.Popen(
        [program("prometheus-alertmanager"), *options], stderr=subprocess.DEVNULL, cwd=tmp_path
    ) as process:
        try:
            running = RunningAlertmanager(port)
            wait_until(running.ready, "an Alertmanager that is ready")
            yield running
        finally:
            process.terminate()
            process.wait(10)


def test_one_cause_is_one_alert_and_drift_is_never_held_back(alertmanager: RunningAlertmanager) -> None:
    names = {rule["alert"]: rule["labels"] for rule in alerts()}
    more = {"StreamgaugeWaiting": {"job": "scorer"}, "StreamgaugeReconnects": {"job": "scorer"}}
    more |= {name: {"group": "scorers"} for name in ("StreamgaugeBacklogOld", "StreamgaugeBacklogGrowing")}

    def labels(name: str, pipeline: str) -> dict[str, str]:
        return {"alertname": name, "pipeline": pipeline, **names[name], **more.get(name, {})}

    consequences = ("StreamgaugeNoCommits", "StreamgaugeBacklogOld", "StreamgaugeLatencyHigh")
    alertmanager.fire(
        *(labels(name, "all") for name in names),
        *(labels(name, "down") for name in ("StreamgaugeNoScorer", *consequences)),
        *(labels(name, "other") for name in ("StreamgaugeLatencyHigh", "StreamgaugeDrift")),
        # a monitor that waits: what it says of the backlog is old
        labels("StreamgaugeWaiting", "blind") | {"job": "monitor"},
        *(labels(name, "blind") for name in ("StreamgaugeNoCommits", "StreamgaugeStaleModel")),
    )
    expected = {("StreamgaugeNoScorer", "down"): False} | {(name, "down"): True for name in consequences}
    expected |= {("StreamgaugeLatencyHigh", "other"): False, ("StreamgaugeDrift", "other"): False}
    expected |= {("StreamgaugeWaiting", "blind"): False, ("StreamgaugeNoCommits", "blind"): True}
    expected |= {("StreamgaugeStaleModel", "blind"): False}
    held = {*consequences, "StreamgaugeBacklogGrowing", "StreamgaugeScorerBehind"}
    held |= {"StreamgaugeReconnects", "StreamgaugeWindowsUnusable"}
    expected |= {(name, "all"): name in held for name in names}
    wait_until(lambda: alertmanager.held_back() == expected, f"{expected}")

"""promtool accepts rules and configuration; the rules do what their tests say, and these notice broken rules."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.ops.documents import as_yaml, documents
from tests.ops.prometheus.observability import (
    CONFIG,
    RULES,
    SHIPPED,
    alert_names,
    alerts,
    broken,
    copied,
    records,
    rules,
    unit_tests,
)
from tests.ops.tools import CHECKOUT, run

_LINT = ("check", "rules", "--lint=all", "--lint-fatal")
#: A threshold of each alert, and what lets it fire at its edge.
_EDGES = (
    ("streamgauge_drift_alert:max > 0\n", "streamgauge_drift_alert:max >= 0\n"),
    ('"insufficient"}[30m])) >= 5', '"insufficient"}[30m])) >= 4'),
    ("streamgauge_unanswered:bool > 0\n", "streamgauge_unanswered:bool >= 0\n"),
    ('{group="scorers"} > 60', '{group="scorers"} >= 60'),
    ('{group!="scorers"} > 300', '{group!="scorers"} >= 300'),
    ("backlog_entries:sum > 1000", "backlog_entries:sum > 100"),
    ("share5m > 0.01", "share5m > 0.0099"),
    ("p99_5m > 1\n", "p99_5m > 0.99\n"),
    ('"monitor|trainer"})\n', '"scorer|monitor|trainer"})\n'),
    ('"scorer|trainer"})\n', '"scorer|monitor|trainer"})\n'),
    ('"scorer|monitor"})\n', '"scorer|monitor|trainer"})\n'),
    ("unless on (pipeline) streamgauge_build_info", "unless on (pipeline, job) streamgauge_build_info"),
    ("unless on (pipeline) streamgauge_production_info", "unless on (job) streamgauge_production_info"),
    ("scorers_behind:count > 0", "scorers_behind:count >= 2"),
    ("> 30 * 24 * 3600", "> 29 * 24 * 3600"),
    ('outcome="failed"}[1h])) > 0', 'outcome="failed"}[1h])) >= 0'),
    ('streamgauge_waiting{job!="trainer"}[30s])) > 0', 'streamgauge_waiting{job!="trainer"}[30s])) >= 0'),
    ("[15m])) >= 3", "[15m])) >= 2"),
)


def test_prometheus_reads_its_configuration() -> None:
    done = run("promtool", "check", "config", SHIPPED / CONFIG)
    assert done.returncode == 0, done.stderr
    assert "1 rule files found" in done.stdout


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("scrape_timeout", "scrape_timout"),
        ("scrape_timeout: 5s", "scrape_timeout: 50s"),
        ("type: A", "type: B"),
        ("rules/streamgauge.yml", "rules/other.yml"),
    ],
)
def test_a_broken_configuration_is_found(tmp_path: Path, old: str, new: str) -> None:
    config = broken(copied(tmp_path) / CONFIG, (old, new))
    assert run("promtool", "check", "config", config).returncode != 0


def _linted(folder: Path) -> str:
    config = CHECKOUT / "tests" / "ops" / "yamllint.yml"
    return run("yamllint", "--strict", "-c", config, folder / "prometheus", folder / "alertmanager").stdout


def test_the_files_are_tidy_yaml() -> None:
    assert _linted(SHIPPED) == ""


def test_untidy_yaml_is_found(tmp_path: Path) -> None:
    broken(copied(tmp_path) / RULES, ("        for: 10s\n", "        for: 10s\n        for: 20s\n"))
    assert "duplication of key" in _linted(tmp_path)


def test_the_rules_are_free_of_lint() -> None:
    done = run("promtool", *_LINT, SHIPPED / RULES)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("keep_firing_for", "keep_fireing_for"),
        ("sum by (pipeline) (rate(", "sum by (pipeline) (rat("),
        ("{{ $labels.pipeline }}", "{{ $labels.pipeline"),
        ("severity: info", "sever-ity: info"),
        ("p50_5m", "p99_5m"),  # the same rule twice is lint
    ],
)
def test_broken_rules_are_found(tmp_path: Path, old: str, new: str) -> None:
    path = copied(tmp_path) / RULES
    if new == "p99_5m":
        text = path.read_text(encoding="utf-8")
        twice = text[
            text.index("      - record: pipeline:streamgauge_records_scored") : text.index(
                "      - record: pipeline:streamgauge_records_rejected:rate1m"
            )
        ]
        path.write_text(text.replace(twice, twice * 2, 1), encoding="utf-8")
    else:
        broken(path, (old, new))
    assert run("promtool", *_LINT, path).returncode != 0


def test_the_rules_do_what_their_tests_say() -> None:
    done = run("promtool", "test", "rules", *unit_tests(SHIPPED), timeout_s=110)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_and_recording_rule_is_tested_where_it_fires_and_where_it_does_not() -> None:
    fires, quiet, recorded = set(), set(), set()
    for path in unit_tests(SHIPPED):
        for case in documents(path)[0]["tests"]:
            for test in case.get("alert_rule_test", []):
                fires |= {(test["alertname"], one["exp_labels"]["severity"]) for one in test["exp_alerts"]}
                quiet |= set() if test["exp_alerts"] else {test["alertname"]}
            for test in case.get("promql_expr_test", []):
                recorded |= {name for name in records() if name in test["expr"]}
    assert fires == {(rule["alert"], rule["labels"]["severity"]) for rule in alerts()}
    assert quiet == set(alert_names())
    assert recorded == set(records())


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return copied(tmp_path)


def test_the_tests_notice_an_alert_that_never_fires(copy: Path) -> None:
    _change_alerts(copy, {"expr": "vector(1) < 0"})
    assert _failing(copy) == set(alert_names())


def test_the_tests_notice_an_alert_that_fires_at_once(copy: Path) -> None:
    _change_alerts(copy, {"for": "0s"})
    assert _failing(copy) == set(alert_names())


def test_the_tests_notice_an_alert_that_fires_at_its_edge(copy: Path) -> None:
    broken(copy / RULES, *_EDGES)
    assert _failing(copy) == set(alert_names())


def test_the_tests_notice_a_recording_rule_that_says_something_else(copy: Path) -> None:
    (document,) = documents(copy / RULES)
    for rule in (rule for group in document["groups"] for rule in group["rules"] if "record" in rule):
        rule["expr"] = f"({rule['expr']}) + 1"
    (copy / RULES).write_text(as_yaml(document), encoding="utf-8")
    done = run("promtool", "test", "rules", *unit_tests(copy), timeout_s=110)
    failing = set(re.findall(r"expr: \"([^\"]+)\"", done.stdout + done.stderr))
    assert all(any(name in expression for expression in failing) for name in records())


@pytest.mark.parametrize(
    ("old", "new", "noticed"),
    [
        (
            "last_over_time(streamgauge_oldest_unread_seconds[30s])",
            "streamgauge_oldest_unread_seconds",
            "BacklogOld",
        ),
        (
            'last_over_time(streamgauge_waiting{job!="trainer"}[30s])',
            'streamgauge_waiting{job!="trainer"}',
            "Waiting",
        ),
    ],
)
def test_the_tests_notice_an_alert_that_a_failed_scrape_begins_anew(
    copy: Path, old: str, new: str, noticed: str
) -> None:
    broken(copy / RULES, (old, new))
    assert _failing(copy) == {f"Streamgauge{noticed}"}


def _change_alerts(folder: Path, change: dict[str, str]) -> None:
    (document,) = documents(folder / RULES)
    for rule in (rule for group in document["groups"] for rule in group["rules"] if "alert" in rule):
        rule.update(change)
    (folder / RULES).write_text(as_yaml(document), encoding="utf-8")


def _failing(folder: Path) -> set[str]:
    """The alerts whose tests fail."""
    done = run("promtool", "test", "rules", *unit_tests(folder), timeout_s=110)
    assert done.returncode != 0
    return set(re.findall(r"alertname: (\w+), time", done.stdout + done.stderr))


def test_each_alert_has_what_the_design_asks_for() -> None:
    for rule in alerts():
        page = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", rule["alert"].removeprefix("Streamgauge")).lower()
        assert rule["alert"].startswith("Streamgauge")
        assert {"for", "keep_firing_for"} <= set(rule), rule["alert"]
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert rule["annotations"]["summary"].endswith(".")
        assert rule["annotations"]["description"].strip()
        assert rule["annotations"]["runbook_url"] == (
            f"https://github.com/streamgauge/streamgauge/blob/main/docs/runbooks/{page}.md"
        )


def test_each_rule_tells_pipelines_apart() -> None:
    for rule in rules():
        aggregations = re.findall(r"\b(?:sum|max|min|count) by \(([^)]*)\)", rule["expr"])
        assert aggregations or "pipeline" in rule["expr"], rule
        assert all("pipeline" in labels.split(", ") for labels in aggregations), rule


def test_recording_rules_are_named_level_metric_operation() -> None:
    assert all(re.fullmatch(r"pipeline(_\w+)?:streamgauge_\w+:\w+", name) for name in records())


def test_drift_alone_asks_to_retrain() -> None:
    asking = [rule["alert"] for rule in alerts() if "action" in rule["labels"]]
    assert asking == ["StreamgaugeDrift"]

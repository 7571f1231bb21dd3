"""Each check fails on a copy of Grafana's files that one edit has broken."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from observability.grafana.source.__main__ import text_of
from observability.grafana.source.board import Board, Row
from observability.grafana.source.model import MODEL
from observability.grafana.source.operations import OPERATIONS
from tests.ops.grafana.board_policy import board_complaints
from tests.ops.grafana.linters import amlint_errors, yaml_errors
from tests.ops.grafana.promql import promql_complaints, promtool_errors
from tests.ops.grafana.provisioning_policy import provisioning_complaints
from tests.ops.grafana.round_trip import dropped_keys
from tests.ops.grafana.shipped import copied, edit


class Break(NamedTuple):
    """An edit of one file, and what must be said of it."""

    check: Callable[[Path], list[str]]
    file: str
    old: str
    new: str
    complaint: str


BOARD, SCREEN = "dashboards/model.json", "dashboards/operations.json"
SOURCE, PROVIDER = "provisioning/datasources/prometheus.yml", "provisioning/dashboards/streamgauge.yml"
RULES, POLICIES = "provisioning/alerting/rules.yml", "provisioning/alerting/policies.yml"
POINTS = "provisioning/alerting/contact-points.yml"

BREAKS = [
    Break(board_complaints, BOARD, '"schemaVersion": 42', '"schemaVersion": 36', "schemaVersion is not 42"),
    Break(board_complaints, BOARD, '"refresh": "10s"', '"refresh": ""', "refresh is not"),
    Break(board_complaints, BOARD, '"timezone": "browser"', '"timezone": "utc"', "timezone is not"),
    Break(board_complaints, BOARD, '"name": "pipeline"', '"name": "job"', "its variables are"),
    Break(board_complaints, BOARD, "label_values(", "query_result(", "not those that services name"),
    Break(
        board_complaints, BOARD, 'drift_score{pipeline=\\"$pipeline\\"}', "drift_score", "all pipelines at once"
    ),
    Break(board_complaints, BOARD, '"id": 10,', '"id": 11,', "the same id"),
    Break(board_complaints, BOARD, '"w": 16', '"w": 17', "overlap"),
    Break(board_complaints, SCREEN, '"x": 16', '"x": 17', "beside the grid"),
    Break(board_complaints, BOARD, '"description": "Mean time', '"about": "Mean time', "has no description"),
    Break(board_complaints, BOARD, '"unit": "cpm"', '"unit": ""', "Windows by state has no unit"),
    Break(board_complaints, BOARD, '"refId": "B"', '"refId": "A"', "two queries of one name"),
    Break(board_complaints, BOARD, '"{{le}}"', '"up to {{le}}"', "are out of order"),
    Break(board_complaints, BOARD, "#D55E00", "#FF0000", "the colour #FF0000"),
    Break(board_complaints, BOARD, '"mode": "shades"', '"mode": "palette-classic"', "colours of palette-classic"),
    Break(board_complaints, BOARD, '"Cividis"', '"Turbo"', "colours of Turbo"),
    Break(board_complaints, BOARD, '"streamgauge-prometheus"', '"prometheus"', "is not provisioned"),
    Break(board_complaints, BOARD, "/d/streamgauge-operations", "/d/operations", "there is no dashboard"),
    Break(board_complaints, BOARD, '"includeVars": true', '"includeVars": false', "forgets the pipeline"),
    Break(board_complaints, SCREEN, "runbooks/waiting.md", "runbooks/waits.md", "there is no page"),
    Break(dropped_keys, BOARD, '"colorMode"', '"colourMode"', "options/colourMode"),
    Break(dropped_keys, BOARD, '"fillOpacity"', '"fillopacity"', "custom/fillopacity"),
    Break(dropped_keys, BOARD, '"reduceOptions"', '"reduceOption"', "options/reduceOption"),
    Break(dropped_keys, BOARD, '"legendFormat"', '"legend"', "targets/0/legend"),
    Break(dropped_keys, BOARD, '"maxDataPoints"', '"maxPoints"', "maxPoints"),
    Break(dropped_keys, BOARD, '"fieldConfig"', '"fieldconfig"', "fieldconfig"),
    Break(dropped_keys, BOARD, '"graphTooltip"', '"graphToolTip"', "/graphToolTip"),
    Break(dropped_keys, BOARD, '"iconColor"', '"iconColour"', "iconColour"),
    Break(dropped_keys, BOARD, '"includeVars"', '"includeVariables"', "links/0/includeVariables"),
    Break(dropped_keys, BOARD, '"includeAll"', '"all"', "templating/list/0/all"),
    Break(dropped_keys, BOARD, '"cellValues"', '"cells"', "options/cells"),
    Break(dropped_keys, BOARD, '"colWidth"', '"columnWidth"', "options/columnWidth"),
    Break(promql_complaints, BOARD, "sort_desc(", "sort_desc((", "no PromQL"),
    Break(promql_complaints, BOARD, "streamgauge_label_coverage", "streamgauge_labels", "nothing is called"),
    Break(promql_complaints, BOARD, "sum by (state)", "sum by (status)", "a label status that nothing has"),
    Break(promql_complaints, BOARD, "{{feature}}", "{{name}}", "{{name}}, which is not kept"),
    Break(promql_complaints, BOARD, "$__rate_interval", "$__rate", "a variable that Grafana does not set"),
    Break(promql_complaints, BOARD, 'job=\\"monitor\\"', 'service=\\"monitor\\"', "has no label service"),
    Break(promql_complaints, SCREEN, ":p99_5m", ":p95_5m", "nothing is called pipeline:"),
    Break(promql_complaints, RULES, "drift_alert:max", "drift_alert:min", "rule streamgauge-drift A: nothing"),
    Break(provisioning_complaints, SOURCE, "apiVersion: 1", "apiVersion: 2", "apiVersion is not 1"),
    Break(
        provisioning_complaints, SOURCE, "uid: streamgauge-prometheus", "uid: prometheus", "that dashboards ask"
    ),
    Break(provisioning_complaints, SOURCE, ":9090", ":9091", "which is no service"),
    Break(provisioning_complaints, SOURCE, "timeInterval", "scrapeInterval", "a jsonData has no scrapeInterval"),
    Break(provisioning_complaints, PROVIDER, "/etc/grafana/dash", "/var/lib/grafana/dash", "not mounted"),
    Break(provisioning_complaints, PROVIDER, "folder:", "folderName:", "a provider has no folderName"),
    Break(provisioning_complaints, RULES, "interval: 10s", "interval: 15s", "no multiple of 10 s"),
    Break(provisioning_complaints, RULES, "condition: C", "condition: B", "the condition B is no query"),
    Break(provisioning_complaints, RULES, "expression: A", "expression: D", "looks at D"),
    Break(provisioning_complaints, RULES, "streamgauge-prometheus", "prometheus", "which is not provisioned"),
    Break(provisioning_complaints, RULES, "datasourceUid: __expr__", "datasourceUid: -100", "what its model says"),
    Break(provisioning_complaints, RULES, "instant: true", "instant: false", "is not instant"),
    Break(provisioning_complaints, RULES, "params: [0]", "params: [1]", "the condition is not that of Prometheus"),
    Break(provisioning_complaints, RULES, "keepFiringFor", "keep_firing_for", "a rule has no keep_firing_for"),
    Break(provisioning_complaints, RULES, "for: 10s", "for: 5m", "the times are not those"),
    Break(provisioning_complaints, RULES, "action: retrain", "action: train", "does not ask for a retraining"),
    Break(provisioning_complaints, RULES, "severity: warning", "severity: page", "the labels are not those"),
    Break(provisioning_complaints, RULES, "noDataState: OK", "noDataState: Ok", "a state that Grafana"),
    Break(provisioning_complaints, RULES, "panelId: 10", "panelId: 11", "name another panel"),
    Break(provisioning_complaints, RULES, "streamgauge-model", "model", "does not show the drift score"),
    Break(provisioning_complaints, RULES, "severity: warning", "severity: $LEVEL", "a label has a variable"),
    Break(provisioning_complaints, POINTS, "name: retrain", "name: webhook", "there is no contact point retrain"),
    Break(provisioning_complaints, POINTS, "monitor:8001", "monitor:8000", "is not where the monitor takes"),
    Break(provisioning_complaints, POINTS, "secrets/alerts-token", "secrets/token", "does not send the token"),
    Break(provisioning_complaints, POINTS, "authorization_scheme", "authorizationScheme", "a webhook has no auth"),
    Break(provisioning_complaints, POINTS, "uid: streamgauge-retrain", "uid: streamgauge-default", "same uid"),
    Break(provisioning_complaints, POLICIES, "receiver: retrain", "receiver: retraining", "no contact point retr"),
    Break(provisioning_complaints, POLICIES, "group_wait", "groupWait", "a policy has no groupWait"),
    Break(
        provisioning_complaints,
        POLICIES,
        '          - [alertname, "!~", DatasourceError|DatasourceNoData]\n',
        "",
        "sent as if it did",
    ),
]


@pytest.mark.parametrize("broken", BREAKS, ids=lambda broken: f"{broken.check.__name__}: {broken.new[:40]!r}")
def test_what_is_broken_is_named(broken: Break, tmp_path: Path) -> None:
    folder = copied(tmp_path)
    edit(folder / broken.file, broken.old, broken.new)
    found = broken.check(folder)
    assert any(re.search(re.escape(broken.complaint), complaint) for complaint in found), found


def test_promtool_finds_what_is_no_promql(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    edit(folder / BOARD, "sort_desc(topk(20, ", "sort_desc(topk(")
    assert "parse error" in promtool_errors(folder, tmp_path)


def test_amlint_finds_what_it_knows(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    edit(folder / POINTS, "type: webhook", "type: webhooks")
    assert "webhooks" in amlint_errors(folder)


def test_yamllint_finds_a_key_that_stands_twice(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    edit(folder / RULES, "        for: 10s\n", "        for: 10s\n        for: 20s\n")
    assert "duplication of key" in yaml_errors(folder)


def test_a_line_that_is_not_full_is_no_dashboard() -> None:
    row = MODEL.rows[0]
    board = Board("uid", "t", "d", ("u", "t"), ("p", "t"), (Row(row.title, row.panels[:-1]),))
    with pytest.raises(ValueError, match="has 21 of 24 columns"):
        board.to_json()


def test_a_source_that_changed_makes_a_dashboard_stale(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    assert (folder / SCREEN).read_text(encoding="utf-8") == text_of(OPERATIONS)
    edit(folder / SCREEN, "Takeovers", "Taken over")
    assert (folder / SCREEN).read_text(encoding="utf-8") != text_of(OPERATIONS)

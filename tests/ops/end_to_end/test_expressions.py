"""Every expression of rules, dashboards and Grafana's alerts has an answer on the live Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ops.end_to_end.conftest import Stage
from tests.ops.end_to_end.expressions import parts, rules, shown
from tests.ops.end_to_end.shipped import SHIPPED

RULES = [rule for path in sorted((SHIPPED / "prometheus" / "rules").glob("*.yml")) for rule in rules(path)]
RECORDED = {name: expression for name, expression, records in RULES if records}
GRAFANA = sorted(
    [
        *(SHIPPED / "grafana" / "dashboards").glob("*.json"),
        *(SHIPPED / "grafana" / "provisioning" / "alerting").glob("*.y*ml"),
    ]
)
pytestmark = pytest.mark.timeout(900)


def asked() -> Iterator[tuple[str, str]]:
    """Where an expression stands, and it."""
    for name, expression, _ in RULES:
        yield f"rule {name}", expression
    for path in GRAFANA:
        for title, expression in shown(path):
            yield f"{path.name}: {title}", expression


def silent(stage: Stage, expressions: list[tuple[str, str]]) -> list[str]:
    """Parts without an answer, with where they stand."""
    return [
        f"{where}: {part}"
        for where, expression in expressions
        for part in parts(expression, RECORDED)
        if not stage.prometheus.query(part)
    ]


def test_there_are_rules_dashboards_and_alerts_of_grafana() -> None:
    assert RULES
    assert {path.name for path in GRAFANA} >= {"operations.json", "model.json"}
    assert all(list(shown(path)) for path in GRAFANA if path.suffix == ".json")


def test_every_expression_has_an_answer(stage: Stage) -> None:
    expressions = list(asked())
    stage.until(lambda: not silent(stage, expressions) or _says(silent(stage, expressions)), "every answer")
    assert stage.prometheus.faults() == []


def _says(left: list[str]) -> bool:
    print("\n".join(left))
    return False


@pytest.mark.parametrize(
    "broken",
    [
        "pipeline:streamgauge_drift_alert:maxx > 0",
        "count by (pipeline) (streamgauge_build_info) unless on (pipeline) streamgauge_production_infoo",
        'sum(rate(streamgauge_records_scored_total{pipeline="defalt"}[1m]))',
        'absent(streamgauge_build_info{job="scorers"})',
    ],
)
def test_an_expression_that_is_misspelt_has_none(stage: Stage, broken: str) -> None:
    assert len(silent(stage, [("broken", broken)])) == 1

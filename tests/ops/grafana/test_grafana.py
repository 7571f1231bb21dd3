"""The shipped files of Grafana keep every rule that can be checked without Grafana."""

from __future__ import annotations

from pathlib import Path

import pytest

from observability.grafana.source.__main__ import BOARDS, FOLDER, text_of
from tests.ops.grafana.board_policy import board_complaints
from tests.ops.grafana.linters import amlint_errors, yaml_errors
from tests.ops.grafana.promql import promql_complaints, promtool_errors
from tests.ops.grafana.provisioning_policy import provisioning_complaints
from tests.ops.grafana.round_trip import dropped_keys
from tests.ops.grafana.shipped import SHIPPED, Expression, boards, expressions, panels
from tests.ops.tools import CHECKOUT

PAGE = CHECKOUT / "docs" / "operations" / "dashboards.md"


@pytest.mark.parametrize(
    "check",
    [board_complaints, provisioning_complaints, promql_complaints, dropped_keys],
    ids=lambda check: check.__name__,
)
def test_the_shipped_files_pass(check: object) -> None:
    assert callable(check)
    assert check(SHIPPED) == []


def test_amlint_and_yamllint_accept_the_provisioning_files() -> None:
    assert amlint_errors(SHIPPED) == ""
    assert yaml_errors(SHIPPED) == ""


def test_promtool_accepts_every_expression(tmp_path: Path) -> None:
    assert promtool_errors(SHIPPED, tmp_path) == ""


@pytest.mark.parametrize("name", BOARDS)
def test_dashboards_are_what_their_source_makes(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == text_of(BOARDS[name]), "run make dashboards"
    assert set(boards(SHIPPED)) == set(BOARDS)


def test_every_panel_annotation_and_rule_gives_its_expression() -> None:
    found = list(expressions(pipeline="raisin", rate_interval="40s"))
    assert Expression("rule streamgauge-drift A", "pipeline:streamgauge_drift_alert:max") in found
    assert sum(expression.rare for expression in found) == 2 * len(BOARDS)
    assert len({expression.where for expression in found}) == len(found)
    text = " ".join(expression.text for expression in found)
    assert 'pipeline="raisin"' in text
    assert "[40s]" in text
    assert "$" not in text


def unmentioned(page: str) -> list[str]:
    """Panels of which the page says nothing."""
    titles = {panel["title"] for board in boards(SHIPPED).values() for panel in panels(board)}
    return sorted(title for title in titles if f"| {title} |" not in page)


def test_the_page_says_what_each_panel_shows() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert unmentioned(page) == []
    assert unmentioned(page.replace("| Takeovers |", "| Taken over |")) == ["Takeovers"]

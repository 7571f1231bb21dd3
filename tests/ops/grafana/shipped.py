"""The files of Grafana as they are shipped, or a copy of them that a test has broken."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.ops.documents import documents
from tests.ops.tools import CHECKOUT

Json = dict[str, Any]

SHIPPED = CHECKOUT / "observability" / "grafana"
#: What a dashboard's variables become before anything but Grafana reads an expression.
PIPELINE, RATE_INTERVAL = "default", "1m"


@dataclass(frozen=True)
class Expression:
    """One question to Prometheus, and where it stands."""

    where: str
    text: str  #: without variables
    legend: str = ""
    rare: bool = False  #: an annotation's: it answers around an event alone, so ask over a range


def copied(folder: Path) -> Path:
    """A copy, to be broken."""
    shutil.copytree(SHIPPED, folder / "grafana")
    return folder / "grafana"


def edit(path: Path, old: str, new: str) -> None:
    """Replace a text that must be there, wherever it is."""
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{path.name} has no {old!r}"
    path.write_text(text.replace(old, new), encoding="utf-8")


def boards(folder: Path) -> dict[str, Json]:
    """The dashboards by the names of their files."""
    paths = sorted((folder / "dashboards").glob("*.json"))
    return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in paths}


def panels(board: Json) -> list[Json]:
    """Panels without the headings of rows."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def provisioned(folder: Path, name: str) -> Json:
    """One provisioning file, such as ``alerting/rules``."""
    (document,) = documents(folder / "provisioning" / f"{name}.yml")
    assert isinstance(document, dict)
    return document


def alert_rules(folder: Path) -> list[Json]:
    """The rules that Grafana evaluates."""
    return [rule for group in provisioned(folder, "alerting/rules")["groups"] for rule in group["rules"]]


def without_variables(expr: str, pipeline: str = PIPELINE, rate_interval: str = RATE_INTERVAL) -> str:
    """An expression as Prometheus gets it."""
    return expr.replace("$__rate_interval", rate_interval).replace("$pipeline", pipeline)


def expressions(
    folder: Path = SHIPPED, pipeline: str = PIPELINE, rate_interval: str = RATE_INTERVAL
) -> Iterator[Expression]:
    """Every expression of panels, annotations and alert rules."""

    def made(where: str, query: Json, **more: Any) -> Expression:
        return Expression(where, without_variables(query["expr"], pipeline, rate_interval), **more)

    for name, board in boards(folder).items():
        for panel in panels(board):
            for target in panel["targets"]:
                where = f"{name}: {panel['title']} {target['refId']}"
                yield made(where, target, legend=target.get("legendFormat", ""))
        for annotation in board["annotations"]["list"]:
            if "target" in annotation:
                where = f"{name}: annotation {annotation['name']}"
                yield made(where, annotation["target"], legend=annotation["textFormat"], rare=True)
    for rule in alert_rules(folder):
        for query in rule["data"]:
            if "expr" in query["model"]:
                yield made(f"rule {rule['uid']} {query['refId']}", query["model"])
